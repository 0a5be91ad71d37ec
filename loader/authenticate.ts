/**
 * Step 2 of the path: who says so? (docs/spec.md §6.4)
 *
 * Only a grant that a pinned center signed goes on, that was not given up, and whose center has taken back neither it nor
 * the key that signed it.
 */
import { equalBytes } from '../formats/bytes.js'
import { CofferError, orNone } from '../formats/errors.js'
import { parseFrame } from '../formats/frame.js'
import { MAX_RECORD_BYTES } from '../formats/limits.js'
import { openGrant, type VerifiedGrant } from '../formats/records/grant.js'
import { openReturn } from '../formats/records/return.js'
import type { Revocations } from '../formats/records/revocations.js'
import type { Center } from '../formats/records/root.js'
import { endedName, lookUp, lookUpSeen, rememberEnded } from './ended.js'
import { within } from './files.js'
import type { Home } from './home.js'
import { givenUp, type ClaimedLicense } from './read.js'
import { remembering } from './remember.js'
import type { Seen, SeenList } from './seen.js'
import { followRoots, listOf, rootsOf } from './travel.js'

declare const signed: unique symbol
/** A grant that a pinned center signed. Only {@link authenticate} makes one. */
export interface SignedLicense {
  readonly [signed]: true
  readonly grant: VerifiedGrant
  readonly center: Center
  readonly revocations: Revocations
}

/**
 * Signature and trust: who says so?
 *
 * @throws CofferError COFFER_RECORD_*, COFFER_ENCODING, COFFER_CENTER_UNTRUSTED, COFFER_TITLE_MISMATCH,
 *   COFFER_REVOCATIONS_MISSING.
 */
export function authenticate(claimed: ClaimedLicense, home: Home): SignedLicense {
  followRoots(claimed.revocationsBytes, home)
  const opened = openGrantOnce(claimed.grantBytes, home.centers())
  if (opened === undefined) {
    refuseFormerKey(claimed.grantBytes, home)
    throw new CofferError(
      'COFFER_CENTER_UNTRUSTED',
      `The grant for ${claimed.titleId} is from a center not trusted here.`,
      {
        expected: 'a grant signed by a center pinned with "coffer trust"',
        found: 'a grant signed by someone else',
        hint: home.trustHint('; otherwise do not use this medium.')
      }
    )
  }
  const { grant, center } = opened
  if (grant.titleId !== claimed.titleId) {
    throw new CofferError(
      'COFFER_TITLE_MISMATCH',
      `The grant filed for ${claimed.titleId} is for another title.`,
      {
        expected: claimed.titleId,
        found: grant.titleId,
        hint: `Order ${claimed.titleId} for this medium with "coffer copy".`
      }
    )
  }
  const seen = home.seen(center.centerId)
  refuseReturned(claimed, grant, seen)
  const carried = carriedList(claimed, grant, center, home)
  const revocations = newestOf(carried, center, seen)
  refuseEnded(claimed, grant, center, seen)
  return { grant, center, revocations } as SignedLicense
}

const openGrantOnce = remembering(openGrant)

/** @throws CofferError COFFER_RETURNED for a copy that was given up, on this medium or by this person. */
function refuseReturned({ returnBytes }: ClaimedLicense, grant: VerifiedGrant, seen: Seen): void {
  const { grantId, titleId } = grant
  // One that is damaged names no copy.
  const given = returnBytes && orNone(() => openReturn(returnBytes))
  const isOnMedium = given !== undefined && equalBytes(given.grantId, grantId)
  if (isOnMedium || seen.marks.returned.some(id => equalBytes(id, grantId))) throw givenUp(titleId)
}

/** @throws CofferError COFFER_REVOKED when one of the center's own keys signed that it has revoked since. */
function refuseFormerKey(grantBytes: Uint8Array, home: Home): void {
  const { signatures } = parseFrame('grant', grantBytes, MAX_RECORD_BYTES)
  const center = home
    .centers()
    .find(({ former }) => signatures.some(({ publicKey }) => former.some(key => equalBytes(key, publicKey))))
  if (center === undefined) return
  throw new CofferError('COFFER_REVOKED', `${center.name} has revoked the key that signed this grant.`, {
    expected: `a grant signed by a key of its root record ${center.sequence}`,
    found: 'one signed by a key that it no longer names',
    hint: 'Order the title for this medium again with "coffer copy"; a title bought before costs nothing again.'
  })
}

/**
 * Copies that have ended and that the list does not name: by the medium, or by what was seen at home.
 *
 * @throws CofferError COFFER_REVOKED, COFFER_RECORD_*, COFFER_ENCODING.
 */
function refuseEnded({ folder }: ClaimedLicense, grant: VerifiedGrant, center: Center, seen: Seen): void {
  const found =
    folder === undefined
      ? undefined
      : lookUp(within(folder, endedName(center.centerId)), center, grant.grantId)
  const known = lookUpSeen(seen, center, grant.grantId)
  // A newer one than at home is remembered there: this person has seen it.
  if (found !== undefined && found.sequence > (known?.sequence ?? 0)) rememberEnded(folder!, center, seen)
  if (found?.isEnded !== true && known?.isEnded !== true) return
  throw new CofferError('COFFER_REVOKED', 'The center has taken this grant back: its copy has ended.', {
    expected: 'a copy that is held',
    found: 'one that was returned, handed on or taken back',
    hint: 'Ask the seller; if it is a mistake, order the title again afterwards.'
  })
}

/** The list that the medium carries, which must be as new as its grant. @throws CofferError COFFER_REVOCATIONS_MISSING */
function carriedList(claimed: ClaimedLicense, grant: VerifiedGrant, center: Center, home: Home): SeenList {
  const carried = listOf(center, claimed.revocationsBytes)
  if (carried === undefined) throw missingRevocations(grant, 'none of its center')
  refuseOtherRoots(claimed.revocationsBytes!, center, home)
  const { sequence } = carried.revocations
  if (sequence < grant.revocations) throw missingRevocations(grant, `number ${sequence}`)
  return carried
}

/** Of the list on the medium and the one that was seen; if the medium's is newer, it has been seen now. */
function newestOf(carried: SeenList, center: Center, seen: Seen): Revocations {
  const atHome = seen.revocations(center)?.revocations
  if (atHome !== undefined && atHome.sequence >= carried.revocations.sequence) return atHome
  seen.rememberRevocations(carried, center)
  return carried.revocations
}

/**
 * What a collection says of this center's root records must be what is known here, by now to its end: else its bytes
 * are not as they were written, or somebody has written others.
 */
function refuseOtherRoots(collection: Uint8Array, center: Center, home: Home): void {
  const known = home.roots(center)
  const carried = rootsOf(center, collection)
  if (carried?.every((record, index) => index < known.length && equalBytes(record, known[index]!))) return
  throw new CofferError(
    'COFFER_RECORD_DAMAGED',
    "The center's root records on this medium are not its own.",
    {
      expected: 'the root records that are known here, and newer ones that follow from them',
      found: carried === undefined ? 'none of its center' : 'others',
      hint: 'Order the title for this medium again with "coffer copy"; a title bought before costs nothing again.'
    }
  )
}

const missingRevocations = (grant: VerifiedGrant, found: string) =>
  new CofferError(
    'COFFER_REVOCATIONS_MISSING',
    'The revocation list that belongs to the grant is not on this medium.',
    {
      expected: `revocation list number ${grant.revocations} or newer`,
      found,
      hint: 'Order the title for this medium again with "coffer copy"; a title bought before costs nothing again.'
    }
  )
