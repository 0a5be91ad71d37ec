/**
 * Steps 2 and 3 of the path: is this license good, here and now? (docs/spec.md §6.4; FIG. 6 and FIG. 10 of the seed)
 *
 * `authenticate` believes only a pinned center's signature. `recheck` then compares what was certified with what is
 * here: title, medium, user, time, revocations, and CS with CS'. The comparisons give good messages; what protects is
 * that the medium as measured and CS' as recomputed enter the key (unwrap.ts). With every `if` of this file taken out
 * a foreign medium still does not open.
 */
import { equalBytes, hex, wipe } from '../formats/bytes.js'
import {
  computeCertificate,
  deriveBindingKey,
  deriveSaveRoot,
  openBindingSecret,
  openCertificationKey,
  type Binding
} from '../formats/derive.js'
import { CofferError } from '../formats/errors.js'
import { parseFrame } from '../formats/frame.js'
import { MAX_RECORD_BYTES } from '../formats/limits.js'
import { isBearer } from '../formats/records/fields.js'
import { openGrant, type VerifiedGrant } from '../formats/records/grant.js'
import { LOADER_LEVEL, type ParsedManifest } from '../formats/records/manifest.js'
import { openReturn } from '../formats/records/return.js'
import { findRevocation, type Revocations } from '../formats/records/revocations.js'
import type { Center } from '../formats/records/root.js'
import { CLOCK_TOLERANCE, timeFor } from './clock.js'
import type { Home, UserKeys } from './home.js'
import { describeChange, type MeasuredMedium } from './medium/measure.js'
import { givenUp, type ClaimedLicense } from './read.js'
import { remembering } from './remember.js'
import { endedName, lookUp, lookUpAtHome, rememberEnded } from './ended.js'
import { within } from './files.js'
import { followRoots, listOf, rootsOf } from './travel.js'

declare const signed: unique symbol
/** A grant that a pinned center signed. Only {@link authenticate} makes one. */
export interface SignedLicense {
  readonly [signed]: true
  readonly grant: VerifiedGrant
  readonly center: Center
  readonly revocations: Revocations
}

declare const checked: unique symbol
/** A license that holds for this medium, user and moment. Only {@link recheck} makes one. It carries a secret: dispose it. */
export type CheckedLicense = {
  readonly [checked]: true
  readonly grant: VerifiedGrant
  readonly manifest: ParsedManifest
  readonly binding: Binding
  /** What the keys of saves come from: 32 bytes, fresh, the caller's to wipe. Few titles have saves. */
  deriveSaveRoot(): Uint8Array
} & Disposable &
  (
    | {
        readonly scheme: 'certificate'
        readonly certificationKey: Uint8Array
        readonly certificate: Uint8Array
        readonly recomputedCertificate: Uint8Array
        readonly wrappedTitleKey: Uint8Array
      }
    | {
        readonly scheme: 'conversion'
        readonly bindingKey: Uint8Array
        readonly wrappedMediumKey: Uint8Array
      }
  )

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
        hint: 'If you know the seller, pin the center with "coffer trust <center URL>"; otherwise do not use this medium.'
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
  refuseReturned(claimed, grant, home)
  const revocations = newestRevocations(claimed, grant, center, home)
  refuseEnded(claimed, grant, center, home)
  return { grant, center, revocations } as SignedLicense
}

const openGrantOnce = remembering(openGrant)

/** @throws CofferError COFFER_RETURNED for a copy that was given up, on this medium or by this person. */
function refuseReturned({ returnBytes }: ClaimedLicense, grant: VerifiedGrant, home: Home): void {
  const { grantId, centerId, titleId } = grant
  const isOnMedium = returnBytes !== undefined && equalBytes(readReturnClaim(returnBytes), grantId)
  if (isOnMedium || home.marks(centerId).returned.some(id => equalBytes(id, grantId))) throw givenUp(titleId)
}

