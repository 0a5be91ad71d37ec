/** What the log keeps of one work: every row that it left in the books, or removed. */
import { decode, encode, type Packable } from '../../formats/msgpack.js'
import { sha256 } from '../../formats/primitives.js'

/** A row as a query left it, or as it was when a query removed it. */
export interface Change {
  readonly table: string
  readonly row: Readonly<Record<string, Packable>>
  readonly gone: boolean
}

/** A row as the log keeps it: bytes, which may be long or secret, as their hash. */
export function imageOf(row: Readonly<Record<string, unknown>>): Record<string, Packable> {
  const image = { ...row } as Record<string, Packable>
  for (const column of Object.keys(image)) {
    const value = image[column]
    if (value instanceof Uint8Array) image[column] = sha256(value)
  }
  return image
}

/** Of a row that is written past the journal. */
export const left = (table: string, row: object): Change => ({
  table,
  row: imageOf(row as Readonly<Record<string, unknown>>),
  gone: false
})

/** What the log keeps of one work. */
export interface Entry {
  /** The request that it answered, so that its receipt can be found; null for what answered none. */
  readonly request: string | null
  /** Whether it has root records, whose keys sign from then on. */
  readonly hasRoots: boolean
  readonly bytes: Uint8Array
}

const GONE = { gone: true }

/** @returns undefined for a work that left nothing. */
export function entryOf(changes: readonly Change[]): Entry | undefined {
  if (changes.length === 0) return undefined
  const rows = changes.map(({ table, row, gone }) => ({ row, table, ...(gone && GONE) }))
  const hasRoots = changes.some(({ table }) => table === 'roots')
  return { request: requestOf(changes), hasRoots, bytes: encode({ changes: rows }) }
}

/** The request that an entry answers. */
export function requestOf(changes: readonly Change[]): string | null {
  const answered = changes.find(({ table }) => table === 'requests')
  return answered === undefined ? null : (answered.row['requestId'] as string)
}

/** Of an entry whose hash was proved: the center's own. */
export function decodeEntry(entry: Uint8Array): Change[] {
  const { changes } = decode(entry) as { changes: (Omit<Change, 'gone'> & { gone?: true })[] }
  return changes.map(({ table, row, gone = false }) => ({ table, row, gone }))
}
