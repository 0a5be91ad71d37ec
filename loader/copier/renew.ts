/**
 * Renew a copy: a fresh grant for the same title, medium and user (docs/spec.md §8.8). The sealed title stays as it is.
 * A lease gets another term; what does not end gets a fresh record, signed with the center's key of today.
 */
import { dirname } from 'node:path'
import { equalBytes, hex } from '../../formats/bytes.js'
import { HEADER_BYTES, PayloadOpener } from '../../formats/cobblestone.js'
import { payloadContext } from '../../formats/derive.js'
import { CofferError, orNone } from '../../formats/errors.js'
import { asTyped } from '../../formats/wording.js'
import { isBearer } from '../../formats/records/fields.js'
import { readGrantClaim, type Grant } from '../../formats/records/grant.js'
import { openRequest, type VerifiedRequest } from '../../formats/records/request.js'
import { MAX_RECORD_BYTES } from '../../formats/limits.js'
import { learnTime } from '../clock.js'
import { makeFolder, readFile, removeFile } from '../files.js'
import { PendingFile, writeFile } from '../pending.js'
import type { Home } from '../home.js'
import { lockMedium } from '../lock.js'
import { mediumPaths } from '../medium/layout.js'
import { measureMedium } from '../medium/measure.js'
import { checkCall, MEDIUM, TITLE } from '../options.js'
import { POWERS, type Powers } from '../powers.js'
import { licenseName, openTitleFile, readLicense, titlePath, type OpenTitle } from '../read.js'
import { unwrapPayloadKey } from '../unwrap.js'
import type { CopyOptions } from './copy.js'
import { grantOf, recheckInstalled } from './install.js'
import { installRevocations, learnPublished } from './learn.js'
import {
  acceptAnswer,
  centerClient,
  makeOrder,
  orderOnline,
  requireGrant,
  type GrantAnswer,
  type Order
} from './order.js'

export type RenewOptions = Pick<CopyOptions, 'home' | 'centerUrl' | 'powers' | 'onEvent' | 'agree' | 'signal'>

const RENEW_OPTIONS: Readonly<Record<keyof RenewOptions, true>> = {
  home: true,
  centerUrl: true,
  powers: true,
  onEvent: true,
  agree: true,
  signal: true
}

export interface Renewed {
  readonly title: string
  readonly release: number
  readonly mediumId: string
  readonly kind: Grant['kind']
  /** Seconds since 1970; null: never. */
  readonly expires: number | null
  readonly chargedMinor: number
  readonly currency: string
}

/** Over HTTP. @throws CofferError of every step; the old grant stays until the new one is in place. */
export async function renewTitle(root: string, titleId: string, options: RenewOptions): Promise<Renewed> {
  checkCall('renewTitle()', { [MEDIUM]: root, [TITLE]: titleId }, options, RENEW_OPTIONS)
  const { home, powers = POWERS } = options
  using _lock = lockMedium(root)
  using title = titleOf(root, titleId, home)
  const byFiles = `coffer renew ${asTyped(root)} ${titleId} --out <file>`
  const client = centerClient(title.manifest, options, byFiles)
  const path = mediumPaths(root).renewal(licenseName(root, titleId, home.requireUserKeys().userId))
  return await askOnce(path, renewal(root, title, home, powers), async (order, isFresh) => {
    const learn = () => learnPublished(client, title.manifest.centerId, root, home)
    const answer = await orderOnline(order, client, home, learn, options.agree)
    return installGrant(answer, root, title, home, powers, isFresh)
  })
}

/**
 * The request is on the medium before it is sent, and stays until its grant is in place. A renewal that was charged and
 * whose answer was lost is so asked for again, by the same request, which costs nothing.
 *
 * @param order - What to ask where nothing is on its way.
 */
async function askOnce(
  path: string,
  order: Order,
  perform: (order: Order, isFresh: boolean) => Promise<Renewed>
): Promise<Renewed> {
  const before = pendingRenewal(path, order)
  if (before === undefined) {
    makeFolder(dirname(path))
    writeFile(path, order.bytes)
  }
  try {
    const renewed = await perform(before ?? order, before === undefined)
    removeFile(path)
    return renewed
  } catch (error) {
    // What was refused was not charged; or it is of so long ago that it helps no more.
    if (!(error instanceof CofferError) || error.exitCode !== 77) throw error
    removeFile(path)
    if (before === undefined) throw error
    return askOnce(path, order, perform)
  }
}

