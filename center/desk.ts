/** The seller's desk: everything that he asks of the center and decides in it, as the command line offers it. */
import { sql } from 'kysely'
import { fromHex, hex } from '../formats/bytes.js'
import { CofferError } from '../formats/errors.js'
import type { PublicKeys } from '../formats/keys.js'
import type { GrantKind, Scheme } from '../formats/records/fields.js'
import { balances, type Balance } from './books/balances.js'
import { ofRefund, postCharge, receivable } from './books/ledger.js'
import { checkName, ID_CHARS, notOneText, titleMissing } from './names.js'
import { endGrant, foldNow, revoke, type RevocationKind } from './orders/revoke.js'
import { BY_HAND, isProviderName, isReference, keepPayment } from './payment.js'
import { sold, type Sold } from './audit/sales.js'
import type { Site } from './site.js'
import type { Books, Ending, Tables } from './books/store.js'
import {
  checkTerms,
  joinFeatures,
  MAX_PRICE_MINOR,
  splitFeatures,
  termsFor,
  type Terms,
  type TitleTerms
} from './orders/terms.js'
import { addUser } from './orders/users.js'
import { verifyLedger, type LedgerCheck } from './audit/verify.js'

export interface TitleSummary extends TitleTerms {
  readonly titleId: string
  readonly name: string
  readonly publisher: string
  readonly bearerAllowed: boolean
  readonly releases: readonly { readonly release: number; readonly scheme: Scheme }[]
}

export interface UserSummary {
  readonly userId: string
  readonly name: string | null
  readonly enrolled: number
  readonly blocked: boolean
}

export interface GrantSummary {
  readonly grantId: string
  readonly userId: string
  readonly titleId: string
  readonly release: number
  readonly mediumId: string
  readonly bearer: boolean
  readonly bought: number
  readonly issued: number
  readonly kind: GrantKind
  /** null: never. */
  readonly expires: number | null
  /** How long it goes on running after that. */
  readonly graceSeconds: number
  readonly features: readonly string[]
  /** The last payment for it. */
  readonly paidMinor: number
  readonly currency: string
  readonly revoked: boolean
  /** Why it is no longer held; null while it is. */
  readonly ending: Ending | null
}

export interface RevocationSummary {
  readonly sequence: number
  readonly kind: RevocationKind
  readonly id: string
  readonly release: number | null
  readonly revoked: number
}

/** What is not named stays as it is; null: no bound, no end, not at all. */
export interface TermsChange extends Partial<TitleTerms> {
  readonly bearerAllowed?: boolean
}

/** What a user gets that others do not; what is not named is as for everyone. */
export interface Gift {
  readonly priceMinor: number
  readonly copies?: number | null
  readonly expiresDays?: number | null
  readonly features?: readonly string[] | null
}

/** Money that moved where no provider told the center. */
export interface HandPayment {
  readonly userId: string
  /** Above 0. */
  readonly amountMinor: number
  readonly currency: string
  /** Whether the user had it back, rather than paid it. */
  readonly isBack: boolean
  /** Of an invoice, say: each counts once. */
  readonly reference: string
  /** Whom it moved by; `hand` if by none. With the reference that he has for it, it counts once even if he tells of it too. */
  readonly provider?: string | undefined
}

/** What an id that was typed can stand for. */
export type Named = 'user' | 'publisher' | 'grant' | 'medium'

