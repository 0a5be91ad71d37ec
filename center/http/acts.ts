/**
 * The desk over HTTP: what an admin, or a publisher for his own titles, may do by a signed request. One table, from which
 * the routes are made, what is sent is checked, and the OpenAPI document is; center/http/remote.ts is the other end.
 *
 * Whose a title is, is asked of the books at each request (caller.ts). What is not a publisher's is for him as if it were
 * not there.
 */
import { hex, utf8 } from '../../formats/bytes.js'
import { CofferError } from '../../formats/errors.js'
import { parsePublicKeys } from '../../formats/keys.js'
import { sha256 } from '../../formats/primitives.js'
import type { Desk, Gift, HandPayment, Named, TermsChange } from '../desk.js'
import {
  balances,
  callerOf,
  findOwn,
  grants,
  ownKey,
  pageOf,
  refuseFlood,
  refuseNoId,
  refuseOthersGrant,
  refuseOthersTitle,
  requireAdmin,
  ROWS,
  type Caller
} from './caller.js'
import { readObject, type Fields, type Schema } from './json.js'
import { SKEW_SECONDS, verify } from './message-signature.js'
import { MAX_SALES_DAYS } from '../names.js'
import type { Admit, ValueOf } from '../orders/requests.js'
import { REVOCATION_KINDS, revoke, type RevocationKind } from '../orders/revoke.js'
import { sold } from '../audit/sales.js'
import type { Sessions } from '../pages/sessions.js'
import type { Site } from '../site.js'
import type { Books } from '../books/store.js'
import { MAX_COPIES, MAX_EXPIRES_DAYS, MAX_PRICE_MINOR } from '../orders/terms.js'
import { Refusal } from './wire.js'

interface Room {
  readonly site: Site
  readonly desk: Desk
  readonly sessions: Sessions
}

export interface Act {
  readonly summary: string
  /** `publisher`: for his own titles; admins may do everything. */
  readonly who: 'admin' | 'publisher'
  readonly takes: Fields
  run(room: Room, given: any, caller: Caller): Promise<unknown>
}

const money = (maximum = MAX_PRICE_MINOR): Schema => ({
  type: 'integer',
  minimum: 0,
  maximum,
  description: 'minor units'
})
const orNull = (minimum: number, maximum: number): Schema => ({ type: ['integer', 'null'], minimum, maximum })
const whole = (minimum: number, maximum: number): Schema => ({ type: 'integer', minimum, maximum })
const currency: Schema = { type: 'string', maxLength: 3, pattern: '^[A-Z]{3}$' }
const yes: Schema = { type: 'boolean' }
const title: Schema = { type: 'string', maxLength: 64, pattern: '^[a-z0-9]+([.-][a-z0-9]+)*$' }
const id = (digits: number): Schema => ({
  type: 'string',
  maxLength: digits,
  pattern: `^[0-9a-f]{${digits}}$`
})
const typedId: Schema = { type: 'string', maxLength: 64, pattern: '^[0-9a-f]*$' }
const name: Schema = { type: 'string', maxLength: 200, pattern: '^[^\\p{Cc}\\p{Cf}\\p{Zl}\\p{Zp}]+$' }
const word: Schema = { type: 'string', maxLength: 200, pattern: '^coffer-[a-z]+-[A-Za-z0-9_-]+$' }
const after: Schema = { type: 'string', maxLength: 200, pattern: '^[ -~]*$' }
const features: Schema = {
  type: 'array',
  maxItems: 32,
  items: { type: 'string', maxLength: 64, pattern: '^[a-z0-9][a-z0-9.-]*$' }
}

