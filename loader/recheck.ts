/**
 * Step 3 of the path: is this license good, here and now? (docs/spec.md §6.4; FIG. 6 and FIG. 10 of the seed)
 *
 * What was certified is compared with what is here: title, medium, user, time, revocations, and CS with CS'. The
 * comparisons give good messages; what protects is that the medium as measured and CS' as recomputed enter the key
 * (unwrap.ts). With every `if` of this file taken out a foreign medium still does not open.
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
import { isBearer } from '../formats/records/fields.js'
import type { VerifiedGrant } from '../formats/records/grant.js'
import { LOADER_LEVEL, type ParsedManifest } from '../formats/records/manifest.js'
import { findRevocation } from '../formats/records/revocations.js'
import type { SignedLicense } from './authenticate.js'
import { CLOCK_TOLERANCE, timeFor } from './clock.js'
import type { Home } from './home.js'
import { otherId } from './ids.js'
import type { UserKeys } from './key-files.js'
import { describeChange, type MeasuredMedium } from './medium/measure.js'
import { timeText } from './times.js'

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
        expected: `${timeText(issued)} or later`,
        found: timeText(now),
        hint: 'Set the clock right and start the title again.'
      }
    )
  }
  const time = timeFor(grant, revocations, medium, home, now)
  if (time < expires + grace) return
  throw new CofferError('COFFER_EXPIRED', `The grant for this title ended on ${timeText(expires)}.`, {
    expected: `a date before ${timeText(expires + grace)}`,
    found: time === now ? timeText(now) : `${timeText(time)}, which has passed already`,
    hint: {
      trial: `Buy it with "coffer copy <master> <medium> --title ${titleId}".`,
      lease: `Order it again with "coffer copy <master> <medium> --title ${titleId}".`,
      expiring: `Order it again with "coffer copy <master> <medium> --title ${titleId}".`,
      perpetual: 'The center that made it is faulty; tell the seller.'
    }[kind]
  })
}

function checkUser(grant: VerifiedGrant, user: UserKeys): void {
  const { userId } = user
  if (equalBytes(userId, grant.userId)) return
  throw new CofferError('COFFER_USER_MISMATCH', 'This title was bought with another user key.', {
    ...otherId('user', grant.userId, userId),
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
      ...otherId('medium', grant.mediumId, medium.mediumId),
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
