/**
 * Hand a copy on to another medium of the same user, or to whoever made an order for it (docs/spec.md §8.7): a return with
 * that order in it. The medium gives it up first (give-up.ts).
 */
import { equalBytes, wipe } from '../../formats/bytes.js'
import { CofferError } from '../../formats/errors.js'
import { asTyped } from '../../formats/wording.js'
import type { VerifiedGrant } from '../../formats/records/grant.js'
import { openRequest } from '../../formats/records/request.js'
import { encodeTransferQuestion } from '../../formats/records/transfer.js'
import { inspectFile } from '../files.js'
import type { Home } from '../home.js'
import { lockMedium } from '../lock.js'
import { measureMedium } from '../medium/measure.js'
import { checkCall, MEDIUM, TITLE } from '../options.js'
import { POWERS, type Powers } from '../powers.js'
import { licenseName, openTitleFile, titlePath, type OpenTitle } from '../read.js'
import { afterGivingUp, giveUp, nameOf, pendingOf, type Pending } from './give-up.js'
import { ownGrant, savesOf } from './held.js'
import { checkSpace, install, type Copied } from './install.js'
import { masterRevocations, openOnMaster } from './master.js'
import { makeOrder, requireGrant } from './order.js'
import {
  RETURN_OPTIONS,
  beforeGivingUp,
  finishReturn,
  isTooOld,
  reachCenter,
  send,
  type Returned,
  type ReturnOptions
} from './returns.js'

export interface TransferOptions extends ReturnOptions {
  /** Where the sealed title comes from; default: the medium that gives it up, which holds it in the scheme certificate. */
  readonly master?: string | undefined
}

/**
 * Hand a copy on to another medium of the same user. One request, answered in one transaction: at no moment are there
 * two copies.
 *
 * @throws CofferError of every step. Once the grant is gone, the same call goes on where it stopped.
 */
export async function transferTitle(
  root: string,
  titleId: string,
  target: string,
  options: TransferOptions
): Promise<Copied> {
  const texts = { [MEDIUM]: root, [TITLE]: titleId, 'the folder of another medium': target }
  checkCall('transferTitle()', texts, options, { ...RETURN_OPTIONS, master: true })
  const { home, powers = POWERS, onEvent = () => {}, signal, master } = options
  const medium = measureMedium(target)
  if (equalBytes(measureMedium(root).mediumId, medium.mediumId)) throw sameMedium(root, target)
  using _lock = lockMedium(root)
  using _targetLock = lockMedium(target)
  const before = pendingTransfer(root, titleId, home)
  const held = before === undefined ? ownGrant(root, titleId, home) : undefined
  using source = openSource(root, titleId, target, options, before?.order.release)
  checkSpace(target, source)
  const { bind } = before?.order ?? held!
  const newOrder = () => makeOrder(source.manifest, medium, home, powers, { kind: 'transfer', bind }).bytes
  const isReusable = before !== undefined && equalBytes(before.order.mediumId, medium.mediumId)
  const order = isReusable ? before.given.order! : newOrder()
  if (held !== undefined) await askBefore(held, order, options)
  const words = {
    again: `Repeat "coffer transfer ${asTyped(root)} ${titleId} --to ${asTyped(target)}" to go on.`,
    instead: insteadOf(root, titleId)
  }
  const { pending, answer: answered } = await send(
    isStale => giveUp(root, titleId, { home, powers, order: isStale ? newOrder() : order }),
    words,
    options
  )
  return await afterGivingUp(titleId, words, async () => {
    const answer = requireGrant(answered)
    const fromMaster = master === undefined ? undefined : masterRevocations(master)
    const copied = await install(answer, { source, fromMaster, medium, home, powers, onEvent, signal })
    await moveSaves(root, target, pending, home, powers)
    finishReturn(root, pending, answer, home)
    return copied
  })
}

/** Whether the center would refuse it is asked while the copy is still there: what was given up does not come back. */
async function askBefore(
  held: Pick<VerifiedGrant, 'centerId' | 'grantId' | 'titleId'>,
  order: Uint8Array,
  options: ReturnOptions,
  byFiles?: string
): Promise<void> {
  const { grantId, titleId } = held
  const center = await reachCenter(held, options, byFiles)
  // One that is older than the question is not asked: then the return alone tells.
  await beforeGivingUp(titleId, () => center.mayTransfer(encodeTransferQuestion({ grantId, order })))
}

const insteadOf = (root: string, titleId: string) =>
  `Hand it on elsewhere with "coffer transfer", or give it back with "coffer return ${asTyped(root)} ${titleId}".`

const sameMedium = (root: string, target: string) =>
  new CofferError('COFFER_USAGE', 'A copy cannot be moved to where it is: both are the same medium.', {
    expected: 'two media',
    found: `${root} and ${target}`,
    hint: 'Give another medium with --to.'
  })

