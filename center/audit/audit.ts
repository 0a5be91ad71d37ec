/**
 * The audit: the log against the signature over it, and every cell of the books against the log. Whatever was changed,
 * removed or made up behind the center's back shows, by whoever has not the center's signing key; a whole database that
 * was put back to an earlier day does not, except by a receipt or checkpoint that is newer.
 */
import { setImmediate } from 'node:timers/promises'
import { equalBytes, hex, utf8 } from '../../formats/bytes.js'
import { Frontier, leafHash } from '../../formats/merkle.js'
import { encode, type Packable } from '../../formats/msgpack.js'
import { sha256 } from '../../formats/primitives.js'
import { openCheckpoint } from '../../formats/records/checkpoint.js'
import type { Center } from '../../formats/records/root.js'
import { decodeEntry, imageOf, requestOf, type Change } from '../books/entry.js'
import { LEVEL_STEP } from './log.js'
import { miscounted } from '../orders/counts.js'
import type { Books, Tables } from '../books/store.js'
import { KEYS, rowsOf } from '../books/tables.js'

type Image = Readonly<Record<string, Packable>>

const PAGE = 500
/** Rows that are compared at a time, some 250 bytes each: the log is read once more for each so many. */
const ROWS_IN_MEMORY = 500_000

/**
 * @param books - At one moment: a snapshot.
 * @returns One sentence for each contradiction.
 */
export async function auditLog(books: Books, center: Center): Promise<string[]> {
  const { size, problems } = await auditTree(books, center)
  const parts = Math.max(1, Math.ceil((4 * size) / ROWS_IN_MEMORY))
  for (let part = 0; part < parts; part++) problems.push(...(await auditRows(books, { part, parts })))
  return [...problems, ...(await miscounted(books))]
}

/** The log against its checkpoint. */
async function auditTree(books: Books, center: Center): Promise<{ size: number; problems: string[] }> {
  const problems: string[] = []
  const frontier = new Frontier()
  const nodes = new Map<string, Uint8Array>()
  for await (const { index, request, entry } of logEntries(books)) {
    if (index !== frontier.size) problems.push(`The log has entry ${index} in the place of ${frontier.size}.`)
    if (request !== requestOf(changesIn(entry) ?? [])) {
      problems.push(`Entry ${index} of the log is filed under another request than it answers.`)
    }
    frontier.append(leafHash(entry), (level, at, hash) => {
      if (level > 0 && level % LEVEL_STEP === 0) nodes.set(`${level} ${at}`, hash)
    })
  }
  for (const { level, index, hash } of await books.selectFrom('logNodes').selectAll().execute()) {
    const name = `${level} ${index}`
    const computed = nodes.get(name)
    if (computed === undefined || !equalBytes(computed, hash))
      problems.push(`Node ${name} of the log is not its entries'.`)
    nodes.delete(name)
  }
  for (const name of nodes.keys()) problems.push(`Node ${name} of the log is missing.`)

  const heads = await books.selectFrom('logHead').selectAll().execute()
  const [head] = heads
  if (head === undefined || heads.length !== 1)
    return { size: frontier.size, problems: [...problems, 'The log has no head.'] }
  const signed = openedCheckpoint(head.checkpoint, center)
  if (signed === undefined) problems.push("The log's checkpoint is not one that this center signed.")
  else if (signed.size !== frontier.size || !equalBytes(signed.root, frontier.root())) {
    problems.push('The log is not the one that its checkpoint was signed for.')
  }
  if (head.one !== 1 || head.size !== frontier.size || !equalBytes(head.frontier, frontier.bytes())) {
    problems.push("The log's head does not fit the log.")
  }
  return { size: frontier.size, problems }
}

function openedCheckpoint(record: Uint8Array, center: Center) {
  try {
    return openCheckpoint(record, [center])?.checkpoint
  } catch {
    return undefined
  }
}

function changesIn(entry: Uint8Array): Change[] | undefined {
  try {
    return decodeEntry(entry)
  } catch {
    return undefined // its hash says that it was changed
  }
}

/** The rows whose keys fall into one part, as the log left them, against those that are there. */
async function auditRows(books: Books, { part, parts }: { part: number; parts: number }): Promise<string[]> {
  const problems: string[] = []
  /** Hash of each row, by its name. */
  const logged = new Map<string, string>()
  const isInPart = (name: string) => parts === 1 || partOf(name, parts) === part
  for await (const { request, entry } of logEntries(books)) {
    for (const { table, row, gone } of changesIn(entry) ?? []) {
      const name = nameOf(table, row)
      if (!isInPart(name)) continue
      if (table === 'grants' && request === null && !logged.has(name)) {
        problems.push(`${name} belongs to no answered request.`)
      }
      if (gone) logged.delete(name)
      else logged.set(name, hashOf(row))
    }
  }
  const altered = new Map<string, Image>()
  for (const table of Object.keys(KEYS) as (keyof Tables)[]) {
    for await (const row of rowsOf(books, table)) {
      const image = imageOf(row)
      const name = nameOf(table, image)
      if (!isInPart(name)) continue
      const expected = logged.get(name)
      logged.delete(name)
      if (expected === undefined) problems.push(`${name} is in no entry of the log.`)
      else if (expected !== hashOf(image)) altered.set(name, image)
    }
  }
  for (const name of logged.keys()) problems.push(`${name} was removed.`)
  problems.push(...(await alteredCells(books, altered)))
  return problems
}

/** Which of so many parts a row is compared in: each gets as many, up to a number of parts that no log comes to. */
export function partOf(name: string, parts: number): number {
  const { buffer, byteOffset } = sha256(utf8(name))
  return new DataView(buffer, byteOffset).getUint32(0) % parts
}

/** A column that came with a later version is null in the rows that were there: null or absent is the same. */
function hashOf(image: Image): string {
  const cells = Object.entries(image).filter(([, value]) => value !== null)
  return hex(sha256(encode(Object.fromEntries(cells))).subarray(0, 16))
}

/** What exactly was altered: the log is read once more, which is seldom needed. */
async function alteredCells(books: Books, altered: ReadonlyMap<string, Image>): Promise<string[]> {
  if (altered.size === 0) return []
  const expected = new Map<string, Image>()
  for await (const { entry } of logEntries(books)) {
    for (const { table, row } of changesIn(entry) ?? []) {
      const name = nameOf(table, row)
      if (altered.has(name)) expected.set(name, row)
    }
  }
  return [...altered].flatMap(([name, found]) => {
    const before = expected.get(name)!
    const columns = new Set([...Object.keys(before), ...Object.keys(found)])
    return [...columns]
      .filter(column => !isSame(before[column] ?? null, found[column] ?? null))
      .map(column => `${name}: ${column} was altered.`)
  })
}

/** A table and the key of one of its rows, as a person reads them. */
function nameOf(table: string, row: Image): string {
  const key = KEYS[table as keyof Tables] ?? Object.keys(row)
  return `${table} ${key.map(column => textOf(row[column])).join(' ')}`
}

const textOf = (value: Packable | undefined): string =>
  value instanceof Uint8Array ? hex(value) : String(value)

const isSame = (a: Packable, b: Packable): boolean =>
  a instanceof Uint8Array && b instanceof Uint8Array ? equalBytes(a, b) : a === b

async function* logEntries(books: Books) {
  for (let after = -1; ;) {
    await setImmediate()
    const page = await books
      .selectFrom('log')
      .selectAll()
      .where('index', '>', after)
      .orderBy('index')
      .limit(PAGE)
      .execute()
    yield* page
    if (page.length < PAGE) return
    after = page.at(-1)!.index
  }
}
