/**
 * Order a copy: from the two identifiers to the center's answer (S1, S2 and S11 to S14 of the seed; docs/spec.md §8.1).
 * The request is the same whether it goes by HTTP or as a file.
 */
import { equalBytes, hex } from '../../formats/bytes.js'
import { CofferError } from '../../formats/errors.js'
import { claimedRoots, openAnswer, type VerifiedAnswer } from '../../formats/records/answer.js'
import type { Amount } from '../../formats/money.js'
import type { Bind } from '../../formats/records/fields.js'
import { checkManifest, type ParsedManifest } from '../../formats/records/manifest.js'
import {
  encodeRequest,
  openRequest,
  type RequestKind,
  type VerifiedRequest
} from '../../formats/records/request.js'
import { openQuote, type Quote } from '../../formats/records/quote.js'
import { openRoots } from '../../formats/records/root.js'
import type { Home, PinnedCenter } from '../home.js'
import type { MeasuredMedium } from '../medium/measure.js'
import type { Powers } from '../powers.js'
import { CenterClient } from './center-client.js'
import { learnEnded } from './learn.js'

export interface Order {
  readonly bytes: Uint8Array
  readonly request: VerifiedRequest
}

export const BIND_USER: Bind = ['medium', 'user']
export const BIND_BEARER: Bind = ['medium']

/**
 * S1, S11: both identifiers, signed by the user.
 *
 * @throws CofferError COFFER_CENTER_UNTRUSTED, COFFER_PUBLISHER_UNTRUSTED, COFFER_USER_KEY_MISSING.
 */
export function makeOrder(
  manifest: ParsedManifest,
  medium: MeasuredMedium,
  home: Home,
  powers: Powers,
  { bind = BIND_USER, kind = 'order' }: { bind?: Bind | undefined; kind?: RequestKind | undefined } = {}
): Order {
  const center = home.requireCenter(manifest.centerId)
  // A copy that is held was bought before; whether its publisher still counts the grant that comes says, and recheck asks.
  if (kind !== 'renew' && kind !== 'transfer') checkManifest(manifest, center)
  const { signer, signKey, sealKey } = home.requireUserKeys()
  const bytes = encodeRequest(
    {
      bind,
      centerId: manifest.centerId,
      created: powers.now(),
      factors: medium.identity.factors.map(({ name }) => name),
      kind,
      mediumId: medium.mediumId,
      mediumKind: medium.identity.kind,
      release: manifest.release,
      requestId: powers.random(16),
      scheme: manifest.scheme,
      sealKey,
      signKey,
      titleId: manifest.id
    },
    signer
  )
  return { bytes, request: openRequest(bytes) }
}

/** An answer to an order, which has a grant. */
export type GrantAnswer = VerifiedAnswer & { readonly grant: Uint8Array }

/** @throws CofferError COFFER_ANSWER_MISMATCH for the answer to a return. */
export function requireGrant(answer: VerifiedAnswer): GrantAnswer {
  if (answer.grant !== undefined) return answer as GrantAnswer
  throw new CofferError('COFFER_ANSWER_MISMATCH', 'There is no grant in this answer.', {
    expected: 'an answer to an order',
    found: 'an answer to a return',
    hint: 'No copy of this medium is on its way back for it: perhaps it was applied here before. Otherwise apply it to the medium that returned its copy.'
  })
}

/**
 * Believe an answer: a pinned center signed it, and it answers this order when the order is known.
 *
 * Newer root records that come along are pinned: they follow from those that are.
 *
 * @throws CofferError COFFER_RECORD_*, COFFER_CENTER_UNTRUSTED, COFFER_ANSWER_MISMATCH.
 */
export function acceptAnswer(
  bytes: Uint8Array,
  home: Home,
  asked?: { readonly requestHash: Uint8Array }
): { answer: VerifiedAnswer; center: PinnedCenter } {
  let opened = openAnswer(bytes, home.centers())
  if (opened === undefined) {
    // Perhaps signed by a key that is newer than what is known here: then the root records that come along say so.
    home.follow(claimedRoots(bytes))
    opened = openAnswer(bytes, home.centers())
  }
  if (opened === undefined) throw untrustedAnswer('answer')
  if (asked !== undefined && !equalBytes(asked.requestHash, opened.answer.requestHash)) throw otherRequest()
  // A trusted center speaks for itself alone: it cannot make the buyer trust another.
  if (!equalBytes(openRoots(opened.answer.roots).centerId, opened.center.centerId)) {
    throw new CofferError('COFFER_ANSWER_MISMATCH', 'The answer carries root records of another center.', {
      expected: `root records of ${hex(opened.center.centerId)}`,
      found: 'root records of another',
      hint: 'The center that made it is faulty; tell the seller.'
    })
  }
  return { answer: opened.answer, center: home.pin(opened.answer.roots) }
}