export interface Desk {
  /** @returns Hexadecimal sign key. Adding one again changes only the name. */
  addPublisher(keys: PublicKeys, name: string): Promise<string>
  publishers(): Promise<Tables['publishers'][]>
  titles(): Promise<TitleSummary[]>
  /** @throws CofferError COFFER_TITLE_MISSING. */
  setTerms(titleId: string, change: TermsChange): Promise<TitleSummary>
  users(): Promise<UserSummary[]>
  /** @returns userId. Adding one again changes only the name, when one is given. */
  addUser(keys: PublicKeys, name: string | null): Promise<string>
  /** @throws CofferError COFFER_USAGE for an unknown user. */
  setBlocked(userId: string, blocked: boolean): Promise<void>
  enrolmentOpen(): Promise<boolean>
  setEnrolment(open: boolean): Promise<void>
  grants(filter?: { userId?: string; grantId?: string }): Promise<GrantSummary[]>
  /** Give a user terms of his own for a title. @throws CofferError COFFER_TITLE_MISSING, COFFER_USAGE. */
  give(titleId: string, userId: string, gift: Gift): Promise<Terms>
  /** End a copy and pay back what was paid for it last. @throws CofferError COFFER_USAGE when it is held no longer. */
  refund(grantId: string): Promise<{ readonly refundedMinor: number; readonly currency: string }>
  /** @returns Number of the list that has it. */
  revoke(kind: RevocationKind, id: string, release?: number | null): Promise<number>
  revocations(): Promise<RevocationSummary[]>
  /** Let the list name copies that have ended no longer: they go over into the parts. @returns How many they were. */
  foldRevocations(): Promise<number>
  balances(): Promise<Balance[]>
  /** What one user owes, by currency. */
  owedBy(userId: string): Promise<Balance[]>
  /** @returns What the user owes then. @throws CofferError COFFER_USAGE for an unknown user, or what was posted before. */
  postPayment(payment: HandPayment): Promise<Balance>
  verifyLedger(): Promise<LedgerCheck>
  /** What each title earned on each of the last days, oldest first. */
  sales(days: number): Promise<Sold[]>
  /**
   * The full id that begins like this.
   *
   * @param typed - At least 6 hexadecimal digits.
   * @param mayBeNew - Whether a full id that the center has not seen is one too.
   * @throws CofferError COFFER_USAGE when none or several begin so.
   */
  find(kind: Named, typed: string, mayBeNew?: boolean): Promise<string>
}

export function openDesk(site: Site): Desk {
  const { books, transaction, snapshot } = site.store
  return {
    addPublisher: (keys, name) =>
      transaction(async inside => addPublisher(inside, keys, checkName(name), site.powers.now())),
    publishers: () => books.selectFrom('publishers').selectAll().orderBy('added').execute(),
    titles: () => titles(books),
    setTerms: (titleId, change) => transaction(inside => setTerms(inside, titleId, change)),
    users: () => users(books),
    addUser: (keys, name) =>
      transaction(async inside =>
        addUser(inside, keys, name === null ? null : checkName(name), site.powers.now())
      ),
    setBlocked: (userId, blocked) => transaction(inside => setBlocked(inside, userId, blocked)),
    async enrolmentOpen() {
      const row = await books.selectFrom('center').select('enrolmentOpen').executeTakeFirstOrThrow()
      return row.enrolmentOpen === 1
    },
    async setEnrolment(open) {
      const enrolmentOpen = open ? 1 : 0
      await transaction(inside => inside.updateTable('center').set({ enrolmentOpen }).execute())
    },
    grants: filter => grants(books, filter),
    give: (titleId, userId, gift) => transaction(inside => give(inside, titleId, userId, gift)),
    refund: grantId => refund(site, grantId),
    revoke: (kind, id, release) => revoke(site, kind, id, release),
    revocations: () => books.selectFrom('revocations').selectAll().orderBy('sequence').execute(),
    foldRevocations: () => foldNow(site),
    balances: () => balances(books),
    owedBy: userId => balances(books, receivable(userId)),
    postPayment: payment => postPayment(site, payment),
    verifyLedger: () => snapshot(inside => verifyLedger(site, inside)),
    sales: days => sold(books, site.powers.now(), days),
    find: (kind, typed, mayBeNew = false) => find(books, kind, typed, mayBeNew)
  }
}

async function addPublisher(books: Books, keys: PublicKeys, name: string, added: number): Promise<string> {
  const signKey = hex(keys.signKey)
  await books
    .insertInto('publishers')
    .values({ signKey, sealKey: hex(keys.sealKey), name, added })
    .onConflict(conflict => conflict.column('signKey').doUpdateSet({ name }))
    .execute()
  return signKey
}

/** @param only - The one title that is asked for; default: all. */
async function titles(books: Books, only?: string): Promise<TitleSummary[]> {
  let rows = books.selectFrom('titles').selectAll().orderBy('titleId')
  let releases = books.selectFrom('releases').select(['titleId', 'release', 'scheme']).orderBy('release')
  if (only !== undefined) {
    rows = rows.where('titleId', '=', only)
    releases = releases.where('titleId', '=', only)
  }
  return summaries(await rows.execute(), await releases.execute())
}

