/**
 * The issue of a copy: the central site's half of FIG. 4 (scheme certificate) and FIG. 8 (scheme conversion).
 * Request in, answer out, all of it in one transaction (docs/spec.md §8.4).
 */
import { setImmediate } from 'node:timers/promises'
import { fromHex, hex, wipe } from '../../formats/bytes.js'
import {
  computeCertificate,
  deriveBindingKey,
  sealBindingSecret,
  sealCertificationKey,
  wrapConversionKey,
  wrapTitleKey,
  type Binding
} from '../../formats/derive.js'
import { CofferError } from '../../formats/errors.js'
import { encodeAnswer } from '../../formats/records/answer.js'
import { isBearer } from '../../formats/records/fields.js'
import {
  encodeGrant,
  encodeGrantBody,
  grantHash,
  type CertificateLicense,
  type ConversionLicense,
  type Grant
} from '../../formats/records/grant.js'
import { openRequestAside, type VerifiedRequest } from '../../formats/records/request.js'
import { gather, inOrder } from '../books/gather.js'
import type { Kind, Outcome } from '../books/group.js'
import type { Change } from '../books/journal.js'
import { postingOf } from '../books/ledger.js'
import { answeredBefore, keptRequest, type Admit, type Incoming } from './requests.js'
import { refuseRevoked } from './revoke.js'
import { changeOf, Sheet, type Write } from './sheet.js'
import { refuseOtherCenter, signerBy, type Site } from '../site.js'
import type { AllTables, Books, Tables } from '../books/store.js'
import { decideSale, joinFeatures, splitFeatures, type Granted, type Payment, type Sale } from './terms.js'
import { enrol } from './users.js'
import type { Epoch } from '../keys/vault.js'

/** An order that was received, its signature verified. */
interface Order extends Incoming {
  readonly request: VerifiedRequest
  /** When it came: what decides on it, so that a second that passes before the commit changes nothing. */
  readonly received: number
  /** What came of it before the lock was taken, should nothing have changed since. */
  draft?: Draft
}

/** Orders that are drafted on one reading of the books. */
const MAX_DRAFTS = 32

/**
 * @param record - A request record as received: what S1 and S11 sent.
 * @returns The answer record. The same bytes for the same request, whenever it comes again.
 * @throws CofferError COFFER_RECORD_*, COFFER_ENCODING, and every refusal of the center.
 */
export type Issue = (record: Uint8Array, admit?: Admit) => Promise<Uint8Array>

/** Orders that come together are decided one after the other, and read, written and committed as one. */
export function openIssue(site: Site): Issue {
  const { store, powers } = site
  const read = (books: Books, orders: readonly Order[]) =>
    Sheet.read(
      store,
      books,
      orders.map(({ request }) => request),
      powers.now()
    )
  const kind: Kind<AllTables, Order, Uint8Array> = {
    async perform(books, orders) {
      const sheet = await read(books, orders)
      const outcomes = orders.map(order => answerTo(site, sheet, order))
      await sheet.write(books)
      return outcomes
    }
  }
  // What takes long, keys and signatures, on the books as they stand, while others may hold the lock.
  const draft = gather<Order>(MAX_DRAFTS, async orders => {
    const sheet = await read(store.books, orders)
    for (const order of orders) {
      // Answers of the database come in between, and those to a group that has the lock come first.
      await setImmediate()
      await store.unlocked()
      answerTo(site, sheet, order)
    }
  })
  const opened = inOrder(openRequestAside)
  return async (record, admit) => {
    const request = await opened(record)
    const signer = hex(request.userId)
    admit?.(signer)
    refuseOtherCenter(site, request.centerId)
    const received = powers.now()
    const order: Order = { ...request, request, kind: 'order', signer, record, received }
    if (store.isShared) await draft(order)
    return store.together(kind, order)
  }
}

/** One order, after those before it. */
function answerTo(site: Site, sheet: Sheet, order: Order): Outcome<Uint8Array> {
  try {
    const { request, received } = order
    const known = answeredBefore(site, order, sheet.answered(hex(order.requestId)), received)
    if (known !== undefined) return { value: known, changes: [] }
    const { title, release } = registeredRelease(sheet, request) // S12: FIG. 8, 32 to 34
    refuseRevoked((kind, id) => sheet.revoked(kind, id), request, title.publisher)
    refuseBinding(request, title, release)
    // FIG. 4, 13: the user profile database
    const user = enrol(request, sheet.user(hex(request.userId)), sheet.center, received)
    const sale = decideSale(request.kind, title, sheet.standing(title, request), received)
    const draft = drafted(site, sheet, order, { request, answered: request, title, release, sale })
    const first: Write[] = user === undefined ? [] : [{ table: 'users', row: user }]
    sheet.put([...first, ...draft.writes])
    return { value: draft.answer, changes: [...first.map(changeOf), ...draft.changes] }
  } catch (reason) {
    return { reason, changes: [] }
  }
}

