import type { Family } from '../family.js'

export const consoleBombs: Family = {
  'a huge array': [
    'gives 1|cpuMs',
    `console.log(new Array(4294967295)); console.log(Array(1e5).fill('x'.repeat(100))); return 1`
  ],
  'a huge typed array': ['gives 1', `console.log(new Uint8Array(4e6)); return 1`],
  'a huge Map': [
    'gives 1|cpuMs',
    `console.log(new Map(Array.from({ length: 1e4 }, (_, i) => [i, { i }]))); return 1`
  ],
  'very many properties': [
    'gives 1|outputBytes|cpuMs',
    `const o = {}; for (let i = 0; i < 2e4; i++) o['k' + i] = i; console.log(o); return 1`
  ],
  'nested arrays of arrays': [
    'gives 1|outputBytes|cpuMs',
    `const a = Array(100).fill(Array(100).fill(Array(100).fill('x'.repeat(50)))); console.log(a); return 1`
  ],
  'a shared tree that doubles': [
    'gives 1|outputBytes|cpuMs',
    `let a = ['x']; for (let i = 0; i < 40; i++) a = [a, a]; console.log('%o', a); return 1`
  ],
  'a proxy': ['gives 1|throws|cpuMs', `console.log(new Proxy({}, { ownKeys() { for (;;); } })); return 1`],
  'a class whose name is a getter': [
    'gives 1|cpuMs',
    `console.log(new (class { static get name() { for (;;); } })()); return 1`
  ],
  'a tag that never ends': [
    'gives 1|cpuMs',
    `console.log({ get [Symbol.toStringTag]() { for (;;); } }); return 1`
  ],
  'a Map with an iterator of its own': [
    'gives 1|cpuMs',
    `const m = new Map(); m[Symbol.iterator] = function* () { for (;;) yield [1, 2] }; console.log(m); return 1`
  ],
  'an error with a stack of megabytes': [
    'gives 1|outputBytes|cpuMs|memoryBytes',
    `console.log(Object.assign(new Error('x'), { stack: '    at x (y:1:1)\\n'.repeat(1e5) })); return 1`
  ],
  'a text of many lines': [
    'gives 1|outputBytes|cpuMs|memoryBytes',
    `console.log(['\\n'.repeat(5e4)]); return 1`
  ],
  'a format of much': [
    'gives 1|outputBytes|cpuMs',
    `console.log('%s'.repeat(1e4), ...Array(1e4).fill('x'.repeat(100))); return 1`
  ],
  'a date that is none': [
    'gives 1',
    `console.log(new Date(NaN), new Date(8.64e15), [new Date(NaN)]); return 1`
  ],
  'an inspect of its own': [
    'gives 1',
    `console.log({ inspect() { for (;;); }, [Symbol.for('nodejs.util.inspect.custom')]() { for (;;); } }); return 1`
  ],
  'a bigint of megabytes': [
    'unsupported|cpuMs|valueBytes|throws RangeError|gives 1|outputBytes',
    `console.log(1n << 2000000n); return 1`
  ]
}
