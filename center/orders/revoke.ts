/**
 * Revocation: what the center takes back goes into a numbered, signed list, which answers carry to the media; and is
 * not issued again.
 */
import { fromHex, hex, utf8 } from '../../formats/bytes.js'
import { CofferError } from '../../formats/errors.js'
import type { Signer } from '../../formats/frame.js'
import type { VerifiedRequest } from '../../formats/records/request.js'
import { encodeRevocations, type Revocation } from '../../formats/records/revocations.js'
import { countLess } from './counts.js'
import { dropExpired, endedRow, fold, MAX_NAMED, PLACE, resign } from './ended.js'
import { checkId, titleMissing } from '../names.js'
import { centerRow, signerNow, type Site } from '../site.js'
import type { Books, Ending, Tables } from '../books/store.js'

/** Bound of the list itself (formats/records/revocations.ts). */
const MAX_ENTRIES = 20_000

export type RevocationKind = Revocation['kind']
export const REVOCATION_KINDS = [
  'title',
  'user',
  'medium',
  'grant',
  'publisher'
] as const satisfies RevocationKind[]

/**
 * @param id - A title's id, or hexadecimal.
 * @param release - Titles only: take back this release alone.
 * @param refuse - Throws for whoever may not: asked in the transaction, so that what it counts stays true.
 * @returns The number of the list that has it. Revoking again changes nothing.
 * @throws CofferError COFFER_TITLE_MISSING, COFFER_TITLE_UNKNOWN for what was never pressed; COFFER_REQUEST_REFUSED when the
 *   list is full. RangeError for what is no id.
 */
export async function revoke(
  site: Site,
  kind: RevocationKind,
  id: string,
  release: number | null = null,
  refuse: (books: Books) => Promise<void> = async () => {}
): Promise<number> {
  checkId(kind, id)
  return site.store.transaction(async books => {
    await refuse(books)
    const before = await revocationOf(books, kind, id, release)
    if (before !== undefined) return before.sequence
    if (kind === 'title') await refuseUnknown(books, id, release)
    const now = site.powers.now()
    return kind === 'grant'
      ? endGrant(site, books, id, 'revoked', now)
      : list(site, books, { kind, id, release }, now)
  })
}

/** What was mistyped would be taken back for ever, and what was meant would go on. */
async function refuseUnknown(books: Books, titleId: string, release: number | null): Promise<void> {
  const pressed = await books
    .selectFrom('releases')
    .select('release')
    .where('titleId', '=', titleId)
    .execute()
  if (pressed.length === 0) throw titleMissing(titleId)
  if (release === null || pressed.some(row => row.release === release)) return
  throw new CofferError(
    'COFFER_TITLE_UNKNOWN',
    `There is no release ${release} of ${titleId} to take back.`,
    {
      expected: 'a release that was pressed',
      found: 'none',
      hint: 'List them with "coffer-center title <folder> list".'
    }
  )
}

async function list(
  site: Site,
  books: Books,
  entry: Pick<Tables['revocations'], 'kind' | 'id' | 'release'> & { readonly ends?: number | null },
  revoked: number
): Promise<number> {
  const { revocationSequence } = await centerRow(books)
  await books
    .insertInto('revocations')
    .values({ ends: null, ...entry, sequence: revocationSequence + 1, revoked, place: PLACE.list })
    .execute()
  return publishList(site, books, revoked)
}

/** A copy is held no longer: ordering it again is buying it again, under another id. @returns The list's number. */
export async function endGrant(
  site: Site,
  books: Books,
  grantId: string,
  ending: Ending,
  now: number
): Promise<number> {
  const copy = await books.selectFrom('grants').selectAll().where('grantId', '=', grantId).executeTakeFirst()
  if (copy !== undefined) {
    await books.updateTable('grants').set({ revoked: 1, ending }).where('grantId', '=', grantId).execute()
    await countLess(books, copy)
  }
  return list(site, books, { kind: 'grant', id: grantId, release: null, ends: copy?.runsUntil ?? null }, now)
}

/** The list of a new center: number 1, empty. */
export const firstList = (centerId: Uint8Array, signer: Signer, issued: number): Uint8Array =>
  encodeRevocations({ centerId, entries: [], issued, sequence: 1 }, signer)

/** Move the copies that the list names out of it now, not only when they are many. @returns How many they were. */
export const foldNow = (site: Site): Promise<number> =>
  site.store.transaction(async books => {
    const named = (await listed(books)).filter(({ kind }) => kind === 'grant').length
    if (named > 0) await publishList(site, books, site.powers.now(), { maxNamed: 0 })
    return named
  })

