/** The audit: receipts that prove a sale, and every cell of the books that could be altered, altered. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { partOf } from '../../center/audit/audit.js'
import { openStore } from '../../center/books/store.js'
import { decodeEntry } from '../../center/books/entry.js'
import { hex, utf8 } from '../../formats/bytes.js'
import { decode, encode, type Packable } from '../../formats/msgpack.js'
import { sha256 } from '../../formats/primitives.js'
import { openReceipt } from '../../formats/records/checkpoint.js'
import { isUrl } from '../../center/books/store.js'
import { tamper } from '../helpers/databases.js'
import { rejectsWith } from '../helpers/rejects.js'
import {
  named,
  newCenter,
  pressed,
  registrationBytes,
  publisherKeys,
  requestBytes,
  signedAct,
  TITLE,
  userKeys,
  type TestCenter
} from './parties.js'

/** Entries of the log that cost little to make. */
const fill = ({ center }: TestCenter, count: number) =>
  Promise.all(
    Array.from({ length: count }, (_, n) =>
      center.desk.addUser({ signKey: named(`sign ${n}`), sealKey: named(`seal ${n}`) }, null)
    )
  )

/** A center with something in every table. */
async function busyShop() {
  const shop = await newCenter()
  const { desk } = shop.center
  await pressed(shop)
  await pressed(shop, { titleId: 'org.example.converted', scheme: 'conversion' })
  await desk.setTerms(TITLE, { priceMinor: 900 })
  const ann = await desk.addUser(userKeys(), 'Ann')
  await desk.give('org.example.converted', ann, { priceMinor: 5, copies: 2 })
  const orders = ['stick', 'card', 'disk'].map(medium => requestBytes(shop.pinned.centerId, { medium }))
  for (const order of orders) await shop.center.issue(order)
  await desk.revoke('medium', 'ab'.repeat(32))
  await desk.revoke('grant', 'cd'.repeat(16))
  await desk.foldRevocations()
  await shop.center.sessions.open('link')
  await shop.center.admins.add(publisherKeys('admin'), 'Admin')
  const { valueOf, body } = signedAct(shop.center.centerId, 'titles', {})
  await shop.center.act('titles', { valueOf, body: utf8(body) })
  return { ...shop, orders }
}

test('verifyLedger() gives others a turn of the event loop before each page of rows', async () => {
  const shop = await newCenter()
  await fill(shop, 1200)
  let turns = 0
  let isDone = false
  const count = () => {
    turns++
    if (!isDone) setImmediate(count)
  }
  count()
  assert.equal(await shop.center.desk.verifyLedger(), { orders: 0, copies: 0, postings: 0, problems: [] })
  isDone = true
  // The log twice and the users once, three pages each.
  assert.ok(turns > 9, `${turns} turns`)
  await shop.center.close()
})

test('partOf() uses every part, also of more than 256, and no part for many rows', () => {
  const parts = 1000
  const rows = new Array<number>(parts).fill(0)
  for (let n = 0; n < 20 * parts; n++) rows[partOf(`grants ${n}`, parts)]!++
  assert.ok(Math.min(...rows) > 0)
  assert.ok(Math.max(...rows) < 60)
})