export const ACTS: Readonly<Record<string, Act>> = {
  titles: {
    summary: 'Titles and their terms',
    who: 'publisher',
    takes: {},
    run: async ({ desk }, _given, caller) =>
      (await desk.titles()).filter(({ publisher }) => caller.kind === 'admin' || publisher === caller.signKey)
  },
  'title-set': {
    summary: 'Change the terms of future sales; what is not named stays. null: no bound, no end, not at all',
    who: 'publisher',
    takes: {
      titleId: title,
      'priceMinor?': money(),
      'currency?': currency,
      'copies?': orNull(0, MAX_COPIES),
      'titleCopies?': orNull(0, MAX_COPIES),
      'expiresDays?': orNull(1, MAX_EXPIRES_DAYS),
      'renewPriceMinor?': orNull(0, MAX_PRICE_MINOR),
      'graceDays?': whole(0, MAX_EXPIRES_DAYS),
      'trialDays?': orNull(1, MAX_EXPIRES_DAYS),
      'features?': features,
      'refundDays?': orNull(0, MAX_EXPIRES_DAYS),
      'transfer?': { type: 'string', enum: ['no', 'media', 'users'] },
      'bearerAllowed?': yes
    },
    async run({ desk, site }, { titleId, ...change }: { titleId: string } & TermsChange, caller) {
      await refuseOthersTitle(site.store.books, titleId, caller)
      return desk.setTerms(titleId, change)
    }
  },
  sales: {
    summary: 'What each title earned on each of the last days',
    who: 'publisher',
    takes: { days: whole(1, MAX_SALES_DAYS) },
    run: ({ site }, { days }: { days: number }, caller) =>
      sold(site.store.books, site.powers.now(), days, ownKey(caller))
  },
  grants: {
    summary: 'Copies that were granted, a page at a time',
    who: 'publisher',
    takes: { 'userId?': id(64), 'grantId?': id(32), 'after?': after },
    run: ({ site }, given, caller) => grants(site.store.books, given, caller)
  },
  give: {
    summary: 'Give one user terms of his own for a title',
    who: 'publisher',
    takes: {
      titleId: title,
      userId: id(64),
      priceMinor: money(),
      'copies?': orNull(0, MAX_COPIES),
      'expiresDays?': orNull(1, MAX_EXPIRES_DAYS),
      'features?': features
    },
    async run({ desk, site }, given: { titleId: string; userId: string } & Gift, caller) {
      const { titleId, userId, ...gift } = given
      await refuseOthersTitle(site.store.books, titleId, caller)
      return desk.give(titleId, userId, gift)
    }
  },
  refund: {
    summary: 'End a copy and pay back what was paid for it last',
    who: 'publisher',
    takes: { grantId: id(32) },
    async run({ desk, site }, { grantId }: { grantId: string }, caller) {
      await refuseOthersGrant(site.store.books, grantId, caller)
      return desk.refund(grantId)
    }
  },
  revoke: {
    summary:
      'Take back a title, user, medium, grant or publisher; a publisher his own titles and their grants',
    who: 'publisher',
    takes: {
      kind: { type: 'string', enum: REVOCATION_KINDS },
      id: { type: 'string', maxLength: 64, pattern: '^[a-z0-9.-]+$' },
      'release?': { type: ['integer', 'null'], minimum: 1, maximum: 0xffff_ffff }
    },
    async run({ site }, given, caller) {
      const { kind, id, release } = given as { kind: RevocationKind; id: string; release?: number | null }
      refuseNoId(kind, id)
      return revoke(site, kind, id, release, async books => {
        if (kind === 'title') {
          await refuseOthersTitle(books, id, caller)
          await refuseFlood(books, caller)
        } else if (kind === 'grant') await refuseOthersGrant(books, id, caller)
        else requireAdmin(caller)
      })
    }
  },
  find: {
    summary: 'The full id that begins like this',
    who: 'publisher',
    takes: {
      kind: { type: 'string', enum: ['user', 'publisher', 'grant', 'medium'] },
      typed: typedId,
      'mayBeNew?': yes
    },
    async run({ desk, site }, given: { kind: Named; typed: string; mayBeNew?: boolean }, caller) {
      const { kind, typed, mayBeNew } = given
      if (caller.kind === 'admin') return desk.find(kind, typed, mayBeNew)
      if (kind === 'publisher' || kind === 'medium') requireAdmin(caller)
      return findOwn(site.store.books, kind as 'user' | 'grant', typed, caller.signKey)
    }
  },
  balances: {
    summary: 'What was charged: balances of accounts, a page at a time; a publisher those of his titles',
    who: 'publisher',
    takes: { 'after?': after },
    run: ({ site }, given: { after?: string }, caller) => balances(site.store.books, given, caller)
  },
  revocations: {
    summary: 'What was taken back, a page at a time',
    who: 'admin',
    takes: { 'after?': whole(0, 2 ** 48) },
    run: async ({ site }, given: { after?: number }) =>
      pageOf(
        await site.store.books
          .selectFrom('revocations')
          .select(['sequence', 'kind', 'id', 'release', 'revoked'])
          .where('sequence', '>', given.after ?? -1)
          .orderBy('sequence')
          .limit(ROWS + 1)
          .execute(),
        ({ sequence }) => sequence
      )
  },
  fold: {
    summary: 'Make the revocation list short now: copies that have ended go over into the parts',
    who: 'admin',
    takes: {},
    run: ({ desk }) => desk.foldRevocations()
  },
  users: {
    summary: 'Who orders, a page at a time',
    who: 'admin',
    takes: { 'after?': after },
    async run({ site }, given: { after?: string }) {
      const rows = await site.store.books
        .selectFrom('users')
        .select(['userId', 'name', 'enrolled', 'blocked'])
        .where('userId', '>', given.after ?? '')
        .orderBy('userId')
        .limit(ROWS + 1)
        .execute()
      return pageOf(
        rows.map(row => ({ ...row, blocked: row.blocked === 1 })),
        ({ userId }) => userId
      )
    }
  },
  'user-add': {
    summary: 'Add a user by hand, by his public key',
    who: 'admin',
    takes: { key: word, 'name?': name },
    run: ({ desk }, { key, name }: { key: string; name?: string }) =>
      desk.addUser(parsePublicKeys('user', key), name ?? null)
  },
  'user-block': {
    summary: 'No new grants for a user, or again',
    who: 'admin',
    takes: { userId: id(64), blocked: yes },
    run: ({ desk }, { userId, blocked }: { userId: string; blocked: boolean }) =>
      desk.setBlocked(userId, blocked).then(() => null)
  },
  enrolment: {
    summary: 'Whether a first order makes its signer a user; set it, or only ask',
    who: 'admin',
    takes: { 'open?': yes },
    async run({ desk }, { open }: { open?: boolean }) {
      if (open !== undefined) await desk.setEnrolment(open)
      return desk.enrolmentOpen()
    }
  },
  publishers: {
    summary: 'Who may press titles',
    who: 'admin',
    takes: {},
    run: ({ desk }) => desk.publishers()
  },
  'publisher-add': {
    summary: 'Let a publisher press, by his public key',
    who: 'admin',
    takes: { key: word, name },
    run: ({ desk }, { key, name }: { key: string; name: string }) =>
      desk.addPublisher(parsePublicKeys('publisher', key), name)
  },
  'ledger-paid': {
    summary: 'Post a payment that no provider told of, or what went back of one',
    who: 'admin',
    takes: {
      userId: id(64),
      amountMinor: whole(1, MAX_PRICE_MINOR),
      currency,
      isBack: yes,
      reference: { type: 'string', maxLength: 100, pattern: '^[A-Za-z0-9][A-Za-z0-9._-]*$' },
      'provider?': { type: 'string', maxLength: 20, pattern: '^[a-z]+$' }
    },
    run: ({ desk }, payment: HandPayment) => desk.postPayment(payment)
  },
  'ledger-verify': {
    summary: 'Hold the books against what was signed',
    who: 'admin',
    takes: {},
    run: ({ desk }) => desk.verifyLedger()
  },
  login: {
    summary: "What opens the seller's pages, once, within ten minutes",
    who: 'admin',
    takes: {},
    run: ({ sessions }, _given, { signKey }) => sessions.open('link', signKey)
  }
}