/** The request on a medium, where it asks for the same as this one. */
function pendingRenewal(path: string, { request }: Order): Order | undefined {
  const bytes = readFile(path, MAX_RECORD_BYTES)
  // A damaged one was never sent, or its answer is there.
  const before = bytes && orNone(() => openRequest(bytes))
  return before && asksTheSame(before, request) ? { bytes, request: before } : undefined
}

const asksTheSame = (a: VerifiedRequest, b: VerifiedRequest): boolean =>
  a.kind === b.kind &&
  a.titleId === b.titleId &&
  a.release === b.release &&
  a.scheme === b.scheme &&
  isBearer(a.bind) === isBearer(b.bind) &&
  equalBytes(a.mediumId, b.mediumId) &&
  equalBytes(a.userId, b.userId) &&
  equalBytes(a.centerId, b.centerId)

/** The same by files, first half. */
export function requestRenewal(
  root: string,
  titleId: string,
  { home, powers = POWERS }: RenewOptions
): Order {
  using title = titleOf(root, titleId, home)
  return renewal(root, title, home, powers)
}

/** The same by files, second half: the grant in an answer, for a title that is on the medium. */
export function applyGrant(
  answerBytes: Uint8Array,
  root: string,
  { home, powers = POWERS }: RenewOptions
): Renewed {
  const answer = requireGrant(acceptAnswer(answerBytes, home).answer)
  const grant = grantOf(answer, measureMedium(root), home)
  using _lock = lockMedium(root)
  using title = openTitleFile(titlePath(root, grant), root)
  return installGrant(answer, root, title, home, powers)
}

/** The sealed title of the copy that is to be renewed; whether its grant still holds does not matter. */
function titleOf(root: string, titleId: string, home: Home): OpenTitle {
  const { userId } = home.requireUserKeys()
  return openTitleFile(titlePath(root, claimOf(root, titleId, userId)), root)
}

/** @throws CofferError COFFER_USER_MISMATCH where all copies are others': nothing is asked of the center then. */
function claimOf(root: string, titleId: string, userId: Uint8Array): Grant {
  const claim = readGrantClaim(readLicense(root, titleId, userId).grantBytes)
  if (!equalBytes(claim.userId, userId)) throw anothers(titleId)
  return claim
}

function renewal(root: string, { manifest }: OpenTitle, home: Home, powers: Powers): Order {
  const { bind } = claimOf(root, manifest.id, home.requireUserKeys().userId)
  return makeOrder(manifest, measureMedium(root), home, powers, { kind: 'renew', bind })
}

/** Written, flushed, read back, rechecked, and held against the sealed title that is there; then in place. */
function installGrant(
  answer: GrantAnswer,
  root: string,
  title: OpenTitle,
  home: Home,
  powers: Powers,
  isFresh = false
): Renewed {
  const { manifest, file, payloadOffset } = title
  const { userId } = home.requireUserKeys()
  installRevocations(root, home, answer.revocations)
  learnTime(answer.centerId, answer.answered, measureMedium(root), home, isFresh)
  const name = licenseName(root, manifest.id, userId)
  const before = readFile(mediumPaths(root).grant(name), MAX_RECORD_BYTES)
  if (before !== undefined && !equalBytes(readGrantClaim(before).userId, userId)) throw anothers(manifest.id)
  using grantFile = new PendingFile(mediumPaths(root).grant(name))
  grantFile.write(answer.grant)
  grantFile.flush()
  using license = recheckInstalled(grantFile.temporaryPath, title, root, home, powers)
  using key = unwrapPayloadKey(license)
  // The commitment in the header says whether this key is the payload's, without a pass over all of it.
  const header = file.read(payloadOffset, HEADER_BYTES)
  new PayloadOpener(key.key, payloadContext(manifest.id, manifest.release), header).wipe()
  grantFile.commit()
  const { kind, expires, mediumId } = license.grant
  return {
    title: manifest.id,
    release: manifest.release,
    mediumId: hex(mediumId),
    kind,
    expires: expires ?? null,
    chargedMinor: answer.chargedMinor,
    currency: answer.currency
  }
}

const anothers = (titleId: string) =>
  new CofferError('COFFER_USER_MISMATCH', `The copy of ${titleId} on this medium is another user's.`, {
    expected: 'a copy of this user',
    found: 'one of another',
    hint: 'Order one of your own with "coffer copy".'
  })
