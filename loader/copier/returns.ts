/**
 * Return a copy to the center, over HTTP or by files (docs/spec.md §8.7). The medium gives it up first (give-up.ts).
 */
import { equalBytes, hex } from '../../formats/bytes.js'
import { CofferError } from '../../formats/errors.js'
import { MAX_REQUEST_AGE_SECONDS } from '../../formats/limits.js'
import { asTyped } from '../../formats/wording.js'
import type { VerifiedAnswer } from '../../formats/records/answer.js'
import type { VerifiedReturn } from '../../formats/records/return.js'
import { encodeCollection } from '../../formats/records/revocations.js'
import { openRoots } from '../../formats/records/root.js'
import { learnTime } from '../clock.js'
import { removeFile } from '../files.js'
import type { Home } from '../home.js'
import { lockMedium } from '../lock.js'
import { measureMedium } from '../medium/measure.js'
import { checkCall, MEDIUM, TITLE } from '../options.js'
import { POWERS, type Powers } from '../powers.js'
import { listOf } from '../travel.js'
import type { CenterClient } from './center-client.js'
import type { CopyOptions } from './copy.js'
import { afterGivingUp, giveUp, nameOf, pendingOf, pendingReturns, retold, type Pending } from './give-up.js'
import { ownGrant } from './held.js'
import { installRevocations, learnEnded } from './learn.js'
import { acceptAnswer, centerClient } from './order.js'
import { removeUnused, setSavesApart } from './place.js'

export type ReturnOptions = Pick<CopyOptions, 'home' | 'centerUrl' | 'powers' | 'onEvent' | 'signal'>

/** All of them. */
export const RETURN_OPTIONS: Readonly<Record<keyof ReturnOptions, true>> = {
  home: true,
  centerUrl: true,
  powers: true,
  onEvent: true,
  signal: true
}

export interface Returned {
  readonly title: string
  readonly mediumId: string
  readonly refundedMinor: number
  readonly currency: string
}

/**
 * Return a copy over HTTP.
 *
 * @throws CofferError of every step. Once the grant is gone, the same call goes on where it stopped.
 */
export async function returnTitle(root: string, titleId: string, options: ReturnOptions): Promise<Returned> {
  checkCall('returnTitle()', { [MEDIUM]: root, [TITLE]: titleId }, options, RETURN_OPTIONS)
  const { home, powers = POWERS } = options
  using _lock = lockMedium(root)
  const command = `coffer return ${asTyped(root)} ${titleId}`
  const byFiles = `${command} --out <file>`
  if (pendingOf(root, titleId, home.requireUserKeys().userId) === undefined)
    await reachCenter(ownGrant(root, titleId, home), options, byFiles)
  const { pending, answer } = await send(
    isStale => giveUp(root, titleId, { home, powers, isStale }),
    {
      again: `Repeat "${command}" to be credited.`,
      instead: `When that is mended, repeat "${command}".`,
      byFiles
    },
    options
  )
  return finishReturn(root, pending, answer, home)
}

/**
 * Before a copy is given up over HTTP: the center that granted it answers at the address that is known, or was typed.
 *
 * @param byFiles - As of {@link centerClient}.
 * @throws CofferError COFFER_USAGE, COFFER_CENTER_*, COFFER_BUSY; the copy runs then as it did.
 */
export async function reachCenter(
  { centerId, titleId }: Pick<VerifiedReturn, 'centerId' | 'titleId'>,
  options: ReturnOptions,
  byFiles?: string
): Promise<CenterClient> {
  const client = centerClient({ centerId }, options, byFiles)
  return beforeGivingUp(titleId, async () => {
    const roots = await client.roots()
    const found = openRoots(roots).centerId
    if (!equalBytes(found, centerId)) throw otherCenter(client.url, centerId, found)
    options.home.follow(roots)
    return client
  })
}

