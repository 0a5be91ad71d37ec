/** What terminals send, and the keys it means: the tables of xterm, rxvt, Linux's console and kitty. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { KeyDecoder } from '../../loader/cli/keys.js'
import type { Key } from '../../sandbox/guest.js'
import { Seeded } from '../helpers/seeded.js'

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text)

/** All keys of an input that then ends, as `ctrl+alt+shift+name`. */
function decode(input: string | Uint8Array): string[] {
  const decoder = new KeyDecoder()
  const bytes = typeof input === 'string' ? bytesOf(input) : input
  return [...decoder.push(bytes), ...decoder.flush()].map(named)
}

const named = ({ ctrl, alt, shift, name }: Key): string =>
  `${ctrl ? 'ctrl+' : ''}${alt ? 'alt+' : ''}${shift ? 'shift+' : ''}${name}`

const TABLE: Readonly<Record<string, readonly string[]>> = {
  a: ['a'],
  A: ['shift+A'],
  '1 .': ['1', 'space', '.'],
  '\r': ['enter'],
  '\n': ['enter'],
  '\t': ['tab'],
  '\x7f': ['backspace'],
  '\x08': ['backspace'],
  '\x1b': ['escape'],
  '\x1b\x1b': ['escape', 'escape'],
  '\x00': ['ctrl+space'],
  '\x01': ['ctrl+a'],
  '\x1a': ['ctrl+z'],
  '\x1c\x1d\x1e\x1f': ['ctrl+\\', 'ctrl+]', 'ctrl+^', 'ctrl+_'],
  'ä€𝄞': ['ä', '€', '𝄞'],
  Ä: ['shift+Ä'],
  // Arrows and the block above them, in normal and application mode.
  '\x1b[A\x1b[B\x1b[C\x1b[D': ['up', 'down', 'right', 'left'],
  '\x1bOA\x1bOB\x1bOC\x1bOD': ['up', 'down', 'right', 'left'],
  '\x1b[H\x1b[F\x1bOH\x1bOF': ['home', 'end', 'home', 'end'],
  '\x1b[1~\x1b[2~\x1b[3~\x1b[4~\x1b[5~\x1b[6~': ['home', 'insert', 'delete', 'end', 'pageup', 'pagedown'],
  '\x1b[7~\x1b[8~': ['home', 'end'],
  // Function keys: xterm, VT, Linux.
  '\x1bOP\x1bOQ\x1bOR\x1bOS': ['f1', 'f2', 'f3', 'f4'],
  '\x1b[11~\x1b[12~\x1b[13~\x1b[14~': ['f1', 'f2', 'f3', 'f4'],
  '\x1b[15~\x1b[17~\x1b[18~\x1b[19~': ['f5', 'f6', 'f7', 'f8'],
  '\x1b[20~\x1b[21~\x1b[23~\x1b[24~': ['f9', 'f10', 'f11', 'f12'],
  '\x1b[[A\x1b[[E': ['f1', 'f5'],
  // With modifiers: xterm's ;n, rxvt's letters, shift-tab, Alt as a leading escape, kitty.
  '\x1b[1;2A\x1b[1;5C\x1b[1;3D\x1b[1;8H': ['shift+up', 'ctrl+right', 'alt+left', 'ctrl+alt+shift+home'],
  '\x1b[3;5~\x1b[1;2P': ['ctrl+delete', 'shift+f1'],
  '\x1b[a\x1b[3^\x1b[3@': ['shift+up', 'ctrl+delete', 'ctrl+shift+delete'],
  '\x1b[3$': ['shift+delete'],
  '\x1b[Z': ['shift+tab'],
  '\x1ba\x1bA\x1b\r\x1b\x01': ['alt+a', 'alt+shift+A', 'alt+enter', 'ctrl+alt+a'],
  '\x1b\x1b[A': ['alt+up'],
  '\x1bä': ['alt+ä'],
  '\x1b[97;5u\x1b[13;2u\x1b[27u': ['ctrl+a', 'shift+enter', 'escape'],
  // No keys: mouse, focus, pasting, answers of the terminal, broken UTF-8. What follows them is read right.
  '\x1b[M !!x': ['x'],
  '\x1b[<0;10;20Mx': ['x'],
  '\x1b[Ix\x1b[Oy': ['x', 'y'],
  '\x1b[200~x\x1b[201~': ['x'],
  '\x1b[?1;2cx': ['x'],
  '\x1b[99~x': ['x'],
  '\x1b[55555555555555555555u!': ['!'],
  // Begun and never ended.
  '\x1b[': ['alt+['],
  '\x1bO': ['alt+shift+O']
}