/**
 * Do what a signed request asks for, once.
 *
 * @param valueOf - Method, path and headers of the request.
 * @returns What becomes the JSON of the answer.
 * @throws CofferError COFFER_NOT_AUTHORIZED, COFFER_REQUEST_STALE, COFFER_REQUEST_REFUSED for one that came before,
 *   COFFER_USAGE for what is not as the table says, and what the act throws.
 */
export async function act(
  room: Room,
  actName: string,
  { valueOf, body, admit }: { valueOf: ValueOf; body: Uint8Array; admit?: Admit | undefined }
): Promise<unknown> {
  const { site } = room
  const { signKey, nonce } = verify(valueOf, body, site.powers.now())
  const signer = hex(signKey)
  admit?.(signer)
  if (valueOf('coffer-center') !== hex(site.centerId)) throw otherCenter(hex(site.centerId))
  const wanted = ACTS[actName]!
  const given = readObject(body, wanted.takes)
  const caller = await site.store.transaction(async books => {
    const caller = await callerOf(books, signer)
    if (wanted.who === 'admin') requireAdmin(caller)
    const now = site.powers.now()
    const row = {
      nonceHash: hex(sha256(signKey, utf8(nonce))),
      signer,
      act: actName,
      digest: hex(sha256(body)),
      asked: now
    }
    await refuseReplay(books, row.nonceHash)
    // Twice the skew: a request from the future is good for as long. The log keeps who asked for what.
    await books
      .deleteFrom('acts')
      .where('asked', '<', now - 2 * SKEW_SECONDS - 1)
      .execute()
    await books.insertInto('acts').values(row).execute()
    return caller
  })
  return wanted.run(room, given, caller)
}

async function refuseReplay(books: Books, nonceHash: string): Promise<void> {
  const before = await books
    .selectFrom('acts')
    .select('asked')
    .where('nonceHash', '=', nonceHash)
    .executeTakeFirst()
  if (before === undefined) return
  throw new CofferError('COFFER_REQUEST_REFUSED', 'This request was taken before.', {
    expected: 'a nonce that was not used yet',
    found: 'one that was',
    hint: 'Repeat the command, which signs anew. If you did not send it twice, somebody else did.'
  })
}

const otherCenter = (centerId: string) =>
  new Refusal(403, 'COFFER_NOT_AUTHORIZED', 'This was signed for another center.', {
    expected: `coffer-center: ${centerId}`,
    hint: 'Sign for the center that is asked.'
  })
