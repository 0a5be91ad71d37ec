import { createCipheriv, createDecipheriv, createHash, createHmac } from 'node:crypto'
import { inflateSync } from 'node:zlib'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { concat, fromHex, hex } from '../../formats/bytes.js'
import {
  CHUNK_BYTES,
  HEADER_BYTES,
  openPayload,
  PayloadOpener,
  PayloadSealer,
  plaintextSize,
  readRange,
  SEALED_CHUNK_BYTES,
  sealedSize,
  sealPayload,
  TAG_BYTES
} from '../../formats/cobblestone.js'
import { StreamOpener, StreamSealer } from '../../formats/cobblestone-streams.js'
import { CofferError } from '../../formats/errors.js'
import { misuse } from '../helpers/misuse.js'
import { rejectsWith } from '../helpers/rejects.js'
import { Seeded } from '../helpers/seeded.js'
import { outsideTest, type Wycheproof } from '../vectors/outside.js'

const random = new Seeded('cobblestone')
const KEY = random.bytes(32)
const SALT = random.bytes(24)
const CONTEXT = random.bytes(11)
const SIZES = [0, 1, 16383, 16384, 16385, 2 * 16384, 3 * 16384 - 1, 3 * 16384, 3 * 16384 + 5]

const sample = (length: number): Uint8Array => {
  const block = random.bytes(Math.min(length, 997))
  return Uint8Array.from({ length }, (_, i) => block[i % 997]! ^ (i >> 9))
}
const seal = (plaintext: Uint8Array): Uint8Array => sealPayload(KEY, CONTEXT, SALT, plaintext)
const open = (sealed: Uint8Array): Uint8Array => openPayload(KEY, CONTEXT, sealed)

/** Pieces of the given length; the last may be shorter. */
function* piecesOf(bytes: Uint8Array, length: number): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += length) yield bytes.subarray(at, at + length)
}

function openByStream(sealed: Uint8Array, pieceBytes: number): Uint8Array {
  const opener = new StreamOpener(KEY, CONTEXT, sealed.subarray(0, HEADER_BYTES))
  const parts: Uint8Array[] = []
  for (const piece of piecesOf(sealed.subarray(HEADER_BYTES), pieceBytes))
    parts.push(opener.push(piece).slice())
  parts.push(opener.end().slice())
  return concat(...parts)
}

function sealByStream(plaintext: Uint8Array, pieceBytes: number): Uint8Array {
  const sealer = new StreamSealer(KEY, CONTEXT, SALT)
  const parts = [sealer.header]
  for (const piece of piecesOf(plaintext, pieceBytes)) parts.push(sealer.push(piece).slice())
  parts.push(sealer.end().slice())
  return concat(...parts)
}

// ---------------------------------------------------------------- against others

/** The specification once more, sharing no code with ours: key (32), base nonce (12), commitment (32). */
function deriveBySpecification(key: Uint8Array, context: Uint8Array, salt: Uint8Array): Buffer {
  const info = Buffer.concat([
    Buffer.from('c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0'),
    salt,
    context
  ])
  const first = createHmac('sha512', key).update(info).update('\x01').digest()
  return Buffer.concat([first, createHmac('sha512', key).update(first).update(info).update('\x02').digest()])
}

function nonceBySpecification(derived: Buffer, index: bigint): Buffer {
  const nonce = Buffer.from(derived.subarray(32, 44))
  nonce.writeBigUInt64BE(nonce.readBigUInt64BE(4) ^ index, 4)
  return nonce
}

