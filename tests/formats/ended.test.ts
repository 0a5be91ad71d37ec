/** Copies that have ended: every id that went in is found, no other is, and nothing altered is believed. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { concat } from '../../formats/bytes.js'
import { deriveKeys } from '../../formats/keys.js'
import {
  checkPart,
  encodeEnded,
  endedRecordLength,
  isEnded,
  openEnded,
  PARTS,
  withEnded
} from '../../formats/records/ended.js'
import { encodeRoot, openRoots } from '../../formats/records/root.js'
import { Seeded } from '../helpers/seeded.js'
import { rejectsWith } from '../helpers/rejects.js'

const keys = deriveKeys('user', new Uint8Array(32).fill(7))
const root = encodeRoot(
  { created: 1, epoch: 1, keys: [keys.signKey], name: 'Shop', sequence: 0 },
  keys.signSeed
)
const center = openRoots([root])
const seeded = new Seeded('ended copies')
const bytes = (length: number) => seeded.bytes(length)

const partsOf = (ids: readonly Uint8Array[], without: readonly Uint8Array[] = []) =>
  Array.from({ length: PARTS }, (_, first) => {
    const of = (some: readonly Uint8Array[]) => some.filter(id => id[0] === first)
    return withEnded(withEnded(new Uint8Array(0), of(ids)), [], of(without))
  })
const signed = (parts: readonly Uint8Array[], sequence = 5) =>
  encodeEnded({ centerId: center.centerId, issued: 2, sequence, parts }, keys.signSeed)

test('every id is found and no other, whatever the order, the doubles and the neighbours', async () => {
  const ids = Array.from({ length: 3000 }, () => bytes(16))
  const edge = (fill: number, last: number) => {
    const id = new Uint8Array(16).fill(fill)
    id[7] = last
    return id
  }
  ids.push(edge(0, 0), edge(0, 2), edge(255, 255), edge(255, 253), ids[0]!)
  const parts = partsOf(ids)
  assert.is(
    parts.reduce((sum, { length }) => sum + length, 0),
    7 * (ids.length - 1),
    'a double counts once'
  )
  const { ended } = openEnded(signed(parts), [center])!
  const has = (id: Uint8Array) => isEnded(ended, parts[id[0]!]!, id)
  for (const id of ids) assert.ok(has(id))
  for (const id of [edge(0, 1), edge(0, 3), edge(255, 254), edge(255, 252)]) assert.not.ok(has(id))
  for (let n = 0; n < 3000; n++) assert.not.ok(has(bytes(16)))
})

test('withEnded() lets go of exactly those that it is told', () => {
  const ids = Array.from({ length: 200 }, () => bytes(16))
  const parts = partsOf(ids, ids.slice(0, 100))
  const { ended } = openEnded(signed(parts), [center])!
  assert.equal(
    ids.map(id => isEnded(ended, parts[id[0]!]!, id)),
    ids.map((_, n) => n >= 100)
  )
})

test('where each part is follows from the record, and a part is believed only as it was signed', async () => {
  const ids = Array.from({ length: 500 }, () => bytes(16))
  const parts = partsOf(ids)
  const record = signed(parts)
  const file = concat(record, ...parts)
  assert.is(endedRecordLength(file.subarray(0, 20)), record.length)
  const { ended } = openEnded(record, [center])!
  assert.equal([ended.recordBytes, ended.totalBytes, ended.sequence], [record.length, file.length, 5])
  for (let first = 0; first < PARTS; first++) {
    const { offsetBytes, lengthBytes } = ended.part(first)
    assert.equal(file.slice(offsetBytes, offsetBytes + lengthBytes), parts[first])
  }
  const [first] = ids
  const part = parts[first![0]!]!
  for (let at = 0; at < part.length; at++) {
    const altered = part.slice()
    altered[at]! ^= 1
    await rejectsWith('COFFER_RECORD_DAMAGED', () => isEnded(ended, altered, first!))
  }
  await rejectsWith('COFFER_RECORD_DAMAGED', () => checkPart(ended, first![0]!, part.subarray(7)))
  await rejectsWith('COFFER_RECORD_DAMAGED', () =>
    checkPart(ended, first![0]!, concat(part, new Uint8Array(7)))
  )
})

test('a record that is altered, cut, of another center or too large is refused', async () => {
  const record = signed(partsOf([bytes(16)]))
  for (let at = 8; at < record.length; at += 97) {
    const altered = record.slice()
    altered[at]! ^= 1
    let opened: unknown
    try {
      opened = openEnded(altered, [center])
    } catch {
      continue
    }
    assert.is(opened, undefined, `byte ${at}`)
  }
  await rejectsWith('COFFER_RECORD_DAMAGED', () => openEnded(record.subarray(0, -1), [center]))
  await rejectsWith('COFFER_RECORD_DAMAGED', () => endedRecordLength(record.subarray(0, 19)))
  await rejectsWith('COFFER_RECORD_DAMAGED', () => endedRecordLength(new Uint8Array(20).fill(255)))
  const stranger = deriveKeys('user', new Uint8Array(32).fill(8))
  const foreign = encodeEnded(
    { centerId: center.centerId, issued: 2, sequence: 9, parts: partsOf([]) },
    stranger.signSeed
  )
  assert.is(openEnded(foreign, [center]), undefined)
})

test.run()
