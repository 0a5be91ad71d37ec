import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { base64url, concat, fromBase64url, fromHex, hex, utf8Decode } from '../../formats/bytes.js'
import {
  deriveKeys,
  formatPublicKeys,
  formatSecretKey,
  parsePublicKeys,
  parseSecretKey,
  userIdOf,
  wipeKeys
} from '../../formats/keys.js'
import { rejectsWith } from '../helpers/rejects.js'
import { Seeded } from '../helpers/seeded.js'

const SEED = Uint8Array.from({ length: 32 }, (_, i) => i)
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'

test('base64url is that of Node, both ways, for every length', () => {
  const random = new Seeded('base64url')
  for (let length = 0; length <= 70; length++) {
    const bytes = random.bytes(length)
    assert.is(base64url(bytes), Buffer.from(bytes).toString('base64url'))
    assert.equal(fromBase64url(base64url(bytes)), bytes)
  }
})

test('fromBase64url() takes one text per value', async () => {
  for (const text of [
    'A',
    'AAAAA',
    'AA=',
    'AA==',
    'A+AA',
    'A/AA',
    'AA AA',
    'AAAA\n',
    'ÄAAA',
    'AA\0A',
    '😀AA'
  ])
    await rejectsWith('COFFER_ENCODING', () => fromBase64url(text))
  // Of the 64 last characters of a text for one byte, 4 leave its unused bits zero; of those for two bytes, 16.
  for (const [start, canonical] of [
    ['A', 4],
    ['AA', 16]
  ] as const) {
    let taken = 0
    for (const last of ALPHABET) {
      try {
        assert.is(base64url(fromBase64url(start + last)), start + last)
        taken++
      } catch {
        // Counted by what is left.
      }
    }
    assert.is(taken, canonical)
  }
})

test('fromHex() takes pairs of lower-case digits alone', async () => {
  assert.equal(fromHex('00ff'), new Uint8Array([0, 255]))
  for (const text of ['0', 'FF', '0g', ' 00', '00\n', '0x00'])
    await rejectsWith('COFFER_ENCODING', () => fromHex(text))
})

test('keys of users and publishers, for signing and sealing, all differ and follow from the seed', () => {
  const all = (['user', 'publisher'] as const).map(owner => deriveKeys(owner, SEED))
  const values = all.flatMap(({ signSeed, sealSecret, signKey, sealKey }) => [
    signSeed,
    sealSecret,
    signKey,
    sealKey
  ])
  assert.is(new Set(values.map(hex)).size, 8)
  for (const value of values) assert.is(value.length, 32)
  assert.equal(deriveKeys('user', SEED), all[0])
  assert.is(userIdOf(all[0]!).length, 32)
  // Both halves count for who somebody is.
  const [user, publisher] = [all[0]!, all[1]!]
  assert.is.not(hex(userIdOf({ ...user, sealKey: publisher.sealKey })), hex(userIdOf(user)))
  assert.is.not(hex(userIdOf({ ...user, signKey: publisher.signKey })), hex(userIdOf(user)))
  assert.is.not(hex(userIdOf({ signKey: user.sealKey, sealKey: user.signKey })), hex(userIdOf(user)))
  wipeKeys(user)
  assert.equal([user.signSeed, user.sealSecret], [new Uint8Array(32), new Uint8Array(32)])
})

test('key words are read as they are written, blanks around them included', () => {
  for (const owner of ['user', 'publisher'] as const) {
    const { signKey, sealKey } = deriveKeys(owner, SEED)
    const word = formatPublicKeys(owner, { signKey, sealKey })
    assert.match(word, /^coffer-(user|publisher)-[A-Za-z0-9_-]{86}$/)
    for (const text of [word, ` ${word}\r\n`])
      assert.equal(parsePublicKeys(owner, text), { signKey, sealKey })
    const line = formatSecretKey(owner, SEED)
    for (const text of [line, line.trim(), `${line}\n`]) assert.equal(parseSecretKey(owner, text), SEED)
  }
})

test('parsePublicKeys() refuses everything but one whole word of its owner', async () => {
  const { signKey, sealKey } = deriveKeys('user', SEED)
  const word = formatPublicKeys('user', { signKey, sealKey })
  const bad = [
    '',
    'coffer-user-',
    word.slice(0, -1),
    `${word}A`,
    `${word} ${word}`,
    word.toUpperCase(),
    word.replace('user', 'publisher'),
    `coffer-user-${base64url(signKey)}`,
    `coffer-user-${base64url(concat(signKey, sealKey, signKey))}`,
    `coffer-user-${'A'.repeat(1_000_000)}`
  ]
  for (const text of bad) {
    const error = await rejectsWith('COFFER_USAGE', () => parsePublicKeys('user', text))
    assert.match(error.hint!, 'coffer keygen')
  }
  await rejectsWith('COFFER_USAGE', () => parsePublicKeys('publisher', word))
})

test('parseSecretKey() refuses what is no key file, and repeats nothing of it', async () => {
  const line = formatSecretKey('user', SEED).trim()
  const secret = line.slice('COFFER-USER-KEY-1-'.length)
  for (const text of [
    '',
    line.slice(0, -1),
    `${line}A`,
    line.replace('-1-', '-2-'),
    line.toLowerCase(),
    `x${line}`
  ]) {
    const error = await rejectsWith('COFFER_ENCODING', () => parseSecretKey('user', text))
    for (const field of [error.message, error.expected, error.found, error.hint, String(error.cause)])
      assert.not.match(field!, secret.slice(2, 20))
  }
  const other = await rejectsWith('COFFER_ENCODING', () => parseSecretKey('publisher', line))
  assert.match(other.expected!, 'COFFER-PUBLISHER-KEY-1-')
})

test('text that is not UTF-8 is not read as something else', () => {
  for (const bytes of [[0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80]]) {
    let text: string | undefined
    try {
      text = utf8Decode(new Uint8Array(bytes))
    } catch (error) {
      assert.instance(error, TypeError)
    }
    assert.is(text, undefined)
  }
})

test.run()