/** What fails must not read as if the copy were lost. */
export async function beforeGivingUp<T>(titleId: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof CofferError)) throw error
    throw retold(error, `The medium has its copy of ${titleId} still. ${error.hint ?? ''}`.trim())
  }
}

const otherCenter = (url: string, expected: Uint8Array, found: Uint8Array) =>
  new CofferError('COFFER_CENTER_UNTRUSTED', `At ${url} is another license center than the copy's.`, {
    expected: `center ${hex(expected)}`,
    found: `center ${hex(found)}`,
    hint: 'Check the address that was given with --center.'
  })

/**
 * Send a return, and believe what comes back. One that the center finds too old, or ahead of its time, is made anew once.
 *
 * @param make - Gives the copy up, or finds the return that is there.
 */
export async function send(
  make: (isStale?: () => boolean) => Pending,
  words: Parameters<typeof afterGivingUp>[1] & { readonly byFiles?: string },
  options: ReturnOptions
): Promise<{ pending: Pending; bytes: Uint8Array; answer: VerifiedAnswer }> {
  const { home } = options
  let pending = make()
  return afterGivingUp(pending.given.titleId, words, async () => {
    const client = centerClient(pending.given, options, words.byFiles)
    const bytes = await client.giveBack(pending.bytes).catch((error: unknown) => {
      if (!(error instanceof CofferError) || error.code !== 'COFFER_REQUEST_STALE') throw error
      pending = make(() => true)
      return client.giveBack(pending.bytes)
    })
    const { answer, center } = acceptAnswer(bytes, home, pending.given)
    await learnEnded(client, answer.revocations, center, home)
    return { pending, bytes, answer }
  })
}

/** For files: nobody is asked whether the return that is there is too old for a center that has not answered it. */
export const isTooOld =
  ({ now }: Powers) =>
  ({ created }: VerifiedReturn): boolean =>
    created < now() - MAX_REQUEST_AGE_SECONDS

/** The same by files, first half: the return, to carry to the center. The medium has given the copy up then. */
export function requestReturn(root: string, titleId: string, options: ReturnOptions): Pending {
  const { home, powers = POWERS } = options
  using _lock = lockMedium(root)
  return giveUp(root, titleId, { home, powers, isStale: isTooOld(powers) })
}

/** The return on a medium that an answer is for. */
export const pendingFor = (root: string, { requestHash }: VerifiedAnswer): Pending | undefined =>
  pendingReturns(root).find(({ given }) => equalBytes(given.requestHash, requestHash))

/** The same by files, second half. */
export function applyReturn(answer: Uint8Array, root: string, pending: Pending, home: Home): Returned {
  using _lock = lockMedium(root)
  return finishReturn(root, pending, acceptAnswer(answer, home, pending.given).answer, home)
}

/** The center has credited it: what it published is put on the medium, and nothing of the copy is left but its saves. */
export function finishReturn(root: string, pending: Pending, answer: VerifiedAnswer, home: Home): Returned {
  const { titleId, mediumId, centerId, grantId, userId } = pending.given
  installRevocations(root, home, answer.revocations)
  learnList(centerId, answer.revocations, home)
  learnTime(centerId, answer.answered, measureMedium(root), home)
  removeUnused(root, titleId)
  setSavesApart(root, titleId, nameOf(pending), userId)
  removeFile(pending.path)
  home.seen(centerId).forgetReturned(grantId)
  return {
    title: titleId,
    mediumId: hex(mediumId),
    refundedMinor: answer.refundedMinor ?? 0,
    currency: answer.currency
  }
}

/** The list that names the copy is remembered at home: from now on that is what refuses it. */
function learnList(centerId: Uint8Array, list: Uint8Array, home: Home): void {
  const center = home.requireCenter(centerId)
  const carried = listOf(center, encodeCollection({ lists: [list] }))
  if (carried !== undefined) home.seen(centerId).rememberRevocations(carried, center)
}