/** The copy that a return names; of one that is damaged, none. */
function readReturnClaim(bytes: Uint8Array): Uint8Array {
  try {
    return openReturn(bytes).grantId
  } catch (error) {
    if (error instanceof CofferError) return new Uint8Array(0)
    throw error
  }
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
function refuseEnded({ folder }: ClaimedLicense, grant: VerifiedGrant, center: Center, home: Home): void {
  const found =
    folder === undefined
      ? undefined
      : lookUp(within(folder, endedName(center.centerId)), center, grant.grantId)
  const known = lookUpAtHome(center, grant.grantId, home)
  // A newer one than at home is remembered there: this person has seen it.
  if (found !== undefined && found.sequence > (known?.sequence ?? 0)) rememberEnded(folder!, center, home)
  if (found?.isEnded !== true && known?.isEnded !== true) return
  throw new CofferError('COFFER_REVOKED', 'The center has taken this grant back: its copy has ended.', {
    expected: 'a copy that is held',
    found: 'one that was returned, handed on or taken back',
    hint: 'Ask the seller; if it is a mistake, order the title again afterwards.'
  })
}

/** The newest list of those on the medium and at home. The medium must carry one as new as its grant. */
function newestRevocations(
  claimed: ClaimedLicense,
  grant: VerifiedGrant,
  center: Center,
  home: Home
): Revocations {
  const carried = listOf(center, claimed.revocationsBytes)
  if (carried === undefined) throw missingRevocations(grant, 'none of its center')
  refuseOtherRoots(claimed.revocationsBytes!, center, home)
  if (carried.revocations.sequence < grant.revocations) {
    throw missingRevocations(grant, `number ${carried.revocations.sequence}`)
  }
  const atHome = home.revocations(center)?.revocations
  home.rememberRevocations(center, carried.revocations.sequence, carried.bytes, atHome?.sequence ?? 0)
  return atHome !== undefined && atHome.sequence > carried.revocations.sequence ? atHome : carried.revocations
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

/** CS as certified and CS' as computed here: the two sides of the comparator 18 of the seed. */
export interface Certificates {
  readonly certificationKey: Uint8Array
  readonly certificate: Uint8Array
  readonly recomputedCertificate: Uint8Array
}

/**
 * Open KEYc out of EKU(KEYc) and compute CS' from the medium as measured.
 *
 * @throws CofferError COFFER_KEY_UNWRAP when the user key does not fit.
 */
export function recomputeCertificate(
  grant: VerifiedGrant & { scheme: 'certificate' },
  medium: MeasuredMedium,
  user: UserKeys
): Certificates {
  const { certificate, sealedCertificationKey } = grant.license
  // KEYc was sealed for the medium that the grant names; CS' is made for the one that is here.
  const certificationKey = user.opened(grant.frame.bytes, () =>
    openCertificationKey(user.recipient, grant, certificate, sealedCertificationKey)
  )
  const recomputedCertificate = computeCertificate(certificationKey, bindingOf(grant, medium))
  return { certificationKey, certificate, recomputedCertificate }
}

/**
 * Compare what was certified with what is here.
 *
 * @param now - Seconds since 1970.
 * @throws CofferError COFFER_TITLE_MISMATCH, COFFER_PUBLISHER_UNTRUSTED, COFFER_LOADER_TOO_OLD, COFFER_REVOKED,
 *   COFFER_EXPIRED, COFFER_NOT_YET_VALID, COFFER_USER_KEY_MISSING, COFFER_USER_MISMATCH, COFFER_CERTIFICATE_MISMATCH,
 *   COFFER_MEDIUM_MISMATCH, COFFER_KEY_UNWRAP.
 */
export function recheck(
  license: SignedLicense,
  manifest: ParsedManifest,
  medium: MeasuredMedium,
  home: Home,
  now: number
): CheckedLicense {
  const { grant } = license
  checkTitle(grant, manifest)
  checkRevocations(license)
  checkTime(license, medium, home, now)
  const binding = bindingOf(grant, medium)
  const user = isBearer(grant.bind) ? undefined : home.requireUserKeys()
  if (user !== undefined) checkUser(grant, user)
  if (grant.scheme === 'certificate') {
    if (user === undefined) throw bearerCertificate()
    const certificates = recomputeCertificate(grant, medium, user)
    try {
      checkCertificate(certificates, medium) // CS against CS'
    } catch (error) {
      wipe(certificates.certificationKey)
      throw error
    }
    const { wrappedTitleKey } = grant.license
    return new ByCertificate(grant, manifest, binding, user, certificates, wrappedTitleKey).checked
  }
  checkMedium(grant, medium)
  const bindingKey = openBindingKey(grant, binding, user)
  return new ByConversion(grant, manifest, binding, user, bindingKey, grant.license.wrappedMediumKey).checked
}

/** What a license of either scheme has: classes, since an object that is put together of others takes ten times as long. */
abstract class Checked implements Disposable {
  readonly grant: VerifiedGrant
  readonly manifest: ParsedManifest
  readonly binding: Binding
  readonly #user: UserKeys | undefined

  constructor(grant: VerifiedGrant, manifest: ParsedManifest, binding: Binding, user: UserKeys | undefined) {
    this.grant = grant
    this.manifest = manifest
    this.binding = binding
    this.#user = user
  }

  deriveSaveRoot(): Uint8Array {
    return deriveSaveRoot(this.#user?.saveSecret, this.binding)
  }

  get checked(): CheckedLicense {
    return this as unknown as CheckedLicense
  }

  abstract [Symbol.dispose](): void
}

class ByCertificate extends Checked {
  readonly scheme = 'certificate'
  readonly certificationKey: Uint8Array
  readonly certificate: Uint8Array
  readonly recomputedCertificate: Uint8Array
  readonly wrappedTitleKey: Uint8Array

  constructor(
    grant: VerifiedGrant,
    manifest: ParsedManifest,
    binding: Binding,
    user: UserKeys,
    { certificationKey, certificate, recomputedCertificate }: Certificates,
    wrappedTitleKey: Uint8Array
  ) {
    super(grant, manifest, binding, user)
    this.certificationKey = certificationKey
    this.certificate = certificate
    this.recomputedCertificate = recomputedCertificate
    this.wrappedTitleKey = wrappedTitleKey
  }

  [Symbol.dispose](): void {
    wipe(this.certificationKey)
  }
}

class ByConversion extends Checked {
  readonly scheme = 'conversion'
  readonly bindingKey: Uint8Array
  readonly wrappedMediumKey: Uint8Array

  constructor(
    grant: VerifiedGrant,
    manifest: ParsedManifest,
    binding: Binding,
    user: UserKeys | undefined,
    bindingKey: Uint8Array,
    wrappedMediumKey: Uint8Array
  ) {
    super(grant, manifest, binding, user)
    this.bindingKey = bindingKey
    this.wrappedMediumKey = wrappedMediumKey
  }

  [Symbol.dispose](): void {
    wipe(this.bindingKey)
  }
}

/** What a grant is for, on the medium as it was measured. */
const bindingOf = (
  { centerId, titleId, grantHash }: VerifiedGrant,
  { mediumId }: MeasuredMedium
): Binding => ({
  centerId,
  titleId,
  mediumId,
  grantHash
})

/** The key under which EMid(Ku) and EMid(Ka) are wrapped. @throws CofferError COFFER_KEY_UNWRAP */
function openBindingKey(
  grant: VerifiedGrant & { scheme: 'conversion' },
  binding: Binding,
  user: UserKeys | undefined
): Uint8Array {
  // Sealed, like KEYc, for the medium that the grant names; the binding key is made for the one that is here.
  const sealed = grant.license.sealedBindingSecret
  if (sealed === undefined || user === undefined) return deriveBindingKey(binding, new Uint8Array(0))
  const secret = user.opened(grant.frame.bytes, () => openBindingSecret(user.recipient, grant, sealed))
  try {
    return deriveBindingKey(binding, secret)
  } finally {
    wipe(secret)
  }
}

function checkTitle(grant: VerifiedGrant, manifest: ParsedManifest): void {
  const expected = `${grant.titleId} release ${grant.release}, scheme ${grant.scheme}`
  const found = `${manifest.id} release ${manifest.release}, scheme ${manifest.scheme}`
  if (expected !== found || !equalBytes(grant.centerId, manifest.centerId)) {
    throw new CofferError(
      'COFFER_TITLE_MISMATCH',
      'The sealed title on the medium is not the one that was granted.',
      {
        expected,
        found,
        hint: 'Copy the title to the medium again with "coffer copy".'
      }
    )
  }
  // The center signed the publisher's key into the grant, so the grant certifies the manifest's signer.
  if (!equalBytes(grant.publisher, manifest.frame.signer)) {
    throw new CofferError(
      'COFFER_PUBLISHER_UNTRUSTED',
      'The sealed title is not signed by the publisher who sells it.',
      {
        expected: hex(grant.publisher),
        found: hex(manifest.frame.signer),
        hint: 'Copy the title again, from the master of its publisher.'
      }
    )
  }
  if (manifest.loaderLevel > LOADER_LEVEL) {
    throw new CofferError('COFFER_LOADER_TOO_OLD', `"${manifest.name}" needs a newer coffer.`, {
      expected: `loader level ${LOADER_LEVEL} or lower`,
      found: `loader level ${manifest.loaderLevel}`,
      hint: 'Install the newest coffer and start the title again.'
    })
  }
}

function checkRevocations({ grant, revocations }: SignedLicense): void {
  const entry = findRevocation(revocations, grant)
  if (entry === undefined) return
  throw new CofferError(
    'COFFER_REVOKED',
    `The center has taken this grant back (its ${entry.kind} is revoked).`,
    {
      expected: `no entry for it in revocation list ${revocations.sequence}`,
      found: `an entry for its ${entry.kind}`,
      hint: 'Ask the seller; if it is a mistake, order the title again afterwards.'
    }
  )
}

/** What ends needs to know the time; what does not never asks for it. */
function checkTime(
  { grant, revocations }: SignedLicense,
  medium: MeasuredMedium,
  home: Home,
  now: number
): void {
  const { expires, grace = 0, issued, kind, titleId } = grant
  if (expires === undefined) return
  if (now < issued - CLOCK_TOLERANCE) {
    throw new CofferError(
      'COFFER_NOT_YET_VALID',
      "This machine's clock is before the day on which the grant was made.",
      {
        expected: `${day(issued)} or later`,
        found: day(now),
        hint: 'Set the clock right and start the title again.'
      }
    )
  }
  const time = timeFor(grant, revocations, medium, home, now)
  if (time < expires + grace) return
  throw new CofferError('COFFER_EXPIRED', `The grant for this title ended on ${day(expires)}.`, {
    expected: `a date before ${day(expires + grace)}`,
    found: time === now ? day(now) : `${day(time)}, which has passed already`,
    hint: {
      trial: `Buy it with "coffer copy <master> <medium> --title ${titleId}".`,
      lease: `Order it again with "coffer copy <master> <medium> --title ${titleId}".`,
      expiring: `Order it again with "coffer copy <master> <medium> --title ${titleId}".`,
      perpetual: 'The center that made it is faulty; tell the seller.'
    }[kind]
  })
}

const day = (seconds: number): string =>
  new Date(seconds * 1000).toISOString().slice(0, 16).replace('T', ' ') + ' UTC'

function checkUser(grant: VerifiedGrant, user: UserKeys): void {
  const { userId } = user
  if (equalBytes(userId, grant.userId)) return
  throw new CofferError('COFFER_USER_MISMATCH', 'This title was bought with another user key.', {
    expected: `user ${hex(grant.userId).slice(0, 16)}...`,
    found: `user ${hex(userId).slice(0, 16)}...`,
    hint: 'Use the COFFER_HOME with the key it was bought with, or order the title with yours.'
  })
}

function checkCertificate(
  { certificate, recomputedCertificate }: Certificates,
  medium: MeasuredMedium
): void {
  if (equalBytes(certificate, recomputedCertificate)) return
  throw new CofferError(
    'COFFER_CERTIFICATE_MISMATCH',
    `The certificate was made for another medium: this is ${describeChange(medium)}.`,
    {
      expected: `CS  ${hex(certificate)}`,
      found: `CS' ${hex(recomputedCertificate)}`,
      hint: 'Run it from the medium it was copied to, or order the title for this one with "coffer copy".'
    }
  )
}

function checkMedium(grant: VerifiedGrant, medium: MeasuredMedium): void {
  if (equalBytes(grant.mediumId, medium.mediumId)) return
  throw new CofferError(
    'COFFER_MEDIUM_MISMATCH',
    `The title was copied to another medium: this is ${describeChange(medium)}.`,
    {
      expected: `medium ${hex(grant.mediumId).slice(0, 16)}...`,
      found: `medium ${hex(medium.mediumId).slice(0, 16)}...`,
      hint: 'Run it from the medium it was copied to, or order the title for this one with "coffer copy".'
    }
  )
}

const bearerCertificate = () =>
  new CofferError('COFFER_ENCODING', 'The grant is of the scheme certificate but bound to no user.', {
    expected: 'a grant bound to medium and user',
    found: 'a bearer grant',
    hint: 'The center that made it is faulty; tell the seller.'
  })
