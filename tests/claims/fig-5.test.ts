/** FIG. 5: the signature processor, an exclusive OR (21) and an encryption unit (22) in a loop. */
import { createCipheriv } from 'node:crypto'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { concat, hex } from '../../formats/bytes.js'
import { computeCertificate } from '../../formats/derive.js'
import { enc } from '../../formats/encode.js'
import { aesCmac256 } from '../../formats/primitives.js'
import type { Binding } from './arithmetic.js'
import { Seeded } from '../helpers/seeded.js'
import { certificateOf, type Copy, type TwoSites, withTwoSites } from './sites.js'

let sites: TwoSites
let copy: Copy
withTwoSites(test, async opened => {
  sites = opened
  copy = await sites.copy(await sites.press('org.example.figure-5', 'certificate'))
})

const BLOCK = 16
const seeded = new Seeded('FIG. 5')

/** The encryption unit 22: one block under KEYc. */
function encryptionUnit(key: Uint8Array, block: Uint8Array): Uint8Array {
  const cipher = createCipheriv('aes-256-ecb', key, null).setAutoPadding(false)
  return new Uint8Array(cipher.update(block))
}

/** The exclusive OR 21. */
const exclusiveOr = (a: Uint8Array, b: Uint8Array): Uint8Array => a.map((byte, index) => byte ^ b[index]!)

/** The loop as it is drawn: every block is XORed with the encryption of the one before it, and encrypted. */
function figure5(key: Uint8Array, blocks: readonly Uint8Array[]): Uint8Array {
  let fedBack: Uint8Array = new Uint8Array(BLOCK)
  for (const block of blocks) fedBack = encryptionUnit(key, exclusiveOr(block, fedBack))
  return fedBack
}

function blocksOf(message: Uint8Array): Uint8Array[] {
  const blocks: Uint8Array[] = []
  for (let at = 0; at < message.length; at += BLOCK) blocks.push(message.slice(at, at + BLOCK))
  return blocks
}

/** Twice a block, in the field that CMAC computes in. */
function doubled(block: Uint8Array): Uint8Array {
  const twice = BigInt(`0x${hex(block)}`) << 1n
  const reduced = twice >> 128n ? (twice & ((1n << 128n) - 1n)) ^ 0x87n : twice
  return Uint8Array.from(Buffer.from(reduced.toString(16).padStart(32, '0'), 'hex'))
}

/** What CMAC changes: the last block is padded to a full one and XORed with a secret that only KEYc gives. */
function withMaskedEnd(key: Uint8Array, message: Uint8Array): Uint8Array[] {
  const blocks = blocksOf(message)
  const last = blocks.pop()!
  const forFull = doubled(encryptionUnit(key, new Uint8Array(BLOCK)))
  if (last.length === BLOCK) return [...blocks, exclusiveOr(last, forFull)]
  const padded = new Uint8Array(BLOCK)
  padded.set(last)
  padded[last.length] = 0x80
  return [...blocks, exclusiveOr(padded, doubled(forFull))]
}

/** What goes through the loop for a copy, and what comes out of it. */
const messageOf = ({ centerId, titleId, mediumId, grantHash }: Binding): Uint8Array =>
  enc('certificate', centerId, titleId, mediumId, grantHash)
const loop = (key: Uint8Array, binding: Binding): string =>
  hex(figure5(key, withMaskedEnd(key, messageOf(binding))))

test('FIG. 5: CS as the center sent it is the loop of exclusive OR (21) and encryption unit (22), the last block masked', () => {
  assert.is.not(messageOf(copy.binding).length % BLOCK, 0)
  const key = sites.certificationKey(copy.mediumId)
  assert.is(loop(key, copy.binding), hex(certificateOf(copy.grant).certificate))
})

test('FIG. 5: the loop and our signature processor are one for every length of the last block', () => {
  const key = seeded.bytes(32)
  for (let length = 1; length <= 3 * BLOCK; length++) {
    const message = seeded.bytes(length)
    assert.equal(aesCmac256(key, message), figure5(key, withMaskedEnd(key, message)), `${length} bytes`)
  }
})

test('FIG. 5: SIDi and IDk both go through the loop: with one bit of either changed, another CS is sent', async () => {
  const flipped = copy.mediumId.slice()
  flipped[31]! ^= 1
  const { grant, binding } = await sites.orderByHand(copy, { titleId: copy.title.id, mediumId: flipped })
  const sent = hex(certificateOf(grant).certificate)
  const key = sites.certificationKey(flipped)
  assert.is(loop(key, binding), sent)
  assert.is.not(loop(key, { ...binding, mediumId: copy.mediumId }), sent)
  assert.is.not(loop(key, { ...binding, titleId: 'org.example.figure-4' }), sent)
})

test('FIG. 5: two messages and their codes, spliced, forge a third code of the loop as drawn, and none of ours', () => {
  const key = seeded.bytes(32)
  const [first, second] = [seeded.bytes(2 * BLOCK), seeded.bytes(3 * BLOCK)]
  // Without the key: the second message, its first block XORed with the code of the first, appended to the first.
  const splice = (code: Uint8Array): Uint8Array =>
    concat(first, exclusiveOr(second.slice(0, BLOCK), code), second.slice(BLOCK))

  const raw = (message: Uint8Array) => figure5(key, blocksOf(message))
  assert.equal(raw(splice(raw(first))), raw(second))

  const ours = (message: Uint8Array) => aesCmac256(key, message)
  assert.is.not(hex(ours(splice(ours(first)))), hex(ours(second)))
})

test('FIG. 5: identifiers of one concatenation share a code when they are fed one after the other, and not here', () => {
  const key = sites.certificationKey(copy.mediumId)
  // The boundary between SIDi and IDk moved by one character: "...a" + "b..." and "...ab" + "...".
  const moved = (titleId: string, mediumId: string) => ({
    ...copy.binding,
    titleId,
    mediumId: new TextEncoder().encode(mediumId)
  })
  const [one, two] = [moved('org.example.a', `b${'c'.repeat(31)}`), moved('org.example.ab', 'c'.repeat(31))]
  const fedInARow = ({ titleId, mediumId }: typeof one) =>
    aesCmac256(key, concat(new TextEncoder().encode(titleId), mediumId))
  assert.equal(fedInARow(one), fedInARow(two))
  assert.is.not(hex(computeCertificate(key, one)), hex(computeCertificate(key, two)))
})

test.run()
