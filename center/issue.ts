/**
 * The issue of a copy: the central site's half of FIG. 4 (scheme certificate) and FIG. 8 (scheme conversion).
 * Request in, answer out, all of it in one transaction (docs/spec.md §8.4).
 */
import { fromHex, hex, wipe } from '../formats/bytes.js'
import {
  computeCertificate,
  deriveBindingKey,
  sealBindingSecret,
  sealCertificationKey,
  wrapConversionKey,
  wrapTitleKey,
  type Binding
} from '../formats/derive.js'
import { CofferError } from '../formats/errors.js'
import { encodeAnswer } from '../formats/records/answer.js'
import { isBearer } from '../formats/records/fields.js'
import {
  encodeGrant,
  encodeGrantBody,
  grantHash,
  type CertificateLicense,
  type ConversionLicense,
  type Grant
} from '../formats/records/grant.js'
import { openRequest, type VerifiedRequest } from '../formats/records/request.js'
import { postCharge } from './ledger.js'
import { answerOnce } from './requests.js'
import { refuseRevoked } from './revoke.js'
import type { Admit } from './requests.js'
import { centerRow, refuseOtherCenter, rootRecords, signerNow, type Site } from './site.js'
import type { Epoch } from './vault.js'
import type { Books, Tables } from './store.js'
import { decideSale, joinFeatures, splitFeatures, type Granted, type Sale } from './terms.js'
import { enrol } from './users.js'

/**
 * @param record - A request record as received: what S1 and S11 sent.
 * @returns The answer record. The same bytes for the same request, whenever it comes again.
 * @throws CofferError COFFER_RECORD_*, COFFER_ENCODING, and every refusal of the center.
 */
export async function issue(site: Site, record: Uint8Array, admit?: Admit): Promise<Uint8Array> {
  const request = openRequest(record)
  admit?.(hex(request.userId))
  refuseOtherCenter(site, request.centerId)
  const incoming = { ...request, kind: 'order' as const, signer: hex(request.userId), record }
  return answerOnce(site, incoming, async (books, now) => {
    const { title, release } = await registeredRelease(books, request) // S12: FIG. 8, 32 to 34
    await refuseRevoked(books, request, title.publisher)
    refuseBinding(request, title, release)
    await enrol(books, request, await centerRow(books), now) // FIG. 4, 13: the user profile database
    const sale = await decideSale(books, title, request, now)
    return makeGrant(site, books, { request, answered: request, title, release, sale }, now)
  })
}

/** An order that is decided on. */
export interface Decision {
  readonly request: VerifiedRequest
  /** What the answer names: the order itself, or the return that it came in. */
  readonly answered: Pick<VerifiedRequest, 'requestId' | 'requestHash'>
  readonly title: Tables['titles']
  readonly release: Tables['releases']
  readonly sale: Sale
}

/** Write the copy and its charge down, compute its keys, sign grant and answer. @returns The answer. */
export async function makeGrant(
  site: Site,
  books: Books,
  { request, answered, title, release, sale }: Decision,
  now: number
): Promise<Uint8Array> {
  const center = await centerRow(books)
  const epoch = { centerId: site.centerId, epoch: sale.epoch ?? center.epoch }
  const grantId = await keepGrant(site, books, request, sale, epoch, now)

  const decided = { center, title, release, epoch, granted: sale, grantId, issued: now }
  const body = encodeGrantBody(grantOf(site, request, decided))
  const binding: Binding = { ...request, centerId: site.centerId, grantHash: grantHash(body) }
  const made =
    release.scheme === 'certificate'
      ? makeCertificate(site, epoch, request, binding, release) // S2: FIG. 4, 14 and 15
      : makeConversionKeys(site, epoch, request, binding, release) // S13 and S14: FIG. 8, 31, 35 and 36

  const { chargedMinor, currency } = sale
  await postCharge(
    books,
    { ...request, requestId: answered.requestId, amountMinor: chargedMinor, currency },
    now
  ) // FIG. 8, 37: billing
  const signer = await signerNow(site, books)
  const { requestHash, requestId } = answered
  return encodeAnswer(
    { answered: now, centerId: site.centerId, chargedMinor, currency, requestHash, requestId },
    {
      grant: encodeGrant(body, made.license, signer),
      revocations: center.revocationList,
      roots: await rootRecords(books),
      ...(made.wrappedMasterMediumKey && { wrappedMasterMediumKey: made.wrappedMasterMediumKey })
    },
    signer
  )
}

interface Decided {
  readonly center: Tables['center']
  readonly title: Tables['titles']
  readonly release: Tables['releases']
  readonly epoch: Epoch
  readonly granted: Granted
  readonly grantId: Uint8Array
  readonly issued: number
}

/** What is granted, before anything is computed over it. */
const grantOf = (site: Site, request: VerifiedRequest, { granted, ...decided }: Decided): Grant => ({
  bind: request.bind,
  centerId: site.centerId,
  epoch: decided.epoch.epoch,
  ...(granted.expires !== null && { expires: granted.expires }),
  features: splitFeatures(joinFeatures(granted.features)),
  ...(granted.graceSeconds > 0 && { grace: granted.graceSeconds }),
  grantId: decided.grantId,
  issued: decided.issued,
  kind: granted.kind,
  mediumId: request.mediumId,
  publisher: fromHex(decided.title.publisher),
  release: request.release,
  revocations: decided.center.revocationSequence,
  scheme: decided.release.scheme,
  titleId: request.titleId,
  userId: request.userId
})

interface Made {
  readonly license: CertificateLicense | ConversionLicense
  /** EMid(Ka). */
  readonly wrappedMasterMediumKey?: Uint8Array
}