const untrustedAnswer = (what: string) =>
  new CofferError('COFFER_CENTER_UNTRUSTED', `The ${what} was not signed by a center that is trusted here.`, {
    expected: 'what a pinned center signed',
    found: 'one signed by someone else',
    hint: 'Check the URL of the center; pin another one with "coffer trust" only if you know the seller.'
  })

const otherRequest = () =>
  new CofferError('COFFER_ANSWER_MISMATCH', 'The center answered another request than this one.', {
    expected: 'an answer to this order',
    found: 'an answer to another',
    hint: 'Repeat the command.'
  })

/** How a center is asked. */
export interface AskOptions {
  readonly home: Home
  /** Default: where the center was pinned from. */
  readonly centerUrl?: string | undefined
  /** Told when it cannot answer now, and is asked again after so long. */
  readonly onEvent?:
    | ((event: { readonly step: 'wait'; readonly seconds: number; readonly reason: string }) => void)
    | undefined
  /** Ends the waiting for it: COFFER_INTERRUPTED. What it was asked may have been done. */
  readonly signal?: AbortSignal | undefined
}

/**
 * @param byFiles - The command that does the same without a network, if one does.
 * @throws CofferError COFFER_USAGE when nobody knows where the center listens.
 */
export function centerClient(
  { centerId }: { centerId: Uint8Array },
  { home, centerUrl, onEvent = () => {}, signal }: AskOptions,
  byFiles?: string
): CenterClient {
  const center = home.requireCenter(centerId)
  const at = centerUrl ?? center.url
  if (at === undefined) {
    throw new CofferError('COFFER_USAGE', `It is not known where the center ${center.name} listens.`, {
      hint: `Give its address with --center <URL>${byFiles === undefined ? '' : `, or go by files with "${byFiles}"`}.`
    })
  }
  return new CenterClient(at, {
    onWait: (seconds, reason) => onEvent({ step: 'wait', seconds, reason }),
    signal
  })
}

/** Told what an order would be charged before it is sent; throws for one that is not to be sent. */
export type Agree = (quote: Quote) => void | Promise<void>

/**
 * Send an order, and believe what comes back.
 *
 * @param learn - Takes the center's revocation list. What was taken back gets no answer that could carry it, and a copy
 *   that is there already would run on.
 * @throws CofferError COFFER_CENTER_*, what the center refuses, and as {@link acceptAnswer}.
 */
export async function orderOnline(
  order: Order,
  center: CenterClient,
  home: Home,
  learn: () => Promise<void>,
  agree?: Agree
): Promise<GrantAnswer> {
  let bytes: Uint8Array
  try {
    bytes = await center.order(order.bytes, agree && (await agreed(order, center, home, agree)))
  } catch (error) {
    // Why there is no copy is what the person must know, even where the list cannot be had.
    if (error instanceof CofferError && ENDED.has(error.code)) await learn().catch(() => {})
    throw error
  }
  const { answer, center: pinned } = acceptAnswer(bytes, home, order.request)
  await learnEnded(center, answer.revocations, pinned, home)
  return requireGrant(answer)
}

/** What the order may be charged, once that was agreed to: the price may rise while a person thinks about it. */
async function agreed(order: Order, center: CenterClient, home: Home, agree: Agree): Promise<Amount> {
  const quote = await quoteOf(order, center, home)
  await agree(quote)
  return { minor: quote.chargedMinor, currency: quote.currency }
}

/** What an order would be charged, signed by its center. Nothing is bought. */
async function quoteOf({ bytes, request }: Order, center: CenterClient, home: Home): Promise<Quote> {
  const record = await center.quote(bytes)
  let opened = openQuote(record, home.centers())
  if (opened === undefined) {
    // Perhaps signed by a key that is newer than what is known here.
    home.follow(await center.roots())
    opened = openQuote(record, home.centers())
  }
  if (opened === undefined) throw untrustedAnswer('quote')
  if (!equalBytes(opened.quote.centerId, request.centerId)) throw untrustedAnswer('quote')
  if (!equalBytes(opened.quote.requestHash, request.requestHash)) throw otherRequest()
  return opened.quote
}

/** Refusals that may mean that a copy which is on the medium was taken back. */
const ENDED: ReadonlySet<string> = new Set(['COFFER_REVOKED', 'COFFER_GRANT_MISSING'])
