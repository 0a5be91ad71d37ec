import type { Family } from '../family.js'

export const regularExpressions: Family = {
  'nested quantifiers': ['cpuMs', `return /^(a+)+$/.test('a'.repeat(40) + 'b')`],
  'alternatives that overlap': ['cpuMs', `return /^(a|aa)+$/.test('a'.repeat(60) + 'b')`],
  'back references': [
    'cpuMs|memoryBytes|throws',
    `return /(.*)(.*)(.*)(.*)(.*)(.*)\\1\\2\\3\\4\\5\\6x/.test('a'.repeat(3000))`
  ],
  'a look-behind': ['cpuMs|gives false', `return /(?<=^(a+)+)b/.test('a'.repeat(35) + 'c' + 'b')`],
  'a quantified look-ahead': ['cpuMs|gives false', `return /^(?:(?=(a+))\\1?a?)*b/.test('a'.repeat(40))`],
  'counted repetition': [
    'cpuMs|throws|gives false',
    `return /^(?:(?:a{0,100}){0,100}){0,100}$/.test('a'.repeat(40) + 'b')`
  ],
  'a pattern of much': [
    'cpuMs|throws|memoryBytes|gives false',
    `return new RegExp('(?:a|' .repeat(2e4) + 'b' + ')'.repeat(2e4)).test('c')`
  ],
  'a class of much': [
    'cpuMs|throws|memoryBytes|gives false',
    `for (let i = 0; ; i++) new RegExp('[' + '\\\\u{1F600}-\\\\u{1F64F}'.repeat(1e4) + ']', 'u').test('c')`
  ],
  'patterns without end': [
    'cpuMs|memoryBytes',
    `for (let i = 0; ; i++) new RegExp('a{' + i + '}').test('a')`
  ],
  'matching all': ['cpuMs|memoryBytes', `const t = 'a'.repeat(1e5); for (;;) [...t.matchAll(/a/g)]`],
  'replacing by a function': ['cpuMs', `const t = 'a'.repeat(1e5); for (;;) t.replace(/a/g, () => 'b')`],
  "an exec of one's own": [
    'cpuMs|memoryBytes|throws TypeError',
    `const r = /a/g; r.exec = () => ({ index: 0, 0: '' }); return 'aaa'.replace(r, 'b')`
  ],
  'a lastIndex that never moves': [
    'cpuMs|memoryBytes|throws',
    `const r = /(?:)/g; Object.defineProperty(r, 'lastIndex', { get: () => 0, set() {} }); return 'a'.match(r)`
  ],
  'sets of characters': [
    'cpuMs|gives true|throws',
    `return /^[\\p{L}--[a-z]]+$/v.test('\\u00e9'.repeat(1e5))`
  ]
}