/** What an order comes to: the answer, and what is to be written for it. */
interface Made {
  readonly answer: Uint8Array
  readonly writes: readonly Write[]
}

interface Draft extends Made {
  /** All that it follows from, beside the order. */
  readonly basis: string
  readonly changes: readonly Change[]
}

/** Made once, as long as it follows from the same. */
function drafted(site: Site, sheet: Sheet, order: Order, decision: Decision): Draft {
  const { center, roots } = sheet
  const { title, sale } = decision
  const basis = JSON.stringify([center.revocationSequence, center.epoch, roots.length, title.publisher, sale])
  if (order.draft?.basis !== basis) {
    const made = makeGrant(site, sheet, decision, order.received)
    const kept = { table: 'requests' as const, row: keptRequest(site, order, made.answer, order.received) }
    const writes = [...made.writes, kept]
    order.draft = { basis, answer: made.answer, writes, changes: writes.map(changeOf) }
  }
  return order.draft
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

/** Compute the keys of a copy and its charge, sign grant and answer. */
export function makeGrant(site: Site, sheet: Sheet, decision: Decision, now: number): Made {
  const { request, answered, title, release, sale } = decision
  const { center, roots } = sheet
  const epoch = { centerId: site.centerId, epoch: sale.epoch ?? center.epoch }
  const copy = copyOf(site, decision, epoch, now)
  const grantId = fromHex(copy.grantId)
  const decided = { center, title, release, epoch, granted: sale, grantId, issued: now }
  const body = encodeGrantBody(grantOf(site, request, decided))
  const { titleId, mediumId, userId } = request
  const binding: Binding = { centerId: site.centerId, titleId, mediumId, grantHash: grantHash(body) }
  const made =
    release.scheme === 'certificate'
      ? makeCertificate(site, epoch, request, binding, release) // S2: FIG. 4, 14 and 15
      : makeConversionKeys(site, epoch, request, binding, release) // S13 and S14: FIG. 8, 31, 35 and 36

  const { chargedMinor, currency } = sale
  const { requestHash, requestId } = answered
  const signer = signerBy(site.vault, roots)
  const answer = encodeAnswer(
    { answered: now, centerId: site.centerId, chargedMinor, currency, requestHash, requestId },
    {
      grant: encodeGrant(body, made.license, signer),
      revocations: center.revocationList,
      roots,
      ...(made.wrappedMasterMediumKey && { wrappedMasterMediumKey: made.wrappedMasterMediumKey })
    },
    signer
  )
  const charge = { requestId, userId, titleId, amountMinor: chargedMinor, currency }
  const writes: Write[] = [
    { table: 'grants', row: copy },
    ...postingOf(charge, now).map(row => ({ table: 'ledger' as const, row })) // FIG. 8, 37: billing
  ]
  return { answer, writes }
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

interface MadeKeys {
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
): MadeKeys {
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
): MadeKeys {
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
export function registeredRelease(sheet: Sheet, request: VerifiedRequest) {
  const { titleId } = request
  const title = sheet.title(titleId)
  const release = sheet.release(titleId, request.release, request.scheme)
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

/** The copy as it is kept. Issued again, it keeps its id, so that revoking that id revokes every issue of it. */
function copyOf(
  { powers }: Site,
  { request, sale }: Decision,
  { epoch }: Epoch,
  now: number
): Tables['grants'] {
  const { held, kind, expires, graceSeconds, features, chargedMinor, currency } = sale
  const charged: Payment = { paidMinor: chargedMinor, currency, paid: now }
  const payment = chargedMinor > 0 ? charged : (sale.payment ?? held ?? charged)
  return {
    grantId: held?.grantId ?? hex(powers.random(16)),
    userId: hex(request.userId),
    titleId: request.titleId,
    mediumId: hex(request.mediumId),
    release: request.release,
    bearer: isBearer(request.bind) ? 1 : 0,
    bought: held?.bought ?? now,
    issued: now,
    expires,
    revoked: held?.revoked ?? 0,
    ending: held?.ending ?? null,
    kind,
    graceSeconds,
    features: joinFeatures(features),
    epoch,
    tried: kind === 'trial' ? 1 : (held?.tried ?? 0),
    paidMinor: payment.paidMinor,
    currency: payment.currency,
    paid: payment.paid,
    runsUntil: runsUntil(held, expires, graceSeconds)
  }
}

/** Of all issues of a copy together; null: for ever. A copy from before this was kept is not known to end. */
function runsUntil(
  held: Tables['grants'] | undefined,
  expires: number | null,
  graceSeconds: number
): number | null {
  if (expires === null || held?.runsUntil === null) return null
  return Math.max(expires + graceSeconds, held?.runsUntil ?? 0)
}
