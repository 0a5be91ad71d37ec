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
import { imageOf, type Change } from './entry.js'

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