function openBySpecification(sealed: Uint8Array): Buffer {
  const derived = deriveBySpecification(KEY, CONTEXT, sealed.subarray(0, 24))
  assert.is(derived.toString('hex', 44, 76), hex(sealed.subarray(24, 56)), 'commitment')
  const opened: Buffer[] = []
  for (let at = 56, index = 0n; at < sealed.length; at += 16400, index++) {
    const chunk = sealed.subarray(at, at + 16400)
    const nonce = nonceBySpecification(derived, index)
    const decipher = createDecipheriv('aes-256-gcm', derived.subarray(0, 32), nonce, { authTagLength: 16 })
    decipher.setAuthTag(chunk.subarray(-16))
    opened.push(decipher.update(chunk.subarray(0, -16)), decipher.final())
  }
  return Buffer.concat(opened)
}

test('sealPayload() seals as the specification says, past 256 chunks too', () => {
  for (const size of [...SIZES, 258 * CHUNK_BYTES + 1]) {
    const plaintext = sample(size)
    assert.is(Buffer.compare(openBySpecification(seal(plaintext)), plaintext), 0, `${size}`)
  }
})

test('openChunk() counts chunks in 38 bits', () => {
  const derived = deriveBySpecification(KEY, CONTEXT, SALT)
  const opener = new PayloadOpener(KEY, CONTEXT, concat(SALT, derived.subarray(44, 76)))
  const out = new Uint8Array(3)
  for (const index of [0, 255, 256, 65536, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 32 + 5, 2 ** 38 - 1]) {
    const nonce = nonceBySpecification(derived, BigInt(index))
    const cipher = createCipheriv('aes-256-gcm', derived.subarray(0, 32), nonce, { authTagLength: 16 })
    const sealed = concat(cipher.update(Uint8Array.of(1, 2, 3)), cipher.final(), cipher.getAuthTag())
    assert.is(opener.openChunk(index, sealed, out.fill(0), 0), 3)
    assert.equal(out, Uint8Array.of(1, 2, 3), `${index}`)
  }
  for (const index of [2 ** 38, 2 ** 40, -1, 0.5, Number.NaN]) {
    misuse(RangeError, () => opener.openChunk(index, new Uint8Array(TAG_BYTES), out, 0))
  }
})

type Case = { key: string; ctx: string; ct: string; comment: string; msgLength?: number; msgSha512?: string }
outsideTest<Wycheproof<{ aead: string; sha: string }, Case>>(
  'cobblestone',
  'wycheproof/c2sp_chunked_encryption_aes_256_gcm_test.json',
  async ({ testGroups }) => {
    const sha512 = (bytes: Uint8Array) => createHash('sha512').update(bytes).digest('hex')
    let opened = 0
    for (const { aead, sha, tests } of testGroups) {
      assert.equal([aead, sha], ['AEAD_AES_256_GCM', 'SHA-512'])
      for (const { tcId, key, ctx, ct, msgSha512, result } of tests) {
        const sealed = new Uint8Array(inflateSync(fromHex(ct)))
        const attempt = () => openPayload(fromHex(key), fromHex(ctx), sealed)
        if (result === 'valid') {
          const plaintext = attempt()
          assert.is(sha512(plaintext), msgSha512, `case ${tcId}`)
          const again = sealPayload(fromHex(key), fromHex(ctx), sealed.subarray(0, 24), plaintext)
          assert.is(Buffer.compare(again, sealed), 0, `case ${tcId}`)
          opened++
        } else if (key.length !== 64) {
          misuse(RangeError, attempt)
        } else {
          try {
            attempt()
            assert.unreachable(`case ${tcId}`)
          } catch (error) {
            const code = error instanceof CofferError ? error.code : String(error)
            assert.match(code, /^COFFER_PAYLOAD_(?:FORGED|TRUNCATED)$/, `case ${tcId}`)
          }
        }
      }
    }
    assert.ok(opened >= 10)
  }
)

// ---------------------------------------------------------------- sizes

