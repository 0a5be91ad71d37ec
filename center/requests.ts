/**
 * One request, one answer. An order or registration may arrive more than once: the first time over a line that broke,
 * again by file. Whoever repeats it gets the very same bytes, and nothing happens twice.
 */
import { hex } from '../formats/bytes.js'
import { CofferError } from '../formats/errors.js'
import { GCM_NONCE_BYTES } from '../formats/primitives.js'
import type { Site } from './site.js'
import type { Books, Tables } from './store.js'

const DAY_SECONDS = 86_400
/** Requests travel by file, perhaps by mail. */
const MAX_AGE_SECONDS = 30 * DAY_SECONDS
/** Clocks are wrong by a time zone. */
const MAX_AHEAD_SECONDS = DAY_SECONDS

/** Called with the signer of a record once its signature was verified; throws for one who sends too much. */
export type Admit = (signer: string) => void

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
 * @throws CofferError COFFER_REQUEST_ALTERED, COFFER_REQUEST_STALE, and what `make` throws.
 */
export function answerOnce(
  site: Site,
  incoming: Incoming,
  make: (books: Books, now: number) => Promise<Uint8Array>
): Promise<Uint8Array> {
  const requestId = hex(incoming.requestId)
  const requestHash = hex(incoming.requestHash)
  const { vault, powers } = site
  return site.store.transaction(async books => {
    const before = await books
      .selectFrom('requests')
      .select(['kind', 'requestHash', 'sealedAnswer'])
      .where('requestId', '=', requestId)
      .executeTakeFirst()
    if (before !== undefined) {
      // Before the clock is asked: an answer that was lost can be had again at any time.
      if (before.requestHash !== requestHash || before.kind !== incoming.kind) throw altered()
      return vault.openStoredAnswer(incoming.requestId, before.sealedAnswer)
    }
    const now = powers.now()
    refuseStale(incoming.created, now)
    const answer = await make(books, now)
    const sealedAnswer = vault.sealStoredAnswer(incoming.requestId, answer, powers.random(GCM_NONCE_BYTES))
    const { kind, signer, record } = incoming
    await books
      .insertInto('requests')
      .values({ requestId, kind, requestHash, signer, record, sealedAnswer, answered: now })
      .execute()
    return answer
  })
}

function refuseStale(created: number, now: number): void {
  if (created >= now - MAX_AGE_SECONDS && created <= now + MAX_AHEAD_SECONDS) return
  throw new CofferError(
    'COFFER_REQUEST_STALE',
    'The request was made too long ago, or by a clock that is wrong.',
    {
      expected: `made from ${isoTime(now - MAX_AGE_SECONDS)} to ${isoTime(now + MAX_AHEAD_SECONDS)}`,
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