/** @param releases - Of these titles, in ascending order. */
export function summaries(
  titles: readonly Tables['titles'][],
  releases: readonly Pick<Tables['releases'], 'titleId' | 'release' | 'scheme'>[]
): TitleSummary[] {
  const releasesOf = new Map<string, { release: number; scheme: Scheme }[]>()
  for (const { titleId, ...release } of releases) {
    const known = releasesOf.get(titleId)
    if (known === undefined) releasesOf.set(titleId, [release])
    else known.push(release)
  }
  return titles.map(({ registered: _registered, bearerAllowed, features, ...title }) => ({
    ...title,
    features: splitFeatures(features),
    bearerAllowed: bearerAllowed === 1,
    releases: releasesOf.get(title.titleId) ?? []
  }))
}

async function setTerms(books: Books, titleId: string, change: TermsChange): Promise<TitleSummary> {
  checkTerms(change)
  const { bearerAllowed, features, ...others } = change
  const set = {
    ...others,
    ...(features !== undefined && { features: joinFeatures(features) }),
    ...(bearerAllowed !== undefined && { bearerAllowed: bearerAllowed ? 1 : 0 })
  }
  if (Object.keys(set).length > 0) {
    await books.updateTable('titles').set(set).where('titleId', '=', titleId).execute()
  }
  const [title] = await titles(books, titleId)
  if (title === undefined) throw titleMissing(titleId)
  if (typeof change.renewPriceMinor === 'number' && !(await canEnd(books, title))) throw endless(titleId)
  return title
}

/** Whether what is sold of a title, to whomever, has an end that could be put off. */
async function canEnd(books: Books, { titleId, expiresDays }: TitleSummary): Promise<boolean> {
  if (expiresDays !== null) return true
  const own = books.selectFrom('personalTerms').select('userId').where('titleId', '=', titleId)
  return (await own.where('expiresDays', 'is not', null).executeTakeFirst()) !== undefined
}

const endless = (titleId: string) =>
  new CofferError('COFFER_USAGE', `Copies of ${titleId} never end, so there is nothing to renew.`, {
    expected: '--renew-price for a title with --expires-days',
    found: 'one that is bought for good',
    hint: 'Say for how long a copy is bought too: --expires-days <n>.'
  })

async function users(books: Books): Promise<UserSummary[]> {
  const rows = await books
    .selectFrom('users')
    .select(['userId', 'name', 'enrolled', 'blocked'])
    .orderBy('enrolled')
    .orderBy('userId')
    .execute()
  return rows.map(row => ({ ...row, blocked: row.blocked === 1 }))
}

async function setBlocked(books: Books, userId: string, blocked: boolean): Promise<void> {
  const { numUpdatedRows } = await books
    .updateTable('users')
    .set({ blocked: blocked ? 1 : 0 })
    .where('userId', '=', userId)
    .executeTakeFirstOrThrow()
  if (numUpdatedRows === 0n) throw userMissing(userId)
}

async function grants(
  books: Books,
  { userId, grantId }: { userId?: string; grantId?: string } = {}
): Promise<GrantSummary[]> {
  let query = books.selectFrom('grants').selectAll()
  if (userId !== undefined) query = query.where('userId', '=', userId)
  if (grantId !== undefined) query = query.where('grantId', '=', grantId)
  const rows = await query.orderBy('bought').orderBy('grantId').execute()
  return rows.map(grantSummary)
}

export const grantSummary = ({
  bearer,
  revoked,
  features,
  epoch: _epoch,
  tried: _tried,
  paid: _paid,
  ...row
}: Tables['grants']): GrantSummary => ({
  ...row,
  features: splitFeatures(features),
  bearer: bearer === 1,
  revoked: revoked === 1
})

async function give(
  books: Books,
  titleId: string,
  userId: string,
  { priceMinor, copies = null, expiresDays = null, features = null }: Gift
): Promise<Terms> {
  const title = await books.selectFrom('titles').selectAll().where('titleId', '=', titleId).executeTakeFirst()
  if (title === undefined) throw titleMissing(titleId)
  await refuseUnknown(books, userId)
  checkTerms({ priceMinor, copies, expiresDays, ...(features !== null && { features }) })
  const terms = {
    priceMinor,
    copies,
    expiresDays,
    features: features === null ? null : joinFeatures(features)
  }
  await books
    .insertInto('personalTerms')
    .values({ userId, titleId, ...terms })
    .onConflict(conflict => conflict.columns(['userId', 'titleId']).doUpdateSet(terms))
    .execute()
  return termsFor(title, { userId, titleId, ...terms })
}