test('sealedSize() and plaintextSize() are inverse, and only the lengths of payloads pass', async () => {
  const lengths = new Set<number>()
  for (let size = 0; size <= 2 * CHUNK_BYTES + 40; size++) {
    assert.is(plaintextSize(sealedSize(size)), size)
    lengths.add(sealedSize(size))
  }
  for (let length = 0; length <= sealedSize(2 * CHUNK_BYTES + 40); length++) {
    if (!lengths.has(length)) await rejectsWith('COFFER_PAYLOAD_TRUNCATED', () => plaintextSize(length))
  }
  for (const wrong of [-1, 0.5, Number.NaN, 2 ** 53]) {
    misuse(RangeError, () => sealedSize(wrong))
    await rejectsWith('COFFER_PAYLOAD_TRUNCATED', () => plaintextSize(wrong))
  }
  const largest = 2 ** 38 * CHUNK_BYTES - 1
  assert.is(plaintextSize(sealedSize(largest)), largest)
  misuse(RangeError, () => sealedSize(largest + 1))
})

// ---------------------------------------------------------------- whole, streamed, in parts

test('openPayload() gives back what sealPayload() took', () => {
  for (const size of SIZES) {
    const plaintext = sample(size)
    const sealed = seal(plaintext)
    assert.is(sealed.length, sealedSize(size))
    const opened = open(sealed)
    assert.is(Buffer.compare(opened, plaintext), 0, `${size}`)
    assert.is(opened.constructor, Uint8Array)
    assert.is(opened.buffer.byteLength, size)
  }
})

test('streams of pieces of any length equal the whole', () => {
  for (const size of SIZES) {
    const plaintext = sample(size)
    const sealed = seal(plaintext)
    for (const piece of [1, 13, 16383, 16384, 16385, 16400, 20000, 2 * 16400, 262144]) {
      assert.is(Buffer.compare(sealByStream(plaintext, piece), sealed), 0, `seal ${size} by ${piece}`)
      assert.is(Buffer.compare(openByStream(sealed, piece), plaintext), 0, `open ${size} by ${piece}`)
    }
  }
})

test('streams take pieces of changing length, even none, and leave them alone', () => {
  const plaintext = sample(5 * CHUNK_BYTES + 77)
  const sealed = seal(plaintext)
  for (let round = 0; round < 20; round++) {
    const sealer = new StreamSealer(KEY, CONTEXT, SALT)
    const opener = new StreamOpener(KEY, CONTEXT, sealer.header)
    const parts: Uint8Array[] = []
    const before = plaintext.slice()
    for (let at = 0; at < plaintext.length;) {
      const length = random.pick([0, 1, 15, 16384, random.below(50000)])
      parts.push(opener.push(sealer.push(plaintext.subarray(at, at + length))).slice())
      at += length
    }
    parts.push(opener.push(sealer.end()).slice(), opener.end().slice())
    assert.is(Buffer.compare(concat(...parts), plaintext), 0)
    assert.is(Buffer.compare(before, plaintext), 0)
  }
  assert.is(hex(sealed.subarray(0, HEADER_BYTES)), hex(new StreamSealer(KEY, CONTEXT, SALT).header))
})

test('re-encryption in one pass gives what sealing under the other key gives', () => {
  const plaintext = sample(40 * CHUNK_BYTES + 3)
  const sealed = seal(plaintext)
  const otherKey = random.bytes(32)
  const opener = new StreamOpener(KEY, CONTEXT, sealed.subarray(0, HEADER_BYTES))
  const sealer = new StreamSealer(otherKey, CONTEXT, SALT)
  const parts = [sealer.header]
  const block = new Uint8Array(16 * SEALED_CHUNK_BYTES)
  for (const piece of piecesOf(sealed.subarray(HEADER_BYTES), block.length)) {
    block.set(piece) // one reused buffer, as a caller reads files
    parts.push(sealer.push(opener.push(block.subarray(0, piece.length))).slice())
  }
  parts.push(sealer.push(opener.end()).slice(), sealer.end().slice())
  assert.is(Buffer.compare(concat(...parts), sealPayload(otherKey, CONTEXT, SALT, plaintext)), 0)
})

