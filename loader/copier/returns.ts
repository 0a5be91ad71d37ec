/**
 * Give a copy up: return it to the center, or hand it on to another medium (docs/spec.md §8.7).
 *
 * The medium gives it up first, and provably. The signed return is written and flushed: from then on every loader
 * refuses the grant. The grant is removed, and that it is gone is read back from the medium. Only then is the return
 * sent. It stays on the medium until the center has answered, so that whatever happens in between, the same return is
 * sent again; and at home, so that a grant that is put back from a backup does not run.
 */
import { basename, join } from 'node:path'
import { equalBytes, hex, wipe } from '../../formats/bytes.js'
import { CofferError, orNone } from '../../formats/errors.js'
import { MAX_RECORD_BYTES } from '../../formats/limits.js'
import type { VerifiedAnswer } from '../../formats/records/answer.js'
import type { Grant } from '../../formats/records/grant.js'
import { openRequest } from '../../formats/records/request.js'
import { encodeReturn, openReturn, type VerifiedReturn } from '../../formats/records/return.js'
import { encodeCollection } from '../../formats/records/revocations.js'
import { learnTime } from '../clock.js'
import { inspectFile, listFolder, makeFolder, readFile, removeFile } from '../files.js'
import { writeFile } from '../pending.js'
import type { Home } from '../home.js'
import { lockMedium } from '../lock.js'
import { mediumPaths } from '../medium/layout.js'
import { measureMedium } from '../medium/measure.js'
import { POWERS, type Powers } from '../powers.js'
import { licenseName, openTitleFile, titlePath, type OpenTitle } from '../read.js'
import { listOf } from '../travel.js'
import type { CopyOptions } from './copy.js'
import { ownGrant, savesOf } from './held.js'
import { checkSpace, install, type Copied } from './install.js'
import { installRevocations, learnEnded } from './learn.js'
import { masterRevocations, openOnMaster } from './master.js'
import { acceptAnswer, centerClient, makeOrder, requireGrant } from './order.js'
import { removeUnused, setSavesApart } from './place.js'

export type ReturnOptions = Pick<CopyOptions, 'home' | 'centerUrl' | 'powers' | 'onEvent' | 'signal'>

export interface Returned {
  readonly title: string
  readonly mediumId: string
  readonly refundedMinor: number
  readonly currency: string
}

export interface TransferOptions extends ReturnOptions {
  /** Where the sealed title comes from; default: the medium that gives it up, which holds it in the scheme certificate. */
  readonly master?: string | undefined
}

/** A return on its way: it is on the medium, and its grant is not. */
export interface Pending {
  readonly bytes: Uint8Array
  readonly given: VerifiedReturn
  /** Where it is kept. */
  readonly path: string
}

/**
 * Return a copy over HTTP.
 *
 * @throws CofferError of every step. Once the grant is gone, the same call goes on where it stopped.
 */
export async function returnTitle(root: string, titleId: string, options: ReturnOptions): Promise<Returned> {
  const { home, powers = POWERS } = options
  using _lock = lockMedium(root)
  const pending = giveUp(root, titleId, home, powers)
  const { answer } = await send(pending, options)
  return finishReturn(root, pending, answer, home)
}

/** Send a return, and believe what comes back. */
async function send(pending: Pending, options: ReturnOptions) {
  const { home } = options
  const client = centerClient(pending.given, options)
  const bytes = await client.giveBack(pending.bytes)
  const { answer, center } = acceptAnswer(bytes, home, pending.given)
  await learnEnded(client, answer.revocations, center, home)
  return { bytes, answer }
}

/** The same by files, first half: the return, to carry to the center. The medium has given the copy up then. */
export function requestReturn(root: string, titleId: string, options: ReturnOptions): Pending {
  using _lock = lockMedium(root)
  return giveUp(root, titleId, options.home, options.powers ?? POWERS)
}

/** The return on a medium that an answer is for. */
export function pendingFor(root: string, { requestHash }: VerifiedAnswer): Pending | undefined {
  const { returns } = mediumPaths(root)
  return listFolder(returns)
    .map(name => readPending(join(returns, name)))
    .find(pending => pending !== undefined && equalBytes(pending.given.requestHash, requestHash))
}

/** The same by files, second half. */
export function applyReturn(answer: Uint8Array, root: string, pending: Pending, home: Home): Returned {
  using _lock = lockMedium(root)
  return finishReturn(root, pending, acceptAnswer(answer, home, pending.given).answer, home)
}

/** The center has credited it: what it published is put on the medium, and nothing of the copy is left but its saves. */
function finishReturn(root: string, pending: Pending, answer: VerifiedAnswer, home: Home): Returned {
  const { titleId, mediumId, centerId, grantId } = pending.given
  installRevocations(root, home, answer.revocations)
  learnList(centerId, answer.revocations, home)
  learnTime(centerId, answer.answered, measureMedium(root), home)
  removeUnused(root, titleId)
  setSavesApart(root, titleId, basename(pending.path, '.return'), pending.given.userId)
  removeFile(pending.path)
  home.seen(centerId).forgetReturned(grantId)
  return {
    title: titleId,
    mediumId: hex(mediumId),
    refundedMinor: answer.refundedMinor ?? 0,
    currency: answer.currency
  }
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
  const { home, powers = POWERS, onEvent = () => {}, signal } = options
  using _lock = lockMedium(root)
  using _targetLock = lockMedium(target)
  const medium = measureMedium(target)
  const before = pendingTransfer(root, titleId, home)
  const reusable = before !== undefined && equalBytes(before.order.mediumId, medium.mediumId)
  using source = openSource(root, titleId, target, options, before?.order.release)
  checkSpace(target, source)
  const pending = reusable
    ? giveUp(root, titleId, home, powers)
    : giveUp(root, titleId, home, powers, grant => {
        const kind = 'transfer' as const
        return makeOrder(source.manifest, medium, home, powers, { kind, bind: grant.bind }).bytes
      })
  const answer = requireGrant((await send(pending, options)).answer)
  const fromMaster = options.master === undefined ? undefined : masterRevocations(options.master)
  const copied = await install(answer, { source, fromMaster, medium, home, powers, onEvent, signal })
  await moveSaves(root, target, pending, home, powers)
  finishReturn(root, pending, answer, home)
  return copied
}

