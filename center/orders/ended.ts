/**
 * Copies that have ended, kept apart (docs/spec.md §3.12): the revocation list, which every answer carries, names the
 * latest by themselves; once there are many they go over into 256 parts of short ids, each of which is a row, so that a
 * thousand more cost the same whether ten thousand went before them or a million.
 */
import { sql } from 'kysely'
import { concat, fromHex } from '../../formats/bytes.js'
import { MAX_ENDED } from '../../formats/limits.js'
import { encodeEnded, ID_BYTES, PARTS, withEnded } from '../../formats/records/ended.js'
import { signerNow, type Site } from '../site.js'
import type { Books, Store, Tables } from '../books/store.js'

/** So many copies that have ended the list itself names, some 30 KB in each answer. */
export const MAX_NAMED = 1000

/** What became of a row: it is in the list, in the parts, or in neither, since its copy has ended by itself. */
export const PLACE = { list: 0, parts: 1, none: 2 } as const

/**
 * Let go of what has ended by itself. The list is signed with `issued`, a time that has passed for whoever sees it, and
 * loaders take no earlier one (docs/spec.md §6.9): what ended before it never runs again, named or not. A clock that was ahead, and is
 * right again, let go of what runs on: that is named again.
 */
export async function dropExpired(books: Books, issued: number): Promise<void> {
  const move = (from: number, to: number) =>
    books.updateTable('revocations').set({ place: to }).where('place', '=', from).where('kind', '=', 'grant')
  await move(PLACE.list, PLACE.none).where('ends', '<', issued).execute()
  await move(PLACE.none, PLACE.list).where('ends', '>=', issued).execute()
}

/**
 * Move every copy that the list names into the parts, and sign them.
 *
 * @param sequence - Of the list that will be published with it.
 * @returns How many were moved: none where there would be more than there can be, which the list names on.
 */
export async function fold(site: Site, books: Books, sequence: number, issued: number): Promise<number> {
  const rows = (place: number) =>
    books.selectFrom('revocations').select('id').where('kind', '=', 'grant').where('place', '=', place)
  const added = (await rows(PLACE.list).execute()).map(({ id }) => id)
  const gone = (await rows(PLACE.parts).where('ends', '<', issued).execute()).map(({ id }) => id)
  const touched = new Set([...added, ...gone].map(id => Number.parseInt(id.slice(0, 2), 16)))
  if (touched.size === 0) return 0
  // More than readers take would be no list for any of them, and no copy of the center's would run.
  if ((await countInParts(books)) + added.length - gone.length > MAX_ENDED) return 0
  for (const first of touched) {
    const of = (ids: readonly string[]) =>
      ids.filter(id => Number.parseInt(id.slice(0, 2), 16) === first).map(fromHex)
    const before = await partRow(books, first)
    const ids = withEnded(before ?? new Uint8Array(0), of(added), of(gone))
    await (before === undefined
      ? books.insertInto('endedParts').values({ first, ids }).execute()
      : books.updateTable('endedParts').set({ ids }).where('first', '=', first).execute())
  }
  await books
    .updateTable('revocations')
    .set({ place: PLACE.none })
    .where('kind', '=', 'grant')
    .where('place', '=', PLACE.parts)
    .where('ends', '<', issued)
    .execute()
  await books
    .updateTable('revocations')
    .set({ place: PLACE.parts })
    .where('kind', '=', 'grant')
    .where('place', '=', PLACE.list)
    .execute()
  await signParts(site, books, sequence, issued)
  return added.length
}

async function countInParts(books: Books): Promise<number> {
  const { bytes } = await books
    .selectFrom('endedParts')
    .select(({ fn }) => fn.sum<number | null>(sql`length("ids")`).as('bytes'))
    .executeTakeFirstOrThrow()
  return (bytes ?? 0) / ID_BYTES
}

/** Sign the parts as they are, under a new number: they changed, or the key did. */
async function signParts(site: Site, books: Books, sequence: number, issued: number): Promise<void> {
  const parts = await allParts(books)
  const { centerId } = site
  const record = encodeEnded({ centerId, issued, sequence, parts }, await signerNow(site, books))
  const known = await books.selectFrom('ended').select('sequence').executeTakeFirst()
  await (known === undefined
    ? books.insertInto('ended').values({ one: 1, sequence, record }).execute()
    : books.updateTable('ended').set({ sequence, record }).execute())
}

/** A key that signed the parts may count no more: they are signed anew with each root record. */
export async function resign(site: Site, books: Books, sequence: number, issued: number): Promise<void> {
  if ((await endedRow(books)) !== undefined) await signParts(site, books, sequence, issued)
}

export const endedRow = (books: Books): Promise<Tables['ended'] | undefined> =>
  books.selectFrom('ended').selectAll().executeTakeFirst()

/** @param books - At one moment. @returns The file: record and parts; undefined: nothing was moved yet. */
async function endedFile(books: Books): Promise<Uint8Array | undefined> {
  const row = await endedRow(books)
  return row && concat(row.record, ...(await allParts(books)))
}

/** The same, made once for each number: it may be large, and whoever wants it may ask. */
export function keptEndedFile(
  store: Pick<Store, 'books' | 'snapshot'>
): () => Promise<Uint8Array | undefined> {
  let kept: { readonly sequence: number; readonly file: Promise<Uint8Array | undefined> } | undefined
  return async () => {
    const row = await store.books.selectFrom('ended').select('sequence').executeTakeFirst()
    if (row === undefined) return undefined
    if (kept?.sequence === row.sequence) return kept.file
    // Of a number that came meanwhile it is the newer one, and is made again for the next who asks.
    const made = { sequence: row.sequence, file: store.snapshot(endedFile) }
    kept = made
    made.file.catch(() => {
      if (kept === made) kept = undefined
    })
    return made.file
  }
}

async function allParts(books: Books): Promise<Uint8Array[]> {
  const rows = await books.selectFrom('endedParts').selectAll().execute()
  const parts: Uint8Array[] = Array.from({ length: PARTS }, () => new Uint8Array(0))
  for (const { first, ids } of rows) parts[first] = ids
  return parts
}

const partRow = async (books: Books, first: number): Promise<Uint8Array | undefined> =>
  (await books.selectFrom('endedParts').select('ids').where('first', '=', first).executeTakeFirst())?.ids
