import type { Family } from '../family.js'

export const memoryBombs: Family = {
  'one ArrayBuffer': [
    { quickjs: 'memoryBytes|throws RangeError', ses: 'gives 2147483647|memoryBytes' },
    `return new ArrayBuffer(2 ** 31 - 1).byteLength`
  ],
  'many ArrayBuffers': ['memoryBytes', `const all = []; for (;;) all.push(new Uint8Array(1e6).fill(1))`],
  'while it starts, ArrayBuffers of ever another size': [
    { quickjs: 'gives 600', ses: 'gives 600|memoryBytes' },
    `module: let n = 0; for (let i = 0; i < 600; i++) { new Uint8Array(1e6 + i * 16).fill(1); n++ } export const attack = () => n`
  ],
  'while it starts, objects without end': [
    'memoryBytes|gives "full"',
    `module: const all = []; let how = ''; try { for (;;) all.push({}) } catch { all.length = 0; how = 'full' } export const attack = () => how`
  ],
  'many ArrayBuffers never touched': [
    'memoryBytes|throws RangeError|cpuMs',
    `const all = []; for (;;) all.push(new ArrayBuffer(1e6))`
  ],
  'errors swallowed': [
    'memoryBytes|cpuMs',
    `const all = []; for (;;) { try { for (;;) all.push(new Uint8Array(1e6).fill(1)) } catch {} }`
  ],
  'large ArrayBuffers swallowed': [
    'memoryBytes|cpuMs',
    `const all = []; for (;;) { try { all.push(new Uint8Array(2 ** 28).fill(1)) } catch {} }`
  ],
  'a resizable ArrayBuffer': [
    'memoryBytes|throws RangeError|cpuMs',
    `const r = new ArrayBuffer(0, { maxByteLength: 2 ** 31 - 1 }); for (let n = 0; ; n += 1e6) { r.resize(n); new Uint8Array(r, n > 1e6 ? n - 1e6 : 0).fill(1) }`
  ],
  'many resizable ArrayBuffers': [
    'memoryBytes|throws RangeError|cpuMs',
    `const all = []; for (;;) all.push(new ArrayBuffer(0, { maxByteLength: 2 ** 30 }))`
  ],
  'transfers that grow': [
    'memoryBytes|throws|cpuMs',
    `let b = new ArrayBuffer(1e6); for (let n = 1e6; ; n *= 2) { b = b.transfer(n); new Uint8Array(b).fill(1) }`
  ],
  'typed arrays of floats': [
    'memoryBytes',
    `const all = []; for (;;) all.push(new Float64Array(1e5).fill(1.5))`
  ],
  'one text': ['memoryBytes|throws|gives 120', `return 'x'.repeat(2 ** 29).charCodeAt(0)`],
  'a text that doubles': ['memoryBytes|throws', `let s = 'xy'; for (;;) { s += s; s.charCodeAt(3) }`],
  'a rope that is flattened': [
    'memoryBytes|throws|cpuMs',
    `let s = 'x'.repeat(1000); const all = []; for (;;) { s = s + all.length + s; all.push(s.indexOf('z')); if (s.length > 1e6) s = s.slice(0, 1000) + Math.random() } `
  ],
  'many texts': [
    'memoryBytes',
    `const all = []; for (let i = 0; ; i++) all.push(('text' + i).repeat(1000).toUpperCase())`
  ],
  padding: [
    'memoryBytes|throws',
    `const all = []; for (;;) all.push(''.padStart(2 ** 24, 'ab' + all.length).toUpperCase())`
  ],
  'an array': ['memoryBytes', `const a = []; for (;;) a.push(a.length + 0.5)`],
  'a dense array': ['memoryBytes|throws', `return new Array(1e8).fill(0.5).length`],
  'Array.from': ['memoryBytes|throws|cpuMs', `return Array.from({ length: 2 ** 31 }).length`],
  'an array that doubles by concat': ['memoryBytes|throws', `let a = [1.5]; for (;;) a = a.concat(a)`],
  'an array that flatMaps': ['memoryBytes|throws', `let a = [{}]; for (;;) a = a.flatMap(x => [x, {}])`],
  'holes that are filled': [
    'memoryBytes|throws|cpuMs',
    `const a = []; for (let i = 0; ; i++) a[i * 1000] = { i }`
  ],
  objects: ['memoryBytes', `let list = null; for (;;) list = { list, a: 1.5 }`],
  closures: ['memoryBytes', `let f = () => {}; for (;;) { const g = f; f = () => g }`],
  'a Map': ['memoryBytes|throws', `const m = new Map(); for (let i = 0; ; i++) m.set(i, {})`],
  'a Set of texts': ['memoryBytes|throws', `const m = new Set(); for (let i = 0; ; i++) m.add('key' + i)`],
  'a WeakMap': [
    'memoryBytes|throws|cpuMs',
    `const m = new WeakMap(), all = []; for (;;) { const k = {}; all.push(k); m.set(k, { k }) }`
  ],
  'weak references': ['memoryBytes|throws|cpuMs', `const all = []; for (;;) all.push(new WeakRef({}))`],
  finalizers: [
    'memoryBytes|throws|cpuMs',
    `const r = new FinalizationRegistry(() => {}); const all = []; for (;;) { const k = {}; all.push(k); r.register(k, {}) }`
  ],
  properties: ['memoryBytes|throws', `const o = {}; for (let i = 0; ; i++) o['k' + i] = i`],
  symbols: ['memoryBytes', `const all = []; for (;;) all.push(Symbol('a name of some length'))`],
  'symbols for all': ['memoryBytes|cpuMs', `for (let i = 0; ; i++) Symbol.for('a name of some length' + i)`],
  bigints: ['memoryBytes', `const all = []; for (let i = 0n; ; i++) all.push((1n << 100000n) + i)`],
  'functions compiled': [
    'memoryBytes|cpuMs',
    `const all = []; for (let i = 0; ; i++) all.push(Function('return ' + '[1,2,3],'.repeat(1000) + i))`
  ],
  'patterns compiled': [
    'memoryBytes|cpuMs',
    `const all = []; for (let i = 0; ; i++) all.push(new RegExp('(' + i + ')|' + '[a-z0-9]{1,9}'.repeat(50), 'u'))`
  ],
  'JSON of much': [
    'memoryBytes|throws',
    `const a = new Array(3e6).fill(1e300); return JSON.stringify(a).length`
  ],
  'JSON that nests': ['memoryBytes|throws|cpuMs', `let t = '[]'; for (;;) t = JSON.stringify([t, t])`],
  'errors with stacks': [
    'memoryBytes|cpuMs',
    `const all = []; const f = n => n ? f(n - 1) : new Error('x' + all.length); for (;;) all.push(f(20))`
  ],
  'source text': ['memoryBytes|cpuMs|throws', `return (0, eval)('1;'.repeat(4e6))`],
  generators: [
    'memoryBytes',
    `const all = []; function* g() { yield } for (;;) { const i = g(); i.next(); all.push(i) }`
  ],
  'async functions that wait': [
    'memoryBytes|pendingJobs|cpuMs',
    `const never = new Promise(() => {}); for (;;) (async () => { await never })()`
  ],
  'reactions on one promise': [
    'memoryBytes|cpuMs',
    `const never = new Promise(() => {}); for (;;) never.then(() => {})`
  ],
  proxies: ['memoryBytes|cpuMs', `let p = {}; for (;;) p = new Proxy(p, {})`],
  'bound functions': ['memoryBytes|cpuMs', `let f = () => {}; for (;;) f = f.bind(null, 1)`],
  classes: ['memoryBytes|cpuMs', `let A = Object; for (;;) A = class extends A { a = 1; #b = 2 }`],
  'events and listeners': [
    'memoryBytes|cpuMs',
    `const t = new EventTarget(); for (let i = 0; ; i++) t.addEventListener('e' + i, () => {})`
  ],
  'abort signals': [
    'memoryBytes|cpuMs',
    `let s = new AbortController().signal; const all = []; for (;;) { const c = new AbortController(); c.signal.addEventListener('abort', () => all); all.push(c) }`
  ],
  'console labels': [
    'memoryBytes|cpuMs|outputBytes',
    `for (let i = 0; ; i++) console.time('a label of some length ' + i)`
  ],
  'a margin of the console': ['memoryBytes|cpuMs|outputBytes', `for (;;) console.group()`],
  'text encoded': [
    'memoryBytes|cpuMs',
    `const all = [], e = new TextEncoder(); for (;;) all.push(e.encode('\\u20ac'.repeat(1e5)))`
  ],
  'random bytes kept': [
    'memoryBytes|cpuMs',
    `const all = []; for (;;) all.push(crypto.getRandomValues(new Uint8Array(65536)))`
  ],
  'globals without end': ['memoryBytes|cpuMs', `for (let i = 0; ; i++) globalThis['global' + i] = { i }`]
}
