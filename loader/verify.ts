/** What `coffer verify` and `coffer inspect` tell: the path without its last step, each finding kept. */
import { hex, wipe } from '../formats/bytes.js'
import { CofferError, orNone } from '../formats/errors.js'
import { PackageChecker, type PackageIndex } from '../formats/package.js'
import { isBearer } from '../formats/records/fields.js'
import type { VerifiedGrant } from '../formats/records/grant.js'
import type { Home } from './home.js'
import { helpersFor } from './helpers.js'
import { openLicensed } from './licensed.js'
import { measureMedium, type MeasuredMedium } from './medium/measure.js'
import { passingPayload, type Progress } from './pass.js'
import type { Powers } from './powers.js'
import type { OpenTitle } from './read.js'
import { recheck, recomputeCertificate } from './recheck.js'
import { atOnce, type Steps } from './steps.js'
import { isoTime } from './times.js'
import { unwrapPayloadKey } from './unwrap.js'

/** The findings on one title; a field is null when the path did not get that far. */
export interface TitleReport {
  readonly title: string
  readonly name: string | null
  readonly release: number | null
  readonly scheme: 'certificate' | 'conversion' | null
  /** As measured. */
  readonly mediumId: string
  readonly centerId: string | null
  readonly center: string | null
  readonly kind: string | null
  readonly bound: readonly string[] | null
  /** CS; absent for the scheme conversion. */
  readonly certificate?: string | null
  /** CS'; null when EKU(KEYc) does not open with this user's key, absent for the scheme conversion. */
  readonly recomputedCertificate?: string | null
  /** Whether the license is of this medium and user: CS is CS', or Ku came out of EMid(Ku). */
  readonly match: boolean
  /** Whether Ku came out of EMid(Ku), scheme conversion only. */
  readonly unwrapped?: boolean
  /** ISO 8601, or null: never. */
  readonly expires: string | null
  /** 'ok', or the code of the first thing that is wrong. */
  readonly verdict: string
  readonly error?: CofferError
}

type Findings = { -readonly [K in keyof TitleReport]: TitleReport[K] }

/** Go the whole path for one title, payload included, and say what was found. Throws only what is no finding. */
export const verifyTitle = (
  root: string,
  titleId: string,
  home: Home,
  powers: Powers,
  progress?: Progress
): TitleReport => atOnce(verifyingTitle(root, titleId, home, powers, progress))

/** The same a block of the payload at a time. */
export function* verifyingTitle(
  root: string,
  titleId: string,
  home: Home,
  powers: Powers,
  progress?: Progress
): Steps<TitleReport> {
  const medium = measureMedium(root)
  const findings: Findings = {
    title: titleId,
    name: null,
    release: null,
    scheme: null,
    mediumId: hex(medium.mediumId),
    centerId: null,
    center: null,
    kind: null,
    bound: null,
    certificate: null,
    recomputedCertificate: null,
    match: false,
    expires: null,
    verdict: 'ok'
  }
  let title: OpenTitle | undefined
  try {
    const licensed = openLicensed(root, titleId, home, ({ grant, center }) => {
      noteGrant(findings, grant, center.name)
      noteCertificates(findings, grant, medium, home)
    })
    title = licensed.title
    findings.name = title.manifest.name
    using license = recheck(licensed.signed, title.manifest, medium, home, powers.now())
    using key = unwrapPayloadKey(license)
    if (license.scheme === 'conversion') findings.unwrapped = findings.match = true
    yield* verifyingPayload(title, key.key, progress)
  } catch (error) {
    if (!(error instanceof CofferError)) throw error
    findings.verdict = error.code
    findings.error = error
  } finally {
    title?.[Symbol.dispose]()
  }
  return findings
}

/** Open and check a whole payload, keeping nothing. @throws as {@link passPayload}, COFFER_PACKAGE_DAMAGED. */
export const verifyPayload = (title: OpenTitle, key: Uint8Array, progress?: Progress): PackageIndex =>
  atOnce(verifyingPayload(title, key, progress))

/** The same a block at a time. */
export function* verifyingPayload(
  title: OpenTitle,
  key: Uint8Array,
  progress?: Progress
): Steps<PackageIndex> {
  const { indexDigest, payloadBytes } = title.manifest
  const checker = new PackageChecker(indexDigest)
  yield* passingPayload(title, {
    key,
    take: plaintext => checker.push(plaintext),
    progress,
    helpers: helpersFor(payloadBytes)
  })
  return checker.end()
}

function noteGrant(findings: Findings, grant: VerifiedGrant, center: string): void {
  findings.release = grant.release
  findings.scheme = grant.scheme
  findings.centerId = hex(grant.centerId)
  findings.center = center
  findings.kind = grant.kind
  findings.bound = grant.bind
  findings.expires = grant.expires === undefined ? null : isoTime(grant.expires)
}

/** CS and CS' side by side, also where they differ: that is what a person wants to see then. */
function noteCertificates(
  findings: Findings,
  grant: VerifiedGrant,
  medium: MeasuredMedium,
  home: Home
): void {
  // What was noted may be of a license that was replaced meanwhile.
  findings.match = false
  if (grant.scheme === 'conversion') {
    findings.unwrapped = false
    delete findings.certificate
    delete findings.recomputedCertificate
    return
  }
  delete findings.unwrapped
  findings.certificate = hex(grant.license.certificate)
  findings.recomputedCertificate = null
  const user = isBearer(grant.bind) ? undefined : home.userKeys()
  // With another user's key there is none: recheck says so in better words.
  const made = user && orNone(() => recomputeCertificate(grant, medium, user))
  if (made === undefined) return
  wipe(made.certificationKey)
  findings.recomputedCertificate = hex(made.recomputedCertificate)
  findings.match = findings.recomputedCertificate === findings.certificate
}
