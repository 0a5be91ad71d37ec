import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { concat } from '../../formats/bytes.js'
import { encode } from '../../formats/msgpack.js'
import { displayName, isTitleId, titleId } from '../../formats/records/fields.js'
import {
  bool,
  bytes,
  decodeAs,
  encodeAs,
  integer,
  list,
  map,
  oneOf,
  optional,
  text,
  u32,
  type Shape
} from '../../formats/shape.js'
import { misuse } from '../helpers/misuse.js'
import { rejectsWith } from '../helpers/rejects.js'

const passes = (shape: Shape<unknown>, value: unknown): boolean => {
  try {
    decodeAs('thing', map({ field: shape }), encode({ field: value } as never))
    return true
  } catch {
    return false
  }
}

test('shapes end exactly at their bounds', () => {
  const table: readonly (readonly [Shape<unknown>, readonly unknown[], readonly unknown[]])[] = [
    [bytes(2), [new Uint8Array(2)], [new Uint8Array(1), new Uint8Array(3), 'ab', [1, 2], 2, null]],
    [bytes(1, 3), [new Uint8Array(1), new Uint8Array(3)], [new Uint8Array(0), new Uint8Array(4)]],
    [text(3), ['', 'abc', 'äöü'], ['abcd', 1, null, new Uint8Array(3)]],
    [text(3, /^a+$/), ['a', 'aaa'], ['', 'b', 'aaaa', 'a\n']],
    [integer(1, 3), [1, 3], [0, 4, -1, 2 ** 53, true, '2', null]],
    [u32, [0, 2 ** 32 - 1], [-1, 2 ** 32]],
    [bool, [true, false], [0, 1, 'true', null]],
    [oneOf('a', 'b'), ['a', 'b'], ['', 'A', 'c', 0, ['a']]],
    [list(u32, 1, 2), [[1], [1, 2]], [[], [1, 2, 3], ['1'], {}, null]]
  ]
  for (const [shape, good, bad] of table) {
    for (const value of good) assert.ok(passes(shape, value), `refused ${String(value)}`)
    for (const value of bad) assert.not.ok(passes(shape, value), `passed ${String(value)}`)
  }
})

const SECRET = 'a value that no message may repeat'
const nested = map({ inner: list(map({ number: u32 }), 0, 2), word: optional(text(5)) })

test('decodeAs() names the field that is wrong, by its path, and never its value', async () => {
  const table: readonly (readonly [unknown, string])[] = [
    [{ inner: [{ number: 1 }, { number: SECRET }] }, 'inner.1.number'],
    [{ inner: [{ number: 1, other: SECRET }] }, 'inner.0.other'],
    [{ inner: [{}] }, 'inner.0.number'],
    [{ inner: SECRET }, 'inner'],
    [{}, 'inner'],
    [{ inner: [], word: SECRET }, 'word'],
    [{ inner: [], word: null }, 'word'],
    [{ another: SECRET, inner: [] }, 'another'],
    [[SECRET], ''],
    [SECRET, ''],
    [null, '']
  ]
  for (const [value, path] of table) {
    const error = await rejectsWith('COFFER_ENCODING', () =>
      decodeAs('thing', nested, encode(value as never))
    )
    assert.match(error.message, `"${path}"`)
    assert.match(error.message, 'thing')
    for (const field of [error.message, error.expected, error.found, error.hint])
      assert.not.match(field!, SECRET)
  }
})

test('decodeAs() refuses fields named like parts of every object', async () => {
  for (const name of ['constructor', 'toString', 'hasOwnProperty'])
    await rejectsWith('COFFER_ENCODING', () =>
      decodeAs('thing', nested, encode({ [name]: 1, inner: [] } as never))
    )
  // An inherited value does not stand in for a missing field.
  await rejectsWith('COFFER_ENCODING', () =>
    decodeAs('thing', map({ constructor: optional(u32), x: u32 }), encode({}))
  )
})

test('decodeAs() says for what it was, and what to do, when the bytes are no value at all', async () => {
  const twice = concat(new Uint8Array([0x82]), ...[1, 2].map(n => new Uint8Array([0xa1, 0x61, n])))
  for (const packed of [
    new Uint8Array(0),
    new Uint8Array([0xc1]),
    twice,
    concat(encode({ inner: [] }), encode(1))
  ]) {
    const error = await rejectsWith('COFFER_ENCODING', () => decodeAs('thing', nested, packed))
    assert.match(error.message, 'thing')
    assert.ok(error.hint)
  }
})

test('encodeAs() takes a value of our own that does not fit for a bug', () => {
  misuse(TypeError, () => encodeAs('thing', nested, { inner: [{ number: -1 }] }))
  assert.equal(encodeAs('thing', nested, { word: 'w', inner: [] } as never), encode({ inner: [], word: 'w' }))
})

test('a title id is 3 to 64 of a-z and 0-9 in groups joined by "." or "-"', () => {
  const good = [
    'abc',
    'a.b',
    'a-b',
    '0.0',
    '123',
    'org.example.hello',
    'a-b.c-d',
    'a'.repeat(64),
    'org.con',
    'con-x',
    'con1',
    'com10.x'
  ]
  const bad = [
    '',
    'a',
    'ab',
    'a'.repeat(65),
    'Abc',
    'a_b',
    'a b',
    '.abc',
    'abc.',
    '-abc',
    'abc-',
    'a..b',
    'a--b',
    'a.-b',
    'a/b',
    '../a',
    'a\\b',
    'äbc',
    'abc\n',
    'a\0b',
    'abc\u200b',
    'con',
    'nul',
    'aux.x',
    'com1.example',
    'lpt9',
    'аbc'
  ]
  for (const id of good) {
    assert.ok(isTitleId(id), id)
    assert.ok(passes(titleId, id), id)
  }
  for (const id of bad) {
    assert.not.ok(isTitleId(id), JSON.stringify(id))
    assert.not.ok(passes(titleId, id), JSON.stringify(id))
  }
})

test('a name that is shown to people cannot steer a terminal', () => {
  for (const name of ['Hello', 'Größe 日本語 🎲', 'a'.repeat(200)]) assert.ok(passes(displayName, name), name)
  const controls = [
    '\x1b[2J',
    '\n',
    '\r',
    '\t',
    '\0',
    '\x7f',
    '\x9b',
    '\u202e',
    '\u2066',
    '\u200b',
    '\u2028',
    '\u2029',
    '\ufeff',
    '\u00ad'
  ]
  for (const control of controls) assert.not.ok(passes(displayName, `a${control}b`), JSON.stringify(control))
  for (const name of ['', 'a'.repeat(201)]) assert.not.ok(passes(displayName, name))
})

test.run()