/**
 * Hand a copy on to whoever made this order: by files, first half.
 *
 * @param order - A request of kind `transfer`, as "coffer order --transfer" wrote it.
 */
export function requestHandOn(
  root: string,
  titleId: string,
  order: Uint8Array,
  options: ReturnOptions
): Pending {
  const request = openRequest(order)
  if (request.kind !== 'transfer' || request.titleId !== titleId) {
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
  using _lock = lockMedium(root)
  return giveUp(root, titleId, options.home, options.powers ?? POWERS, () => order)
}

/**
 * What the title saved goes along: opened with the keys of the one medium and sealed with those of the other, which
 * follow from the user's key. What the other has of it already stays.
 */
async function moveSaves(
  from: string,
  to: string,
  { given: { titleId, centerId, order }, path }: Pending,
  home: Home,
  powers: Powers
): Promise<void> {
  const license = { titleId, centerId, bind: openRequest(order!).bind }
  const { userId } = home.requireUserKeys()
  // The grant is gone; the return has its name, which is not always the title's.
  using source = savesOf(from, basename(path, '.return'), license, home, powers)
  using target = savesOf(to, licenseName(to, titleId, userId), license, home, powers)
  const there = new Set(target.list())
  const changes = source.list().flatMap(slot => {
    const bytes = there.has(slot) ? undefined : source.read(slot)
    return bytes === undefined ? [] : [{ slot, bytes }]
  })
  try {
    await target.commit(changes)
  } finally {
    wipe(...changes.map(({ bytes }) => bytes))
  }
}

/** Send a return that was made, and finish it. @returns The answer's bytes too, for whoever the copy was handed on to. */
export async function sendReturn(
  root: string,
  pending: Pending,
  options: ReturnOptions
): Promise<Returned & { readonly answer: Uint8Array }> {
  using _lock = lockMedium(root)
  const { home } = options
  const { bytes, answer } = await send(pending, options)
  return { ...finishReturn(root, pending, answer, home), answer: bytes }
}

/**
 * Give a copy up, or go on with giving it up.
 *
 * @param orderFor - Makes the order that it is given up for; a return of the same copy that is on the medium already is
 *   replaced then. The center takes the first that it gets, and refuses the other.
 */
function giveUp(
  root: string,
  titleId: string,
  home: Home,
  powers: Powers,
  orderFor?: (grant: Pick<Grant, 'bind'>) => Uint8Array
): Pending {
  const user = home.requireUserKeys()
  const paths = mediumPaths(root)
  const name = licenseName(root, titleId, user.userId)
  const path = paths.returned(name)
  const before = readPending(path)
  if (before !== undefined && orderFor === undefined) return removeGrant(root, name, before)

  const { centerId, grantId, bind } = before?.given.order
    ? { ...before.given, bind: openRequest(before.given.order).bind }
    : ownGrant(root, titleId, home)
  const order = orderFor?.({ bind })
  const bytes = encodeReturn(
    {
      centerId,
      created: powers.now(),
      grantId,
      mediumId: measureMedium(root).mediumId,
      ...(order && { order }),
      requestId: powers.random(16),
      sealKey: user.sealKey,
      signKey: user.signKey,
      titleId
    },
    user.signer
  )
  makeFolder(paths.returns)
  writeFile(path, bytes)
  home.seen(centerId).rememberReturned(grantId)
  return removeGrant(root, name, { bytes, given: openReturn(bytes), path })
}

/** The list that names the copy is remembered at home: from now on that is what refuses it. */
function learnList(centerId: Uint8Array, list: Uint8Array, home: Home): void {
  const center = home.requireCenter(centerId)
  const carried = listOf(center, encodeCollection({ lists: [list] }))
  if (carried !== undefined) home.seen(centerId).rememberRevocations(carried, center)
}

/** Only what the medium says counts: the return is on it, and the grant is not. */
function removeGrant(root: string, name: string, pending: Pending): Pending {
  const paths = mediumPaths(root)
  const kept = readFile(pending.path, MAX_RECORD_BYTES)
  if (kept === undefined || !equalBytes(kept, pending.bytes)) throw notGone(pending.path)
  removeFile(paths.grant(name))
  if (inspectFile(paths.grant(name)) !== undefined || listFolder(paths.grants).includes(`${name}.grant`))
    throw notGone(paths.grant(name))
  return pending
}

const notGone = (path: string) =>
  new CofferError('COFFER_IO', `The medium does not do what it is told: ${path} is not as it was written.`, {
    hint: 'Nothing was sent. Check that the medium is not write-protected and undamaged, and repeat the command.'
  })

/** A record that is damaged is none: the center has not got it, or the list says so. */
function readPending(path: string): Pending | undefined {
  const bytes = readFile(path, MAX_RECORD_BYTES)
  return bytes && orNone(() => ({ bytes, given: openReturn(bytes), path }))
}

function pendingTransfer(root: string, titleId: string, home: Home) {
  const name = licenseName(root, titleId, home.requireUserKeys().userId)
  const pending = readPending(mediumPaths(root).returned(name))
  const order = pending?.given.order && openRequest(pending.given.order)
  return order && { pending, order }
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