test('verifyLedger() finds every single cell that is altered, in every table, and every row removed or made up', async () => {
  const shop = await busyShop()
  const verify = async () => (await shop.center.desk.verifyLedger()).problems
  assert.equal(await verify(), [])
  const store = await openStore(shop.place)
  const tables = (await store.books.introspection.getTables())
    .map(({ name, columns }) => ({ name, columns: columns.map(column => column.name) }))
    .filter(({ name }) => !name.startsWith('kysely'))
  assert.ok(tables.length >= 14, `${tables.length} tables`)
  const postgres = isUrl(shop.place)
  let cells = 0
  // The only table that begins with the 256th entry; a log that short is audited faster.
  tables.sort((a, b) => Number(a.name === 'logNodes') - Number(b.name === 'logNodes'))
  for (const { name, columns } of tables) {
    if (name === 'logNodes') await fill(shop, 256)
    const rows = (await store.snapshot(books =>
      books
        .selectFrom(name as 'log')
        .selectAll()
        .execute()
    )) as unknown as Record<string, unknown>[]
    assert.ok(rows.length > 0, `${name} has a row`)
    // One row of each table, whole: what is altered is put back.
    const row = rows.at(-1)!
    const literal = (value: unknown): string =>
      value === null
        ? 'null'
        : value instanceof Uint8Array
          ? postgres
            ? `'\\x${hex(value)}'::bytea`
            : `x'${hex(value)}'`
          : typeof value === 'number'
            ? String(value)
            : `'${String(value).replaceAll("'", "''")}'`
    const where = (of: Record<string, unknown>) =>
      columns
        .map(column => (of[column] === null ? `"${column}" is null` : `"${column}" = ${literal(of[column])}`))
        .join(' and ')
    const sql = (text: string) =>
      tamper(
        shop.place,
        postgres
          ? `set session_replication_role = replica; ${text}`
          : `pragma foreign_keys = off; pragma ignore_check_constraints = on; ${text}`
      )
    for (const column of columns) {
      const value = row[column]
      const altered =
        value === null
          ? '7'
          : value instanceof Uint8Array
            ? value.map((byte, n) => (n === value.length - 1 ? byte ^ 1 : byte))
            : typeof value === 'number'
              ? value === 1
                ? 0
                : value + 1
              : `${value as string}0`
      const after = { ...row, [column]: altered }
      try {
        await sql(`update "${name}" set "${column}" = ${literal(altered)} where ${where(row)}`)
      } catch (error) {
        // A constraint of the database itself: it cannot be altered so.
        assert.match(String((error as Error).message), /constraint|CHECK/i, `${name}.${column}`)
        continue
      }
      cells++
      assert.ok((await verify()).length > 0, `${name}.${column} was altered, and nobody noticed`)
      await sql(`update "${name}" set "${column}" = ${literal(value)} where ${where(after)}`)
    }
    await sql(`delete from "${name}" where ${where(row)}`)
    assert.ok((await verify().catch(error => [String(error)])).length > 0, `a row of ${name} was removed`)
    await sql(
      `insert into "${name}" (${columns.map(column => `"${column}"`).join(', ')}) values (${columns.map(column => literal(row[column])).join(', ')})`
    )
    assert.equal(await verify(), [], `${name} is as it was`)
  }
  assert.ok(cells > 80, `${cells} cells were altered`)
  await store.close()
  await shop.center.close()
})

test('receipt() proves the sale that it is for, in the words of the books', async () => {
  const shop = await busyShop()
  for (const order of shop.orders) {
    const opened = openReceipt(await shop.center.receipt(order), [shop.pinned])!
    assert.equal(opened.checkpoint.centerId, shop.pinned.centerId)
    const changes = decodeEntry(opened.receipt.entry)
    const row = (table: string) => changes.find(change => change.table === table)!.row
    assert.equal(row('requests')['record'], sha256(order))
    assert.is(row('grants')['titleId'], TITLE)
    assert.equal(
      changes.filter(({ table }) => table === 'ledger').map(change => change.row['amountMinor']),
      [900, -900]
    )
  }
  const registration = registrationBytes(shop.pinned.centerId, { release: 2 })
  await shop.center.register(registration)
  assert.ok(openReceipt(await shop.center.receipt(registration), [shop.pinned]))
  await rejectsWith('COFFER_REQUEST_REFUSED', () =>
    shop.center.receipt(requestBytes(shop.pinned.centerId, { medium: 'never ordered' }))
  )
  await shop.center.close()
})

test('openReceipt() refuses one that was altered anywhere, and does not know another center', async () => {
  const shop = await busyShop()
  const packed = await shop.center.receipt(shop.orders[0]!)
  const receipt = decode(packed) as Record<string, Packable>
  const other = await newCenter()
  await rejectsWith('COFFER_RECORD_FORGED', () =>
    openReceipt(encode({ ...receipt, index: (receipt['index'] as number) + 1 }), [shop.pinned])
  )
  const entry = (receipt['entry'] as Uint8Array).slice()
  entry[9]! ^= 1
  await rejectsWith('COFFER_RECORD_FORGED', () => openReceipt(encode({ ...receipt, entry }), [shop.pinned]))
  const path = (receipt['path'] as Uint8Array[]).map(hash => hash.slice())
  path[0]![0]! ^= 1
  await rejectsWith('COFFER_RECORD_FORGED', () => openReceipt(encode({ ...receipt, path }), [shop.pinned]))
  await rejectsWith('COFFER_RECORD_DAMAGED', () =>
    openReceipt(new Uint8Array(2 * 1024 * 1024), [shop.pinned])
  )
  // The test centers share their keys; what tells them apart is who they are.
  const stranger = {
    ...other.pinned,
    centerId: sha256(other.pinned.centerId),
    keys: [sha256(new Uint8Array(1))]
  }
  assert.is(openReceipt(packed, [stranger]), undefined)
  await shop.center.close()
  await other.center.close()
})

test('a log of many hundred entries proves its first, middle and last', async () => {
  const shop = await newCenter()
  await pressed(shop)
  const orders: Uint8Array[] = []
  for (const before of [0, 251, 0, 0, 0, 254, 0, 120]) {
    await fill(shop, before)
    orders.push(requestBytes(shop.pinned.centerId, { medium: `stick ${orders.length}` }))
    await shop.center.issue(orders.at(-1)!)
  }
  for (const order of orders) assert.ok(openReceipt(await shop.center.receipt(order), [shop.pinned]))
  await shop.center.close()
})

test.run()
