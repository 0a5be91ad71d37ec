/** What messages and hints are made of. */
import { spawnSync } from 'node:child_process'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { asTyped, counted, isName, jsonLine } from '../../formats/wording.js'

test('asTyped() leaves plain paths as they are', () => {
  for (const word of ['stick', './a-b_c/1.title', '/media/größe/消息', 'C:\\media\\usb', 'a@b=c,d+e:1%'])
    assert.is(asTyped(word), word)
})

test('asTyped() gives a shell one word, whatever it holds', () => {
  const words = [
    '',
    'two words',
    "it's",
    "''",
    '$HOME `id` "x" \\',
    '~/a',
    'a;b|c&d>e<f',
    '*?[]{}!#^()',
    'a\nb'
  ]
  for (const word of words) {
    const { stdout } = spawnSync('sh', ['-c', `printf '%s/' ${asTyped(word)}`], { encoding: 'utf8' })
    assert.is(stdout, `${word}/`)
  }
})

test('counted() knows one from many', () => {
  const words = [0, 1, 2].map(count => counted(count, 'byte'))
  assert.equal(
    [...words, counted(1, 'copy', 'copies'), counted(3, 'copy', 'copies')],
    ['0 bytes', '1 byte', '2 bytes', '1 copy', '3 copies']
  )
})

test('jsonLine() reads as it was written, and holds nothing that steers a terminal', () => {
  const value = { name: 'a\u009b31m\u007f\u202e\u2028\u{e0001}\n\ud800', größe: ['消息', '👍', 1.5, null] }
  const line = jsonLine(value)
  assert.equal(JSON.parse(line), value)
  assert.match(line, /^[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}]*\n$/u)
  assert.ok(line.includes('消息') && line.includes('👍'), 'what is no more than text stays as it is')
})

test('isName() takes names of all scripts', () => {
  const names = [
    ...[
      'Ann',
      'A b',
      '.',
      '1',
      'Größe',
      'Gro\u0308\u00dfe',
      'Nguye\u0302\u0303n',
      '消息',
      '한국어',
      'ひらがな',
      '\u3000も',
      '👍',
      'Love \u2764\ufe0f'
    ],
    ...[
      'עִבְרִית',
      'العَرَبِيَّة',
      'हिन्दी',
      'தமிழ்',
      'বাংলা',
      'ไทยผู้',
      'မြန်မာ',
      'ភាសាខ្មែរ',
      'བསྒྲུབས',
      'ᠮᠣᠩᠭᠣᠯ',
      `a${'\u0301'.repeat(4)}`
    ]
  ]
  for (const name of names) assert.ok(isName(name), name)
})

test('isName() refuses what cannot be seen, or spills over what stands beside it', () => {
  const hidden = [
    ...[
      '\u3164',
      '\uffa0',
      '\u034f',
      '\u115f',
      '\u17b4',
      '\u180b',
      '\ufe0f',
      '\u{e0041}',
      '\u{e0100}',
      '\u2800'
    ],
    ...['\u200b', '\u200c', '\u200d', '\u202e', '\u2028', '\u0007', '\ud800', '\udc00', '\u0301'.repeat(5)]
  ]
  for (const one of hidden) {
    for (const name of [one, `a${one}`, `é${one}b`, `${one}消息`])
      assert.not.ok(isName(name), JSON.stringify(name))
  }
  for (const name of ['', ' ', '   ', '\u00a0', '\u3000 ', '\u0301', ' \u0301', '\u2764\ufe0f\ufe0f'])
    assert.not.ok(isName(name), JSON.stringify(name))
})

test.run()