/** CS over SIDi and IDk under KEYc, and EKU(KEYc); beside them Kd, under a key that CS' enters. */
function makeCertificate(
  { vault, powers }: Site,
  epoch: Epoch,
  request: VerifiedRequest,
  binding: Binding,
  { titleId, release, storedTitleKey }: Tables['releases']
): Made {
  const certificationKey = vault.certificationKey(epoch, request.userId, request.mediumId)
  const titleKey = vault.unwrapStoredTitleKey(titleId, release, storedTitleKey!)
  const ephemeralSecret = powers.random(32)
  try {
    const certificate = computeCertificate(certificationKey, binding)
    return {
      license: {
        certificate,
        sealedCertificationKey: sealCertificationKey(
          request.sealKey,
          binding,
          certificate,
          certificationKey,
          ephemeralSecret
        ),
        wrappedTitleKey: wrapTitleKey(certificationKey, binding, certificate, titleKey)
      }
    }
  } finally {
    wipe(certificationKey, titleKey, ephemeralSecret)
  }
}

/** Ku from Mid and Ka from DID under KM (S13), then EMid(Ku) and EMid(Ka) (S14). */
function makeConversionKeys(
  { vault, powers }: Site,
  epoch: Epoch,
  request: VerifiedRequest,
  binding: Binding,
  release: Tables['releases']
): Made {
  const mediumKey = vault.mediumKey(epoch, request.mediumId)
  const masterMediumKey = vault.masterMediumKey(
    { centerId: epoch.centerId, epoch: release.epoch },
    release.titleId,
    release.release
  )
  // A bearer grant has no secret: whoever can read the medium has all that opens it, and its buyer chose so.
  const bindingSecret = isBearer(request.bind) ? new Uint8Array(0) : powers.random(32)
  const bindingKey = deriveBindingKey(binding, bindingSecret)
  const ephemeralSecret = powers.random(32)
  try {
    return {
      license: {
        ...(!isBearer(request.bind) && {
          sealedBindingSecret: sealBindingSecret(request.sealKey, binding, bindingSecret, ephemeralSecret)
        }),
        wrappedMediumKey: wrapConversionKey(bindingKey, 'medium-key', mediumKey)
      },
      wrappedMasterMediumKey: wrapConversionKey(bindingKey, 'master-medium-key', masterMediumKey)
    }
  } finally {
    wipe(mediumKey, masterMediumKey, bindingSecret, bindingKey, ephemeralSecret)
  }
}

/** S12: is what the request names in the contents identifier file? @throws CofferError COFFER_TITLE_UNKNOWN. */
export async function registeredRelease(books: Books, request: VerifiedRequest) {
  const { titleId } = request
  const title = await books.selectFrom('titles').selectAll().where('titleId', '=', titleId).executeTakeFirst()
  const release = await books
    .selectFrom('releases')
    .selectAll()
    .where('titleId', '=', titleId)
    .where('release', '=', request.release)
    .where('scheme', '=', request.scheme)
    .executeTakeFirst()
  if (title !== undefined && release !== undefined) return { title, release }
  throw new CofferError(
    'COFFER_TITLE_UNKNOWN',
    `The center does not sell ${titleId} release ${request.release} under the scheme ${request.scheme}.`,
    {
      expected: 'a title, release and scheme that a publisher registered',
      found: title === undefined ? 'no such title' : 'no such release of this title under this scheme',
      hint: 'Get the master from its seller again, or ask which center sells it.'
    }
  )
}

/** @throws CofferError COFFER_REQUEST_REFUSED for a binding that the seller or the scheme does not allow. */
export function refuseBinding(
  { bind }: VerifiedRequest,
  title: Tables['titles'],
  release: Tables['releases']
): void {
  const refused = (found: string, hint: string) =>
    new CofferError('COFFER_REQUEST_REFUSED', `${title.titleId} is not issued bound like this.`, {
      expected: 'a grant bound to the medium and the user',
      found,
      hint
    })
  const hint = 'Order it bound to your user key.'
  if (!bind.includes('medium')) throw refused('a grant bound to no medium', hint)
  if (!isBearer(bind)) return
  if (release.scheme === 'certificate') {
    throw refused('a bearer grant of a title whose scheme seals its key to the user', hint)
  }
  if (title.bearerAllowed !== 1) {
    throw refused('a bearer grant', `${hint} The seller can allow bearer grants of a title.`)
  }
}

/** Write down the copy. Issued again, it keeps its id, so that revoking that id revokes every issue of it. */
async function keepGrant(
  { powers }: Site,
  books: Books,
  request: VerifiedRequest,
  { held, kind, expires, graceSeconds, features, chargedMinor, currency }: Sale,
  { epoch }: Epoch,
  now: number
): Promise<Uint8Array> {
  const { titleId, release } = request
  const isTrial = kind === 'trial'
  const issue = {
    release,
    bearer: isBearer(request.bind) ? 1 : 0,
    issued: now,
    kind,
    expires,
    graceSeconds,
    features: joinFeatures(features),
    epoch,
    ...((isTrial || held === undefined) && { tried: isTrial ? 1 : 0 }),
    ...((chargedMinor > 0 || held === undefined) && { paidMinor: chargedMinor, currency, paid: now })
  }
  if (held !== undefined) {
    await books.updateTable('grants').set(issue).where('grantId', '=', held.grantId).execute()
    return fromHex(held.grantId)
  }
  const grantId = powers.random(16)
  await books
    .insertInto('grants')
    .values({
      grantId: hex(grantId),
      userId: hex(request.userId),
      titleId,
      mediumId: hex(request.mediumId),
      bought: now,
      revoked: 0,
      ending: null,
      tried: isTrial ? 1 : 0,
      paidMinor: chargedMinor,
      currency,
      paid: now,
      ...issue
    })
    .execute()
  return grantId
}
