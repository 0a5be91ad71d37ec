/**
 * One request, one answer. An order or registration may arrive more than once: the first time over a line that broke,
 * again by file. Whoever repeats it gets the very same bytes, and nothing happens twice.
 */
import { equalBytes, hex } from '../../formats/bytes.js'
import { CofferError } from '../../formats/errors.js'
import { MAX_REQUEST_AGE_SECONDS, MAX_REQUEST_AHEAD_SECONDS } from '../../formats/limits.js'
import { GCM_NONCE_BYTES } from '../../formats/primitives.js'
import type { Site, Workshop } from '../site.js'
import type { Books, Tables } from '../books/store.js'

/** Called with the signer of a record once its signature was verified; throws for one who sends too much. */
export type Admit = (signer: string) => void

/** What a signed HTTP request says: `@method`, `@path`, or a header by its name in small letters. */
export type ValueOf = (component: string) => string | undefined

export interface Incoming {
  readonly kind: Tables['requests']['kind']
  readonly requestId: Uint8Array
  readonly requestHash: Uint8Array
  /** Hexadecimal userId or publisher key. */
  readonly signer: string
  readonly created: number
  readonly record: Uint8Array
}

/**
 * Answer in one transaction: everything that `make` writes, and the answer itself, or nothing at all.
 *
 * @param make - Not called for a request that was answered before. A refusal it throws is not kept, so that the same
 *   request can succeed later, say after a quota was raised.
 * @param carried - A request within this one, which `make` holds against {@link refuseCarried}: its id is used with it.
 * @throws CofferError COFFER_REQUEST_ALTERED, COFFER_REQUEST_STALE, and what `make` throws.
 */
export function answerOnce(
  site: Site,
  incoming: Incoming,
  make: (books: Books, now: number) => Promise<Uint8Array>,
  carried?: Incoming
): Promise<Uint8Array> {
  return site.store.transaction(async books => {
    const before = await books
      .selectFrom('requests')
      .select(['kind', 'requestHash', 'sealedAnswer'])
      .where('requestId', '=', hex(incoming.requestId))
      .executeTakeFirst()
    const now = site.powers.now()
    const known = answeredBefore(site, incoming, before, now)
    if (known !== undefined) return known
    const answer = await make(books, now)
    // The one that was sent first: the entry of the log is filed under it.
    for (const request of carried === undefined ? [incoming] : [incoming, carried]) {
      await books
        .insertInto('requests')
        .values(keptRequest(site, request, answer, now))
        .execute()
    }
    return answer
  })
}

/**
 * @param before - The request with this id that was answered, if one was.
 * @returns Its answer; undefined for a new one.
 * @throws CofferError COFFER_REQUEST_ALTERED, COFFER_REQUEST_STALE.
 */
export function answeredBefore(
  { vault }: Site,
  { kind, requestId, requestHash, created }: Incoming,
  before: Pick<Tables['requests'], 'kind' | 'requestHash' | 'sealedAnswer'> | undefined,
  now: number
): Uint8Array | undefined {
  if (before === undefined) {
    refuseStale(created, now)
    return undefined
  }
  // Whatever the clock says: an answer that was lost can be had again at any time.
  // An order that came within a return has the answer of that, and may ask for it by itself.
  const isSameKind = before.kind === kind || (before.kind === 'transfer' && kind === 'order')
  if (before.requestHash !== hex(requestHash) || !isSameKind) throw altered()
  return vault.openStoredAnswer(requestId, before.sealedAnswer)
}

/**
 * A request within another is a request: made lately, and good once.
 *
 * @param within - undefined where it is only asked about.
 * @throws CofferError COFFER_REQUEST_STALE, COFFER_REQUEST_REFUSED.
 */
export async function refuseCarried(
  books: Books,
  { requestId, created }: Pick<Incoming, 'requestId' | 'created'>,
  within: Pick<Incoming, 'requestId'> | undefined,
  now: number
): Promise<void> {
  refuseStale(created, now)
  const before = await books
    .selectFrom('requests')
    .select('kind')
    .where('requestId', '=', hex(requestId))
    .executeTakeFirst()
  if (before === undefined && !(within && equalBytes(requestId, within.requestId))) return
  throw new CofferError('COFFER_REQUEST_REFUSED', 'The order in this return was used before.', {
    expected: 'an order with a new id',
    found: 'one with an id that is known',
    hint: 'Ask whoever takes the copy over for a new order: "coffer order --transfer".'
  })
}

/** A request as it is kept with its answer. */
export const keptRequest = (
  { vault, powers }: Workshop,
  { requestId, kind, requestHash, signer, record }: Incoming,
  answer: Uint8Array,
  answered: number
): Tables['requests'] => ({
  requestId: hex(requestId),
  kind,
  requestHash: hex(requestHash),
  signer,
  record,
  sealedAnswer: vault.sealStoredAnswer(requestId, answer, powers.random(GCM_NONCE_BYTES)),
  answered
})

function refuseStale(created: number, now: number): void {
  if (created >= now - MAX_REQUEST_AGE_SECONDS && created <= now + MAX_REQUEST_AHEAD_SECONDS) return
  throw new CofferError(
    'COFFER_REQUEST_STALE',
    'The request was made too long ago, or by a clock that is wrong.',
    {
      expected: `made from ${isoTime(now - MAX_REQUEST_AGE_SECONDS)} to ${isoTime(now + MAX_REQUEST_AHEAD_SECONDS)}`,
      found: `made ${isoTime(created)}`,
      hint: 'Set the clock of the machine that made it and make a new request.'
    }
  )
}

const altered = () =>
  new CofferError(
    'COFFER_REQUEST_ALTERED',
    'A request with this id was answered before, with other contents.',
    {
      expected: 'the same request again, or a new id',
      found: 'a known id with other contents',
      hint: 'Make a new request.'
    }
  )

/** A time as people and other programs read it. */
export const isoTime = (seconds: number): string =>
  new Date(seconds * 1000).toISOString().replace('.000Z', 'Z')