/**
 * After an older backup was put back: whoever has seen a list that is lost takes none with its number or a lower one. Seconds since
 * 1970 are more than any center has made lists.
 *
 * @returns The new number.
 */
export const renumber = (site: Site): Promise<number> =>
  site.store.transaction(books => {
    const now = site.powers.now()
    // What has ended is signed again too: of that other numbers were seen as well.
    return publishList(site, books, now, { rooted: true, least: now })
  })

/**
 * Sign the list as it is now, under the next number.
 *
 * @param rooted - A root record came: another key signs, perhaps because one counts no more.
 * @param least - Its number is no lower.
 * @throws CofferError COFFER_REQUEST_REFUSED when it is full.
 */
export async function publishList(
  site: Site,
  books: Books,
  issued: number,
  {
    rooted = false,
    maxNamed = MAX_NAMED,
    least = 0
  }: { rooted?: boolean; maxNamed?: number; least?: number } = {}
): Promise<number> {
  const center = await centerRow(books)
  const sequence = Math.max(center.revocationSequence + 1, least)
  await dropExpired(books, issued)
  let rows = await listed(books)
  if (rows.filter(({ kind }) => kind === 'grant').length > maxNamed) {
    await fold(site, books, sequence, issued)
    rows = await listed(books)
  } else if (rooted) await resign(site, books, sequence, issued)
  if (rows.length > MAX_ENTRIES) {
    throw new CofferError('COFFER_REQUEST_REFUSED', 'The revocation list is full.', {
      expected: `at most ${MAX_ENTRIES} entries`,
      found: `${rows.length}`,
      hint: 'Revoke what several entries have in common, such as their user or title.'
    })
  }
  const entries = rows.map(({ kind, id, release }) => ({
    kind,
    id: kind === 'title' ? utf8(id) : fromHex(id),
    ...(release !== null && { release })
  }))
  const { centerId } = site
  const ended = (await endedRow(books))?.sequence
  const revocationList = encodeRevocations(
    { centerId, ...(ended !== undefined && { ended }), entries, issued, sequence },
    await signerNow(site, books)
  )
  await books.updateTable('center').set({ revocationSequence: sequence, revocationList }).execute()
  return sequence
}

/** What the list names, oldest first. */
const listed = (books: Books) =>
  books.selectFrom('revocations').selectAll().where('place', '=', PLACE.list).orderBy('sequence').execute()

/** The revocation that covers this, if any. @param release - null: only one of the whole. */
async function revocationOf(
  books: Books,
  kind: RevocationKind,
  id: string,
  release: number | null
): Promise<Tables['revocations'] | undefined> {
  const found = await books
    .selectFrom('revocations')
    .selectAll()
    .where('kind', '=', kind)
    .where('id', '=', id)
    .orderBy('sequence')
    .execute()
  return covering(found, release)
}

const covering = (rows: readonly Tables['revocations'][], release: number | null = null) =>
  rows.find(row => row.release === null || row.release === release)

/** The revocations under an id, oldest first. */
type Revoked = (kind: RevocationKind, id: string) => readonly Tables['revocations'][]

/**
 * @param publisher - Hexadecimal sign key of the title's publisher.
 * @throws CofferError COFFER_REVOKED when the title, its publisher, the medium or the user was taken back.
 */
export function refuseRevoked(
  revoked: Revoked,
  {
    titleId,
    release,
    mediumId,
    userId
  }: Pick<VerifiedRequest, 'titleId' | 'release' | 'mediumId' | 'userId'>,
  publisher: string
): void {
  refuseIf('title', covering(revoked('title', titleId), release))
  refuseIf('publisher', covering(revoked('publisher', publisher)))
  refuseIf('medium', covering(revoked('medium', hex(mediumId))))
  refuseIf('user', covering(revoked('user', hex(userId))))
}

export async function refuseRevokedOne(
  books: Books,
  kind: RevocationKind,
  id: string,
  release: number | null = null
): Promise<void> {
  refuseIf(kind, await revocationOf(books, kind, id, release))
}

function refuseIf(kind: RevocationKind, revocation: Tables['revocations'] | undefined): void {
  if (revocation === undefined) return
  throw new CofferError('COFFER_REVOKED', `The center has taken back this ${kind}.`, {
    expected: `a ${kind} that is not revoked`,
    found: `one revoked in list ${revocation.sequence}`,
    hint: 'Ask the seller why.'
  })
}
