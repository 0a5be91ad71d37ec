/**
 * What an order comes to once it is decided: the keys of the copy, its grant and answer, signed, and the rows to write. It
 * takes longer than all else, needs no books, and may be done on another thread (center/orders/aside.ts).
 */
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
import type { VerifiedRequest } from '../../formats/records/request.js'
import { ofRequest, postingOf } from '../books/ledger.js'
import type { Tables } from '../books/store.js'
import type { Epoch } from '../keys/vault.js'
import { signerBy, type Workshop } from '../site.js'
import { keptRequest, type Incoming } from './requests.js'
import type { Write } from './sheet.js'
import { isLive, joinFeatures, splitFeatures, type Granted, type Payment, type Sale } from './terms.js'

/** An order that was received, its signature verified. */
export interface Order extends Incoming {
  readonly request: VerifiedRequest
  /** When it came: what decides on it, so that a second that passes before the commit changes nothing. */
  readonly received: number
}

/** @param received - Seconds since 1970. */
export const orderOf = (record: Uint8Array, request: VerifiedRequest, received: number): Order => {
  const { requestId, requestHash, created } = request
  return {
    kind: 'order',
    requestId,
    requestHash,
    signer: hex(request.userId),
    created,
    record,
    request,
    received
  }
}

/** What of the books enters what is made, beside the decision. */
export interface Ground {
  readonly center: Tables['center']
  /** Every root record, first to newest. */
  readonly roots: readonly Uint8Array[]
}

/** What an order comes to: the answer, and what is to be written for it. */
export interface Made {
  readonly answer: Uint8Array
  readonly writes: readonly Write[]
}

/** All that an order comes to, itself kept with its answer. */
export function makeAnswer(site: Workshop, ground: Ground, order: Order, decision: Decision): Made {
  const { answer, writes } = makeGrant(site, ground, decision, order.received)
  const kept: Write = { table: 'requests', row: keptRequest(site, order, answer, order.received) }
  return { answer, writes: [...writes, kept] }
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
export function makeGrant(site: Workshop, ground: Ground, decision: Decision, now: number): Made {
  const { request, answered, title, release, sale } = decision
  const { center, roots } = ground
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
  const posting = ofRequest(requestId)
  const charge = { posting, userId, titleId, amountMinor: chargedMinor, currency }
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
const grantOf = (site: Workshop, request: VerifiedRequest, { granted, ...decided }: Decided): Grant => ({
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
  { vault, powers }: Workshop,
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
  { vault, powers }: Workshop,
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

/** The copy as it is kept. Issued again, it keeps its id, so that revoking that id revokes every issue of it. */
function copyOf(
  { powers }: Workshop,
  { request, sale }: Decision,
  { epoch }: Epoch,
  now: number
): Tables['grants'] {
  const { held, kind, expires, graceSeconds, features, chargedMinor, currency } = sale
  const charged: Payment = { paidMinor: chargedMinor, currency, paid: now }
  // What was paid for a copy that has run out is not paid for the one that takes its place for nothing.
  const running = held !== undefined && isLive(held, now) ? held : undefined
  const payment = chargedMinor > 0 ? charged : (sale.payment ?? running ?? charged)
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