for (const [input, keys] of Object.entries(TABLE)) {
  test(`${JSON.stringify(input)} is ${keys.join(' ') || 'nothing'}`, () => {
    assert.equal(decode(input), keys)
  })
}

test('broken UTF-8 is no key, and what follows it is read', () => {
  assert.equal(decode(Uint8Array.of(0xc3, 0x61)), ['a'])
  assert.equal(decode(Uint8Array.of(0xff, 0x61)), ['a'])
  assert.equal(decode(Uint8Array.of(0x80, 0xe2, 0x82, 0x62)), ['b'])
  assert.equal(decode(Uint8Array.of(0xe2, 0x82)), [])
  assert.equal(decode(Uint8Array.of(0xed, 0xa0, 0x80, 0x62)), ['b'])
})

test('text is what the key types, and nothing for those that type nothing', () => {
  const texts = (input: string) => new KeyDecoder().push(bytesOf(input)).map(({ text }) => text)
  assert.equal(texts('aä \r\t'), ['a', 'ä', ' ', '\n', '\t'])
  assert.equal(texts('\x1b[A\x7f\x01\x1bOP'), ['', '', '', ''])
})

test('a key in pieces is the same key: every byte by itself', () => {
  // Without the time between them, two escapes are one sequence, and those left open stay open.
  for (const [input, keys] of Object.entries(TABLE)) {
    const decoder = new KeyDecoder()
    const found = [...bytesOf(input)].flatMap(byte => decoder.push(Uint8Array.of(byte)))
    assert.equal([...found, ...decoder.flush()].map(named), keys, JSON.stringify(input))
  }
})

test('waiting tells an escape that may still become a sequence', () => {
  const decoder = new KeyDecoder()
  assert.equal(decoder.push(bytesOf('\x1b')), [])
  assert.ok(decoder.waiting)
  assert.equal(decoder.push(bytesOf('[A')).map(named), ['up'])
  assert.not.ok(decoder.waiting)
  decoder.push(Uint8Array.of(0xc3))
  assert.not.ok(decoder.waiting)
})

test('any bytes at all: no exception, nothing kept for ever, the next key is read', () => {
  const seeded = new Seeded('terminal input')
  for (let round = 0; round < 2000; round++) {
    const decoder = new KeyDecoder()
    const pool = seeded.below(2) === 0 ? bytesOf('\x1b[O;:<?0123$^~AMZu\x9b') : seeded.bytes(64)
    for (let piece = 0; piece < 4; piece++) {
      decoder.push(Uint8Array.from({ length: seeded.below(100) }, () => seeded.pick([...pool])))
    }
    decoder.flush()
    assert.not.ok(decoder.waiting)
    assert.equal(decoder.push(bytesOf('q')).map(named), ['q'])
  }
})

test('as many escapes in a row as a terminal sends at once', () => {
  for (const count of [2, 64, 65, 66, 20_000]) {
    const decoder = new KeyDecoder()
    const found = decoder.push(new Uint8Array(count).fill(0x1b))
    assert.equal(new Set([...found, ...decoder.flush()].map(named)), new Set(['escape']), String(count))
  }
  assert.equal(new KeyDecoder().push(bytesOf('\x1b\x1b\x1b[A')).map(named), ['alt+up'])
})

test.run()