/** End a copy and pay back what was paid for it last. @returns What that was. */
async function refund(site: Site, grantId: string): Promise<{ refundedMinor: number; currency: string }> {
  return site.store.transaction(async books => {
    const grant = await books
      .selectFrom('grants')
      .selectAll()
      .where('grantId', '=', grantId)
      .executeTakeFirstOrThrow()
    if (grant.revoked === 1) {
      throw new CofferError('COFFER_USAGE', `The copy ${grantId} is held no longer.`, {
        expected: 'a copy that is held',
        found: `one that was ${grant.ending ?? 'revoked'}`,
        hint: 'Nothing was paid back.'
      })
    }
    const now = site.powers.now()
    await endGrant(site, books, grantId, 'refunded', now)
    const { userId, titleId, paidMinor, currency } = grant
    const paidBack = { posting: ofRefund(grantId), userId: fromHex(userId), titleId }
    await postCharge(books, { ...paidBack, amountMinor: -paidMinor, currency }, now)
    return { refundedMinor: paidMinor, currency }
  })
}

async function postPayment(site: Site, payment: HandPayment): Promise<Balance> {
  const { userId, amountMinor, currency, isBack, reference, provider = BY_HAND } = payment
  if (!Number.isSafeInteger(amountMinor) || amountMinor < 1 || amountMinor > MAX_PRICE_MINOR) {
    throw new RangeError(`amountMinor must be a whole number from 1 to ${MAX_PRICE_MINOR}`)
  }
  checkTerms({ currency })
  if (!isProviderName(provider) || !isReference(reference)) throw new RangeError('no name of a payment')
  const { books } = site.store
  await refuseUnknown(books, userId)
  const isNew = await keepPayment(site, provider, {
    id: reference,
    centerId: hex(site.centerId),
    userId,
    amountMinor: isBack ? -amountMinor : amountMinor,
    currency
  })
  if (!isNew) {
    throw new CofferError('COFFER_USAGE', `The payment ${reference} was posted before.`, {
      expected: 'a reference that is new',
      hint: 'Nothing was posted. Another payment needs another reference.'
    })
  }
  const account = receivable(userId)
  const owed = (await balances(books, account)).find(balance => balance.currency === currency)
  return owed ?? { account, currency, balanceMinor: 0 }
}

async function find(books: Books, kind: Named, typed: string, mayBeNew: boolean): Promise<string> {
  const fullChars = ID_CHARS[kind]
  const isHex = /^[0-9a-f]{6,64}$/.test(typed) && typed.length <= fullChars
  const found = isHex ? await idsLike(books, kind, typed) : []
  if (found.length === 1) return found[0]!
  if (mayBeNew && isHex && typed.length === fullChars) return typed
  throw new CofferError('COFFER_USAGE', notOneText(kind, typed, found.length), {
    expected: `at least 6 of the ${fullChars} hexadecimal digits of one ${kind}`,
    hint: `List them with "coffer-center ${kind === 'medium' ? 'grant' : kind} <folder> list".`
  })
}

/** Where the ids of a kind stand. Users and publishers are listed once, media as often as they have copies. */
const COLUMN_OF = {
  user: ['users', 'userId'],
  publisher: ['publishers', 'signKey'],
  grant: ['grants', 'grantId'],
  medium: ['grants', 'mediumId']
} as const

async function idsLike(books: Books, kind: Named, typed: string): Promise<string[]> {
  const [table, column] = COLUMN_OF[kind]
  const id = sql.ref(column)
  const { rows } = await sql<{ id: string }>`
    select distinct ${id} as id from ${sql.table(table)} where ${id} like ${`${typed}%`} limit 2
  `.execute(books)
  return rows.map(row => row.id)
}

async function refuseUnknown(books: Books, userId: string): Promise<void> {
  const user = await books
    .selectFrom('users')
    .select('userId')
    .where('userId', '=', userId)
    .executeTakeFirst()
  if (user === undefined) throw userMissing(userId)
}

const userMissing = (userId: string) =>
  new CofferError('COFFER_USAGE', `There is no user ${userId}.`, {
    hint: 'List them with "coffer-center user <folder> list", or add one with "user <folder> add <public key>".'
  })
