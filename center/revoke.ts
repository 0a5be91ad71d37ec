/**
 * Revocation: what the center takes back goes into a numbered, signed list, which answers carry to the media; and is
 * not issued again.
 */
import { fromHex, hex, utf8 } from '../formats/bytes.js'
import { CofferError } from '../formats/errors.js'
import type { VerifiedRequest } from '../formats/records/request.js'
import { encodeRevocations, type Revocation } from '../formats/records/revocations.js'
import { checkId } from './names.js'
import { centerRow, type Site } from './site.js'
import type { Books, Tables } from './store.js'

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
 * @returns The number of the list that has it. Revoking again changes nothing.
 * @throws CofferError COFFER_REQUEST_REFUSED when the list is full. RangeError for what is no id.
 */
export async function revoke(
  site: Site,
  kind: RevocationKind,
  id: string,
  release: number | null = null
): Promise<number> {
  checkId(kind, id)
  return site.store.transaction(async books => {
    const before = await revocationOf(books, kind, id, release)
    if (before !== undefined) return before.sequence
    const center = await centerRow(books)
    const revoked = site.powers.now()
    const sequence = center.revocationSequence + 1
    await books.insertInto('revocations').values({ sequence, kind, id, release, revoked }).execute()
    // The copy itself is gone: ordering it again is buying it again, under another id.
    if (kind === 'grant')
      await books
        .updateTable('grants')
        .set({ revoked: 1, ending: 'revoked' })
        .where('grantId', '=', id)
        .execute()
    const revocationList = await signList(site, books, sequence, revoked)
    await books.updateTable('center').set({ revocationSequence: sequence, revocationList }).execute()
    return sequence
  })
}

/** The list of a new center: number 1, empty. */
export const firstList = (
  { vault, centerId }: Pick<Site, 'vault' | 'centerId'>,
  issued: number
): Uint8Array => vault.sign(encodeRevocations, { centerId, entries: [], issued, sequence: 1 })

async function signList(site: Site, books: Books, sequence: number, issued: number): Promise<Uint8Array> {
  const rows = await books.selectFrom('revocations').selectAll().orderBy('sequence').execute()
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
  return site.vault.sign(encodeRevocations, { centerId: site.centerId, entries, issued, sequence })
}

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
  return found.find(row => row.release === null || row.release === release)
}

/**
 * @param publisher - Hexadecimal sign key of the title's publisher.
 * @throws CofferError COFFER_REVOKED when the title, its publisher, the medium or the user was taken back.
 */
export async function refuseRevoked(
  books: Books,
  request: VerifiedRequest,
  publisher: string
): Promise<void> {
  await refuseRevokedOne(books, 'title', request.titleId, request.release)
  await refuseRevokedOne(books, 'publisher', publisher)
  await refuseRevokedOne(books, 'medium', hex(request.mediumId))
  await refuseRevokedOne(books, 'user', hex(request.userId))
}

export async function refuseRevokedOne(
  books: Books,
  kind: RevocationKind,
  id: string,
  release: number | null = null
): Promise<void> {
  const revocation = await revocationOf(books, kind, id, release)
  if (revocation === undefined) return
  throw new CofferError('COFFER_REVOKED', `The center has taken back this ${kind}.`, {
    expected: `a ${kind} that is not revoked`,
    found: `one revoked in list ${revocation.sequence}`,
    hint: 'Ask the seller why.'
  })
}
