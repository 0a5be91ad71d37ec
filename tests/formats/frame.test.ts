/** The signed frame: every length, mark and signature that is not as it should be is refused before anything is read. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { concat, u32be, utf8 } from '../../formats/bytes.js'
import {
  isRecord,
  NO_ATTACHMENTS,
  parseFrame,
  RECORD_TYPES,
  recordTypeOf,
  signFrame,
  verifyFrame,
  verifySelfSigned,
  type RecordType
} from '../../formats/frame.js'
import { ed25519PublicKey } from '../../formats/primitives.js'
import { rejectsWith } from '../helpers/rejects.js'

const SEED = new Uint8Array(32).fill(1)
const OTHER = new Uint8Array(32).fill(2)
const BODY = utf8('twelve bytes')
const MAX = 1000
const HEADER = 20
const SIGNATURE = 96

const frame = (...seeds: Uint8Array[]) =>
  signFrame('grant', BODY, NO_ATTACHMENTS, ...(seeds.length ? seeds : [SEED]))
const by = (seed: Uint8Array) => (key: Uint8Array) => Buffer.compare(key, ed25519PublicKey(seed)) === 0

/** The frame with some of its bytes replaced. */
function patched(at: number, bytes: ArrayLike<number>, whole = frame()): Uint8Array {
  const copy = whole.slice()
  copy.set(bytes, at)
  return copy
}

test('parseFrame() gives back what signFrame() was given, as views of its bytes', () => {
  for (const type of Object.keys(RECORD_TYPES) as RecordType[]) {
    for (const body of [new Uint8Array(0), BODY]) {
      const bytes = signFrame(type, body, NO_ATTACHMENTS, SEED, OTHER)
      assert.is(bytes.length, HEADER + body.length + 1 + 2 * SIGNATURE)
      const parsed = parseFrame(type, bytes, bytes.length)
      assert.equal([parsed.body.slice(), parsed.attachments.slice()], [body, NO_ATTACHMENTS])
      assert.is(parsed.body.buffer, bytes.buffer)
      assert.equal(
        parsed.signatures.map(({ publicKey }) => publicKey.slice()),
        [ed25519PublicKey(SEED), ed25519PublicKey(OTHER)]
      )
      assert.equal(verifyFrame(parsed, by(OTHER))!.signer.slice(), ed25519PublicKey(OTHER))
    }
  }
})

test('recordTypeOf() tells what a record says that it is, of what begins as one', () => {
  for (const type of Object.keys(RECORD_TYPES) as RecordType[])
    assert.is(recordTypeOf(signFrame(type, BODY, NO_ATTACHMENTS, SEED)), type)
  for (const type of [0, 99, 255]) {
    assert.is(recordTypeOf(patched(5, [type])), undefined)
    assert.ok(isRecord(patched(5, [type])))
  }
  for (const bytes of [patched(3, [0]), frame().subarray(0, 3), new Uint8Array(0)]) {
    assert.is(recordTypeOf(bytes), undefined)
    assert.not(isRecord(bytes))
  }
  assert.is(recordTypeOf(frame().subarray(0, 5)), undefined)
})

test('parseFrame() refuses every length but its own, and one byte above its bound', async () => {
  const whole = frame()
  parseFrame('grant', whole, whole.length)
  await rejectsWith('COFFER_RECORD_DAMAGED', () => parseFrame('grant', whole, whole.length - 1))
  for (let length = 0; length < whole.length; length++)
    await rejectsWith('COFFER_RECORD_DAMAGED', () => parseFrame('grant', whole.subarray(0, length), MAX))
  for (const more of [1, SIGNATURE])
    await rejectsWith('COFFER_RECORD_DAMAGED', () =>
      parseFrame('grant', concat(whole, new Uint8Array(more)), MAX)
    )
})

test('parseFrame() refuses another magic, version, suite or type', async () => {
  for (let at = 0; at < 4; at++)
    await rejectsWith('COFFER_RECORD_DAMAGED', () => parseFrame('grant', patched(at, [0]), MAX))
  for (const [at, value] of [
    [4, 0],
    [4, 2],
    [6, 1],
    [7, 0],
    [7, 2]
  ] as const)
    await rejectsWith('COFFER_VERSION_UNSUPPORTED', () => parseFrame('grant', patched(at, [value]), MAX))
  for (const type of [0, RECORD_TYPES.answer, 99, 255]) {
    const error = await rejectsWith('COFFER_RECORD_DAMAGED', () =>
      parseFrame('grant', patched(5, [type]), MAX)
    )
    assert.is(error.found, `it is an ${type === RECORD_TYPES.answer ? 'answer' : 'unknown'} record`)
    assert.match(error.hint!, 'the file you meant')
  }
  await rejectsWith('COFFER_RECORD_DAMAGED', () => parseFrame('answer', frame(), MAX))
})

