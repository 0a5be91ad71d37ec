/**
 * The log: append-only, one entry per work that wrote, under a Merkle tree (formats/merkle.ts) whose root the center signs
 * with each commit. Whoever alters the books, the log or both contradicts a signature; a receipt proves to a buyer, with
 * twenty hashes, that his sale is in it.
 *
 *     log        the entries, from 0
 *     logNodes   roots of complete subtrees of 2^8, 2^16, ... entries, so that a proof reads hundreds of rows, not all
 *     logHead    one row: how many, what an append needs of them, the newest checkpoint
 */
import { hex } from '../../formats/bytes.js'
import { Frontier, inclusionPath, leafHash, nodeHash } from '../../formats/merkle.js'
import { encodeReceipt } from '../../formats/records/checkpoint.js'
import type { Entry } from '../books/entry.js'
import { ahead, writing } from '../books/rows.js'
import type { Conclude } from '../books/group.js'
import type { AllTables, Books } from '../books/store.js'
import { rootRecords } from '../site.js'

/** Signs how long the log is and what its root is. @param roots - Every root record of the center, first to newest. */
export type SignCheckpoint = (roots: readonly Uint8Array[], size: number, root: Uint8Array) => Uint8Array

export const LEVEL_STEP = 8

/** What ends each group of works: see center/books/group.ts. */
export const logWith =
  (sign: SignCheckpoint): Conclude<AllTables> =>
  async books => {
    const newest = await ahead(books, [
      books.selectFrom('logHead').select(['size', 'frontier']),
      books.selectFrom('roots').select('record').orderBy('sequence')
    ])
    return {
      begun: newest.rows,
      async writeDown(entries) {
        if (entries.length === 0) return
        const [[head], roots] = await newest.rows
        const records = entries.some(({ hasRoots }) => hasRoots)
          ? await rootRecords(books)
          : roots.map(({ record }) => record)
        await appendToLog(books, entries, head, (size, root) => sign(records, size, root))
      }
    }
  }

/** Write down what each work did, and sign. Part of the transaction that did it. */
async function appendToLog(
  books: Books,
  written: readonly Entry[],
  head: Pick<AllTables['logHead'], 'size' | 'frontier'> | undefined,
  sign: (size: number, root: Uint8Array) => Uint8Array
): Promise<void> {
  const frontier = new Frontier(head?.size, head?.frontier)
  const nodes: { level: number; index: number; hash: Uint8Array }[] = []
  const entries = written.map(({ request, bytes: entry }) => {
    const index = frontier.size
    frontier.append(leafHash(entry), (level, at, hash) => {
      if (level > 0 && level % LEVEL_STEP === 0) nodes.push({ level, index: at, hash })
    })
    return { index, request, entry }
  })
  const { size } = frontier
  const row = { size, frontier: frontier.bytes(), checkpoint: sign(size, frontier.root()) }
  await ahead(books, [
    ...writing(books, 'log', entries),
    ...writing(books, 'logNodes', nodes),
    ...writing(books, 'logHead', [{ one: 1, ...row }], 'one')
  ])
}

/**
 * @param books - At one moment: a snapshot.
 * @returns A receipt (formats/records/checkpoint.ts) for the entry that answered this request; undefined when none did.
 */
export async function receiptFor(books: Books, requestId: Uint8Array): Promise<Uint8Array | undefined> {
  const found = await books
    .selectFrom('log')
    .select(['index', 'entry'])
    .where('request', '=', hex(requestId))
    .executeTakeFirst()
  if (found === undefined) return undefined
  const { size, checkpoint } = await books
    .selectFrom('logHead')
    .select(['size', 'checkpoint'])
    .executeTakeFirstOrThrow()
  const path = await inclusionPath(found.index, size, (level, index) => subtree(books, level, index))
  return encodeReceipt({ checkpoint, entry: found.entry, index: found.index, path })
}

/** The root of 2^level entries, from the nearest stored level below: at most 128 rows. */
async function subtree(books: Books, level: number, index: number): Promise<Uint8Array> {
  const stored = level - (level % LEVEL_STEP)
  const count = 2 ** (level - stored)
  let hashes = await storedHashes(books, stored, index * count, count)
  while (hashes.length > 1) {
    hashes = Array.from({ length: hashes.length / 2 }, (_, n) => nodeHash(hashes[2 * n]!, hashes[2 * n + 1]!))
  }
  return hashes[0]!
}

async function storedHashes(books: Books, level: number, from: number, count: number): Promise<Uint8Array[]> {
  const inRange = { from, to: from + count - 1 }
  const hashes =
    level === 0
      ? (
          await books
            .selectFrom('log')
            .select('entry')
            .where('index', '>=', inRange.from)
            .where('index', '<=', inRange.to)
            .orderBy('index')
            .execute()
        ).map(({ entry }) => leafHash(entry))
      : (
          await books
            .selectFrom('logNodes')
            .select('hash')
            .where('level', '=', level)
            .where('index', '>=', inRange.from)
            .where('index', '<=', inRange.to)
            .orderBy('index')
            .execute()
        ).map(({ hash }) => hash)
  if (hashes.length !== count) throw new Error('internal: the log has a gap')
  return hashes
}