test('readRange() equals a slice of the whole, and reads only the chunks that it needs', () => {
  for (const size of [...SIZES, 34 * CHUNK_BYTES + 7]) {
    const plaintext = sample(size)
    const sealed = seal(plaintext)
    const opener = new PayloadOpener(KEY, CONTEXT, sealed.subarray(0, HEADER_BYTES))
    const edges = [
      0,
      1,
      CHUNK_BYTES - 1,
      CHUNK_BYTES,
      CHUNK_BYTES + 1,
      2 * CHUNK_BYTES,
      17 * CHUNK_BYTES,
      size - 1,
      size
    ]
    for (const start of edges) {
      for (const end of edges) {
        if (start < 0 || end < start || end > size) continue
        const reads: number[] = []
        const range = readRange(opener, size, start, end - start, (offset, length) => {
          const from = (offset - HEADER_BYTES) / SEALED_CHUNK_BYTES
          const count = Math.ceil(length / SEALED_CHUNK_BYTES)
          assert.ok(count >= 1 && count <= 16, `${count} chunks in one read`)
          reads.push(...Array.from({ length: count }, (_, i) => from + i))
          return sealed.subarray(offset, offset + length)
        })
        assert.is(Buffer.compare(range, plaintext.subarray(start, end)), 0, `${start} to ${end} of ${size}`)
        const first = Math.floor(start / CHUNK_BYTES)
        const chunks = end === start ? 0 : Math.floor((end - 1) / CHUNK_BYTES) - first + 1
        assert.equal(
          reads,
          Array.from({ length: chunks }, (_, i) => first + i)
        )
      }
    }
  }
})

test('readRange() refuses what lies outside, short reads and forged chunks', async () => {
  const plaintext = sample(20000)
  const sealed = seal(plaintext)
  const opener = new PayloadOpener(KEY, CONTEXT, sealed.subarray(0, HEADER_BYTES))
  const read = (offset: number, length: number) => sealed.subarray(offset, offset + length)
  for (const [offset, length] of [
    [0, 20001],
    [20000, 1],
    [-1, 2],
    [0, -1],
    [0.5, 1],
    [0, Number.NaN],
    [2 ** 53, 0]
  ] as const) {
    misuse(RangeError, () => readRange(opener, 20000, offset, length, read))
  }
  for (const room of [4, 6])
    misuse(RangeError, () => readRange(opener, 20000, 0, 5, read, new Uint8Array(room)))
  const shorter = (offset: number, length: number) => read(offset, length - 1)
  await rejectsWith('COFFER_PAYLOAD_TRUNCATED', () => readRange(opener, 20000, 0, 5, shorter))
  // A wrong total moves the end of the last chunk, and the tag with it.
  await rejectsWith('COFFER_PAYLOAD_FORGED', () => readRange(opener, 19999, 17000, 5, read))
  const swapped = (offset: number, length: number) =>
    read(offset === HEADER_BYTES ? offset + 1 : offset, length)
  const room = new Uint8Array(17000).fill(1)
  await rejectsWith('COFFER_PAYLOAD_FORGED', () => readRange(opener, 20000, 0, 17000, swapped, room))
  assert.ok(room.every(byte => byte === 0))
  assert.is(readRange(opener, 20000, 100, 17000, read, room), room)
  assert.is(Buffer.compare(room, plaintext.subarray(100, 17100)), 0)
})

// ---------------------------------------------------------------- forgeries

/** Whole and streamed, in two piece lengths, must refuse alike. */
async function refused(
  code: 'COFFER_PAYLOAD_FORGED' | 'COFFER_PAYLOAD_TRUNCATED',
  sealed: Uint8Array
): Promise<void> {
  await rejectsWith(code, () => open(sealed))
  for (const piece of [1000, 262144]) await rejectsWith(code, () => openByStream(sealed, piece))
}