export interface HandOnOptions extends ReturnOptions {
  /** Puts the answer, which is for whoever made the order, where it lasts: afterwards the medium is rid of it. */
  readonly keep: (answer: Uint8Array) => void
}

/**
 * Hand a copy on to whoever made this order, over HTTP.
 *
 * @param order - A request of kind `transfer`, as "coffer order --transfer" wrote it.
 * @throws CofferError of every step. Once the grant is gone, the same call goes on where it stopped.
 */
export async function handOn(
  root: string,
  titleId: string,
  order: Uint8Array,
  { keep, ...options }: HandOnOptions
): Promise<Returned> {
  const { home, powers = POWERS } = options
  refuseOther(order, titleId)
  using _lock = lockMedium(root)
  const byFiles = `coffer transfer ${asTyped(root)} ${titleId} --order <file> --out <file>`
  if (pendingOf(root, titleId, home.requireUserKeys().userId) === undefined)
    await askBefore(ownGrant(root, titleId, home), order, options, byFiles)
  const words = { again: 'Repeat the command to go on.', instead: insteadOf(root, titleId), byFiles }
  const { pending, bytes, answer } = await send(
    isStale => giveUp(root, titleId, { home, powers, order, ...(isStale && { isStale }) }),
    words,
    options
  )
  return await afterGivingUp(titleId, words, async () => {
    keep(bytes)
    return finishReturn(root, pending, answer, home)
  })
}

/** The same by files, first half: the return with the order in it, to carry to the center. */
export function requestHandOn(
  root: string,
  titleId: string,
  order: Uint8Array,
  options: ReturnOptions
): Pending {
  const { home, powers = POWERS } = options
  refuseOther(order, titleId)
  using _lock = lockMedium(root)
  return giveUp(root, titleId, { home, powers, order, isStale: isTooOld(powers) })
}

/** @throws CofferError COFFER_ANSWER_MISMATCH for an order that a copy of this title is not handed on for. */
function refuseOther(order: Uint8Array, titleId: string): void {
  const request = openRequest(order)
  if (request.kind === 'transfer' && request.titleId === titleId) return
  throw new CofferError(
    'COFFER_ANSWER_MISMATCH',
    'This is not an order that a copy could be handed on for.',
    {
      expected: `a request of kind "transfer" for ${titleId}`,
      found: `one of kind "${request.kind}" for ${request.titleId}`,
      hint: 'Whoever is to get the copy makes it with "coffer order ... --transfer".'
    }
  )
}

/**
 * What the title saved goes along: opened with the keys of the one medium and sealed with those of the other, which
 * follow from the user's key. What the other has of it already stays.
 */
async function moveSaves(
  from: string,
  to: string,
  pending: Pending,
  home: Home,
  powers: Powers
): Promise<void> {
  const { titleId, centerId, order } = pending.given
  const license = { titleId, centerId, bind: openRequest(order!).bind }
  const { userId } = home.requireUserKeys()
  // The grant is gone; the return has its name, which is not always the title's.
  using source = savesOf(from, nameOf(pending), license, home, powers)
  using target = savesOf(to, licenseName(to, titleId, userId), license, home, powers)
  const there = new Set(target.list())
  const changes: { slot: string; bytes: Uint8Array }[] = []
  try {
    for (const slot of source.list()) {
      const bytes = there.has(slot) ? undefined : source.read(slot)
      if (bytes !== undefined) changes.push({ slot, bytes })
    }
    await target.commit(changes)
  } finally {
    wipe(...changes.map(({ bytes }) => bytes))
  }
}

function pendingTransfer(root: string, titleId: string, home: Home) {
  const pending = pendingOf(root, titleId, home.requireUserKeys().userId)
  const order = pending?.given.order && openRequest(pending.given.order)
  return order && { given: pending.given, order }
}

/** The sealed title that goes to the other medium. */
function openSource(
  root: string,
  titleId: string,
  target: string,
  { home, master }: TransferOptions,
  pendingRelease: number | undefined
): OpenTitle {
  const grant =
    pendingRelease === undefined
      ? ownGrant(root, titleId, home)
      : { titleId, release: pendingRelease, scheme: 'certificate' as const, epoch: 0 }
  if (master !== undefined) return openOnMaster(master, titleId, grant.release)
  // One that was stopped at its very end has left it on the other medium alone.
  const places = [root, ...(pendingRelease === undefined ? [] : [target])].map(at => titlePath(at, grant))
  const source = openTitleFile(places.find(path => inspectFile(path) !== undefined) ?? places[0]!)
  if (source.manifest.scheme === 'certificate') return source
  source[Symbol.dispose]()
  throw new CofferError('COFFER_USAGE', `The copy of ${titleId} on this medium is encrypted for it alone.`, {
    expected: 'its master, from which it is copied to the other medium',
    found: 'the scheme conversion, and no --master',
    hint: 'Give the master with --master <master>.'
  })
}