test('parseFrame() refuses lengths that do not add up, overflow included', async () => {
  const lengths: readonly (readonly [number, number, number])[] = [
    [BODY.length - 1, 1, 1],
    [BODY.length + 1, 1, 1],
    [BODY.length, 2, 1],
    [0xffffffff, 0xffffffff, 1],
    // Sums that come out right modulo 2^32.
    [0xffffffff, BODY.length + 2, 1],
    [BODY.length + 2, 0xffffffff, 1],
    [0x80000000, 0x80000000 + BODY.length + 1, 1],
    [BODY.length, 1, 0],
    [BODY.length, 1, 2],
    [BODY.length, 1, 5],
    [BODY.length, 1, 0xffffffff],
    [BODY.length, 1, 0x80000001]
  ]
  for (const [body, attachments, signatures] of lengths) {
    const header = concat(u32be(body), u32be(attachments), u32be(signatures))
    await rejectsWith('COFFER_RECORD_DAMAGED', () => parseFrame('grant', patched(8, header), MAX))
  }
})

test('a frame has one to four signatures', async () => {
  const four = frame(SEED, OTHER, new Uint8Array(32).fill(3), new Uint8Array(32).fill(4))
  assert.is(parseFrame('grant', four, MAX).signatures.length, 4)
  const five = signFrame(
    'grant',
    BODY,
    NO_ATTACHMENTS,
    ...Array.from({ length: 5 }, (_, i) => new Uint8Array(32).fill(i))
  )
  await rejectsWith('COFFER_RECORD_DAMAGED', () => parseFrame('grant', five, MAX))
  await rejectsWith('COFFER_RECORD_DAMAGED', () =>
    parseFrame('grant', signFrame('grant', BODY, NO_ATTACHMENTS), MAX)
  )
})

test("verifyFrame() says undefined for strangers, and refuses a trusted name on another's signature", async () => {
  assert.is(verifyFrame(parseFrame('grant', frame(OTHER), MAX), by(SEED)), undefined)
  const whole = frame(OTHER)
  const named = patched(whole.length - SIGNATURE, ed25519PublicKey(SEED), whole)
  await rejectsWith('COFFER_RECORD_FORGED', () => verifyFrame(parseFrame('grant', named, MAX), by(SEED)))
  await rejectsWith('COFFER_RECORD_FORGED', () => verifySelfSigned(parseFrame('grant', named, MAX)))
})

test('verifyFrame() notices any byte changed that it was signed over, and any of its signature', async () => {
  const whole = frame()
  for (let at = HEADER; at < whole.length; at++) {
    // The key's own bytes: then no signature claims to be by the trusted one.
    const isKey = at >= whole.length - SIGNATURE && at < whole.length - 64
    const parsed = parseFrame('grant', patched(at, [whole[at]! ^ 1]), MAX)
    if (isKey) assert.is(verifyFrame(parsed, by(SEED)), undefined)
    else await rejectsWith('COFFER_RECORD_FORGED', () => verifyFrame(parsed, by(SEED)))
  }
})

test('bytes do not move between body and attachments, nor from one record type to another', async () => {
  const whole = signFrame('grant', BODY, utf8('more'), SEED)
  const moved = patched(8, concat(u32be(BODY.length + 1), u32be(3)), whole)
  await rejectsWith('COFFER_RECORD_FORGED', () => verifyFrame(parseFrame('grant', moved, MAX), by(SEED)))
  const renamed = patched(5, [RECORD_TYPES.answer], whole)
  await rejectsWith('COFFER_RECORD_FORGED', () => verifyFrame(parseFrame('answer', renamed, MAX), by(SEED)))
  // A signature more or less is another record, too.
  const two = signFrame('grant', BODY, utf8('more'), SEED, OTHER)
  const one = patched(16, u32be(1), two).subarray(0, two.length - SIGNATURE)
  await rejectsWith('COFFER_RECORD_FORGED', () => verifyFrame(parseFrame('grant', one, MAX), by(SEED)))
})

test.run()