const THREE = seal(sample(3 * CHUNK_BYTES + 100))
const chunkOf = (sealed: Uint8Array, index: number): Uint8Array =>
  sealed.subarray(HEADER_BYTES + index * SEALED_CHUNK_BYTES, HEADER_BYTES + (index + 1) * SEALED_CHUNK_BYTES)
const HEADER = THREE.subarray(0, HEADER_BYTES)
const CHUNKS = [0, 1, 2, 3].map(index => chunkOf(THREE, index))

test('openPayload() refuses swapped, repeated, dropped and foreign chunks', async () => {
  const [a, b, c, end] = CHUNKS as [Uint8Array, Uint8Array, Uint8Array, Uint8Array]
  await refused('COFFER_PAYLOAD_FORGED', concat(HEADER, b, a, c, end))
  await refused('COFFER_PAYLOAD_FORGED', concat(HEADER, a, a, c, end))
  await refused('COFFER_PAYLOAD_FORGED', concat(HEADER, a, b, end))
  await refused('COFFER_PAYLOAD_FORGED', concat(HEADER, a, b, c, c, end))
  await refused('COFFER_PAYLOAD_FORGED', concat(HEADER, end))
  const other = sealPayload(KEY, CONTEXT, random.bytes(24), sample(3 * CHUNK_BYTES + 100))
  await refused('COFFER_PAYLOAD_FORGED', concat(HEADER, a, chunkOf(other, 1), c, end))
  await refused('COFFER_PAYLOAD_FORGED', concat(other.subarray(0, HEADER_BYTES), a, b, c, end))
})

test('openPayload() refuses to be cut at any boundary, and to be extended', async () => {
  for (let chunks = 0; chunks <= 3; chunks++) {
    const boundary = HEADER_BYTES + chunks * SEALED_CHUNK_BYTES
    await refused('COFFER_PAYLOAD_TRUNCATED', THREE.subarray(0, boundary))
    for (const more of [1, TAG_BYTES - 1]) {
      await refused('COFFER_PAYLOAD_TRUNCATED', THREE.subarray(0, boundary + more))
    }
    for (const more of chunks < 3 ? [TAG_BYTES, 100, SEALED_CHUNK_BYTES - 1] : [TAG_BYTES, 115]) {
      await refused('COFFER_PAYLOAD_FORGED', THREE.subarray(0, boundary + more))
    }
  }
  for (let length = 0; length < HEADER_BYTES; length++) {
    await refused('COFFER_PAYLOAD_TRUNCATED', THREE.subarray(0, length))
  }
  for (const more of [1, 16, 100, SEALED_CHUNK_BYTES]) {
    await refused('COFFER_PAYLOAD_FORGED', concat(THREE, new Uint8Array(more)))
  }
})

test('openPayload() refuses another key or context, before any chunk', async () => {
  const opened = (key: Uint8Array, context: Uint8Array) => () => new PayloadOpener(key, context, HEADER)
  await rejectsWith('COFFER_PAYLOAD_FORGED', opened(random.bytes(32), CONTEXT))
  await rejectsWith('COFFER_PAYLOAD_FORGED', opened(KEY, random.bytes(11)))
  await rejectsWith('COFFER_PAYLOAD_FORGED', opened(KEY, CONTEXT.subarray(1)))
  await rejectsWith('COFFER_PAYLOAD_FORGED', opened(KEY, new Uint8Array(0)))
  for (const size of [0, 16, 31, 33]) misuse(RangeError, opened(new Uint8Array(size), CONTEXT))
  misuse(RangeError, () => new PayloadSealer(KEY, CONTEXT, new Uint8Array(23)))
})

