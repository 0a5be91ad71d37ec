/**
 * The journal: whatever a transaction writes into the books, taken down as it is written. No flow need remember to, and
 * none can forget: it hangs on the queries themselves, each of which gives back the rows that it left.
 */
import {
  DeleteResult,
  InsertResult,
  ReturningNode,
  SelectionNode,
  UpdateResult,
  type KyselyPlugin,
  type OperationNode,
  type PluginTransformQueryArgs,
  type PluginTransformResultArgs,
  type QueryResult,
  type RootOperationNode,
  type TableNode,
  type UnknownRow
} from 'kysely'
import { decode, encode, type Packable } from '../../formats/msgpack.js'
import { sha256 } from '../../formats/primitives.js'

/** A row as a query left it, or as it was when a query removed it. */
export interface Change {
  readonly table: string
  readonly row: Readonly<Record<string, Packable>>
  readonly gone: boolean
}

type Write = { readonly table: string; readonly kind: 'insert' | 'update' | 'delete' }

/** Hangs on the queries of one work. */
export class Journal implements KyselyPlugin {
  readonly changes: Change[] = []
  readonly #writes = new WeakMap<object, Write>()

  transformQuery({ node, queryId }: PluginTransformQueryArgs): RootOperationNode {
    const write = writeOf(node)
    if (write === undefined) return node
    if ('returning' in node && node.returning !== undefined) {
      throw new Error('internal: the journal needs whole rows; read them in a query of their own')
    }
    this.#writes.set(queryId, write)
    return {
      ...node,
      returning: ReturningNode.create([SelectionNode.createSelectAll()])
    } as RootOperationNode
  }

  async transformResult({ queryId, result }: PluginTransformResultArgs): Promise<QueryResult<UnknownRow>> {
    const write = this.#writes.get(queryId)
    if (write === undefined) return result
    for (const row of result.rows) {
      this.changes.push({ table: write.table, row: imageOf(row), gone: write.kind === 'delete' })
    }
    // As the query would have ended without us.
    const count = BigInt(result.rows.length)
    const outcome =
      write.kind === 'insert'
        ? new InsertResult(undefined, count)
        : write.kind === 'update'
          ? new UpdateResult(count, undefined)
          : new DeleteResult(count)
    return { ...result, numAffectedRows: count, rows: [outcome as unknown as UnknownRow] }
  }
}

function writeOf(node: RootOperationNode): Write | undefined {
  switch (node.kind) {
    case 'InsertQueryNode':
      return { table: tableOf(node.into), kind: 'insert' }
    case 'UpdateQueryNode':
      return { table: tableOf(node.table), kind: 'update' }
    case 'DeleteQueryNode':
      return { table: tableOf(node.from.froms[0]), kind: 'delete' }
    default:
      return undefined
  }
}

function tableOf(node: OperationNode | undefined): string {
  if (node?.kind === 'TableNode') return (node as TableNode).table.identifier.name
  throw new Error('internal: the journal sees writes to one named table at a time')
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
