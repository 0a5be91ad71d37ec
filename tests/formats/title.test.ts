import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { concat, u32be, utf8 } from '../../formats/bytes.js'
import { MAX_RECORD_BYTES } from '../../formats/limits.js'
import { encodeManifest, type Manifest } from '../../formats/records/manifest.js'
import {
  encodeTitleHead,
  manifestLength,
  parseTitle,
  TITLE_HEAD_BYTES,
  titleFileName
} from '../../formats/title.js'
import { rejectsWith } from '../helpers/rejects.js'

const SEED = new Uint8Array(32).fill(1)
const manifest: Manifest = {
  centerId: new Uint8Array(32),
  engine: 'quickjs',
  engineRequired: false,
  id: 'org.example',
  indexDigest: new Uint8Array(32),
  limits: {},
  loaderLevel: 1,
  name: 'Example',
  payloadBytes: 100,
  permissions: [],
  pressed: 0,
  release: 7,
  scheme: 'certificate',
  version: '1'
}
const record = encodeManifest(manifest, utf8('a certificate'), SEED)
const head = encodeTitleHead(record)

test('a sealed title is named by its id and release', () => {
  assert.is(titleFileName(manifest), 'org.example-7.title')
})

test('manifestLength() takes the head of a title and nothing else', async () => {
  assert.is(manifestLength(head.subarray(0, TITLE_HEAD_BYTES)), record.length)
  for (let length = 0; length < TITLE_HEAD_BYTES; length++)
    await rejectsWith('COFFER_RECORD_DAMAGED', () => manifestLength(head.subarray(0, length)))
  const patched = (at: number, ...bytes: number[]) => {
    const copy = head.slice(0, TITLE_HEAD_BYTES)
    copy.set(bytes, at)
    return copy
  }
  for (let at = 0; at < 4; at++)
    await rejectsWith('COFFER_RECORD_DAMAGED', () => manifestLength(patched(at, 0)))
  // A record is not a title, though its magic begins alike.
  await rejectsWith('COFFER_RECORD_DAMAGED', () => manifestLength(record))
  for (let at = 4; at < 8; at++)
    await rejectsWith('COFFER_VERSION_UNSUPPORTED', () => manifestLength(patched(at, 9)))
  assert.is(manifestLength(patched(8, ...u32be(MAX_RECORD_BYTES))), MAX_RECORD_BYTES)
  for (const length of [0, MAX_RECORD_BYTES + 1, 0xffffffff])
    await rejectsWith('COFFER_RECORD_DAMAGED', () => manifestLength(patched(8, ...u32be(length))))
})

test('parseTitle() holds the size of the file against the manifest', async () => {
  const whole = head.length + manifest.payloadBytes
  assert.is(parseTitle(record, whole).payloadOffset, head.length)
  for (const size of [0, head.length, whole - 1, whole + 1])
    await rejectsWith('COFFER_PAYLOAD_TRUNCATED', () => parseTitle(record, size))
  await rejectsWith('COFFER_RECORD_DAMAGED', () => parseTitle(concat(record, new Uint8Array(1)), whole + 1))
})

test.run()