test('openPayload() refuses every flipped bit of the header, and 200 elsewhere', async () => {
  const bits = Array.from({ length: HEADER_BYTES * 8 }, (_, bit) => bit)
  for (let i = 0; i < 200; i++) bits.push(HEADER_BYTES * 8 + random.below((THREE.length - HEADER_BYTES) * 8))
  for (const bit of bits) {
    const forged = THREE.slice()
    forged[bit >> 3]! ^= 1 << (bit & 7)
    await rejectsWith('COFFER_PAYLOAD_FORGED', () => open(forged))
  }
})

// ---------------------------------------------------------------- order and memory

test('openChunk() writes nothing of a forged chunk', async () => {
  const opener = new PayloadOpener(KEY, CONTEXT, HEADER)
  const out = new Uint8Array(CHUNK_BYTES)
  await rejectsWith('COFFER_PAYLOAD_FORGED', () => opener.openChunk(1, CHUNKS[0]!, out, 0))
  assert.ok(out.every(byte => byte === 0))
  assert.is(opener.openChunk(0, CHUNKS[0]!, out, 0), CHUNK_BYTES)
  // Our own mistake, not a forgery.
  misuse(RangeError, () => opener.openChunk(0, CHUNKS[0]!, out, 1))
  misuse(RangeError, () => opener.openChunk(0, THREE.subarray(0, SEALED_CHUNK_BYTES + 1), out, 0))
})

test('a stream that met a forged chunk gives no later one, and nothing opens under a wiped key', async () => {
  const stream = new StreamOpener(KEY, CONTEXT, HEADER)
  await rejectsWith('COFFER_PAYLOAD_FORGED', () => stream.push(CHUNKS[1]!))
  misuse(RangeError, () => stream.push(CHUNKS[1]!))
  stream.push(new Uint8Array(TAG_BYTES))
  misuse(RangeError, () => stream.end())
  const opener = new PayloadOpener(KEY, CONTEXT, HEADER)
  opener.wipe()
  misuse(RangeError, () => opener.openChunk(0, CHUNKS[0]!, new Uint8Array(CHUNK_BYTES), 0))
})

test('PayloadSealer seals nothing after the last chunk, no chunk too long, and nothing once wiped', () => {
  const sealer = new PayloadSealer(KEY, CONTEXT, SALT)
  const out = new Uint8Array(SEALED_CHUNK_BYTES)
  misuse(RangeError, () => sealer.sealChunk(new Uint8Array(CHUNK_BYTES + 1), out, 0))
  assert.is(sealer.sealChunk(new Uint8Array(CHUNK_BYTES), out, 0), SEALED_CHUNK_BYTES)
  assert.is(sealer.sealChunk(new Uint8Array(0), out, 0), TAG_BYTES)
  misuse(RangeError, () => sealer.sealChunk(new Uint8Array(1), out, 0))
  const wiped = new PayloadSealer(KEY, CONTEXT, SALT)
  wiped.wipe()
  misuse(RangeError, () => wiped.sealChunk(new Uint8Array(1), out, 0))
  const ended = new StreamSealer(KEY, CONTEXT, SALT)
  ended.end()
  misuse(RangeError, () => ended.end())
})

test('openPayload() uses the memory it is given, and leaves nothing in it when a chunk was altered', async () => {
  const [key, context] = [new Uint8Array(32).fill(1), new Uint8Array(4)]
  const plaintext = new Uint8Array(40_000).map((_, index) => index)
  const sealed = sealPayload(key, context, new Uint8Array(24), plaintext)
  const into = new Uint8Array(50_000).fill(9)
  const opened = openPayload(key, context, sealed, into)
  assert.is(opened.buffer, into.buffer)
  assert.equal(opened, plaintext)
  assert.ok(into.subarray(40_000).every(byte => byte === 9))
  sealed[sealed.length - 1]! ^= 1
  await rejectsWith('COFFER_PAYLOAD_FORGED', () => openPayload(key, context, sealed, into))
  assert.ok(into.subarray(0, 40_000).every(byte => byte === 0))
  misuse(RangeError, () => openPayload(key, context, sealed, new Uint8Array(39_999)))
})

test.run()
