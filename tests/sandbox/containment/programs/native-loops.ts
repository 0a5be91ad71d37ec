import type { Family } from '../family.js'

export const nativeLoops: Family = {
  'an empty loop': ['cpuMs', `for (;;);`],
  'a loop that swallows errors': ['cpuMs', `for (;;) { try { for (;;); } catch {} finally { continue } }`],
  'a join of holes': ['cpuMs|memoryBytes|throws', `return (new Array(1e9) + '').length`],
  'indexOf of an array-like': ['cpuMs', `[].indexOf.call({ length: 2 ** 53 - 1 }, 1)`],
  'lastIndexOf of an array-like': ['cpuMs', `[].lastIndexOf.call({ length: 2 ** 53 - 1 }, 1)`],
  'includes of an array-like': ['cpuMs', `[].includes.call({ length: 2 ** 53 - 1 }, 1)`],
  'reverse of an array-like': ['cpuMs|memoryBytes', `[].reverse.call({ length: 2 ** 53 - 1 })`],
  'unshift on an array-like': ['cpuMs|memoryBytes', `[].unshift.call({ length: 2 ** 53 - 2 }, 1)`],
  'splice of an array-like': ['cpuMs|memoryBytes|throws', `[].splice.call({ length: 2 ** 53 - 1 }, 0, 1)`],
  'copyWithin of an array-like': ['cpuMs|memoryBytes', `[].copyWithin.call({ length: 2 ** 53 - 1 }, 1, 0)`],
  'fill of an array-like': ['cpuMs|memoryBytes', `[].fill.call({ length: 2 ** 53 - 1 }, 1)`],
  'sort of an array-like': ['cpuMs|memoryBytes|throws', `[].sort.call({ length: 2 ** 31 })`],
  'flat of an array-like': ['cpuMs|memoryBytes|gives []', `return [].flat.call({ length: 2 ** 53 - 1 })`],
  'findLast on an array-like': ['cpuMs', `[].findLast.call({ length: 2 ** 53 - 1 }, () => false)`],
  'every on an array-like': ['cpuMs', `[].every.call({ length: 2 ** 53 - 1 }, () => true)`],
  'String.raw of an array-like': ['cpuMs|memoryBytes|throws', `String.raw({ raw: { length: 2 ** 53 - 1 } })`],
  'String.fromCharCode of many': [
    'cpuMs|throws|memoryBytes',
    `for (;;) String.fromCharCode.apply(null, { length: 60000 })`
  ],
  'Reflect.apply with an array-like': [
    'cpuMs|throws|memoryBytes',
    `Reflect.apply(Math.max, null, { length: 2 ** 31 })`
  ],
  'a bigint power': ['cpuMs|throws|memoryBytes', `return String(7n ** 10000000n).length`],
  'bigints in decimal': ['cpuMs', `const b = 1n << 500000n; for (;;) b.toString()`],
  'bigints from decimal': ['cpuMs', `for (;;) BigInt('7'.repeat(100000))`],
  'a division of bigints': ['cpuMs', `const a = 1n << 900000n, b = (1n << 400000n) - 1n; for (;;) a / b`],
  'a comparator without end': ['cpuMs', `[3, 2, 1].sort(() => { for (;;); })`],
  'a comparator that lies': [
    'cpuMs',
    `for (;;) Array.from({ length: 5000 }, (_, i) => i).sort(() => Math.random() - 0.5)`
  ],
  'sorts of text': [
    'cpuMs',
    `const a = Array.from({ length: 20000 }, (_, i) => 'k' + i); for (;;) a.slice().sort()`
  ],
  'block copies': ['cpuMs', `const a = new Uint8Array(4e6); for (;;) a.copyWithin(1, 0)`],
  'block fills': ['cpuMs', `const a = new Uint8Array(4e6); for (;;) a.fill(1)`],
  'sets of typed arrays': [
    'cpuMs',
    `const a = new Uint8Array(2e6), b = new Float32Array(2e6 / 4); for (;;) b.set(a.subarray(0, b.length))`
  ],
  'slices of a buffer': ['cpuMs|memoryBytes', `const a = new ArrayBuffer(4e6); for (;;) a.slice(0)`],
  'text comparison': ['cpuMs', `const a = 'x'.repeat(4e5), b = 'x'.repeat(4e5); for (;;) a.localeCompare(b)`],
  'searching text': ['cpuMs', `const a = 'x'.repeat(4e6); for (;;) a.indexOf('y')`],
  'searching text for much': [
    'cpuMs',
    `const a = 'ab'.repeat(2e5), b = 'ab'.repeat(1e5) + 'c'; for (;;) a.indexOf(b)`
  ],
  'replacing in text': ['cpuMs|memoryBytes', `const a = 'x'.repeat(1e5); for (;;) a.replaceAll('x', 'yy')`],
  'splitting text': ['cpuMs|memoryBytes', `const a = 'x'.repeat(1e5); for (;;) a.split('')`],
  'normalizing text': ['cpuMs', `const a = '\\u00e9'.repeat(2e5); for (;;) a.normalize('NFD')`],
  'changing case': ['cpuMs|memoryBytes', `const a = '\\u0130'.repeat(2e5); for (;;) a.toLowerCase()`],
  'parsing numbers': ['cpuMs', `const a = '1'.repeat(1e5); for (;;) Number(a)`],
  'writing numbers': ['cpuMs', `for (;;) (1.7e308).toFixed(100) + (5e-324).toPrecision(100)`],
  'JSON of much': [
    'cpuMs|memoryBytes',
    `const a = new Array(1e5).fill(1); for (;;) JSON.parse(JSON.stringify(a))`
  ],
  'JSON with a reviver': [
    'cpuMs',
    `const t = JSON.stringify(Array(1000).fill(0)); for (;;) JSON.parse(t, (k, v) => v)`
  ],
  'JSON of a proxy that asks itself': [
    'cpuMs|throws|memoryBytes',
    `JSON.stringify(new Proxy({}, { ownKeys: () => ['a'], getOwnPropertyDescriptor: () => ({ enumerable: true, configurable: true, value: 1 }), get: () => { for (;;); } }))`
  ],
  'encoding a URI': ['cpuMs|memoryBytes', `const a = '\\u20ac'.repeat(1e5); for (;;) encodeURIComponent(a)`],
  'escaping text': ['cpuMs|memoryBytes', `const a = '\\u20ac'.repeat(1e5); for (;;) escape(a)`],
  base64: ['cpuMs|memoryBytes', `const a = 'x'.repeat(1e5); for (;;) atob(btoa(a))`],
  'a URL of much': ['cpuMs|memoryBytes', `const a = 'http://x/' + 'a/../'.repeat(5e4); for (;;) new URL(a)`],
  'search parameters of much': [
    'cpuMs|memoryBytes',
    `const a = 'a=1&'.repeat(5e4); for (;;) new URLSearchParams(a).sort()`
  ],
  'structuredClone of much': [
    'cpuMs|memoryBytes',
    `const a = Array(1e4).fill({ a: 1 }); for (;;) structuredClone(a)`
  ],
  'a generator without end': ['cpuMs', `for (const x of (function* () { for (;;) yield })());`],
  'spreading without end': ['cpuMs|memoryBytes|throws', `[...(function* () { for (;;) yield })()]`],
  'destructuring without end': [
    'cpuMs|memoryBytes|throws',
    `const [...all] = { [Symbol.iterator]: () => ({ next: () => ({ done: false }) }) }`
  ],
  'an iterator whose return never ends': [
    'cpuMs',
    `for (const x of { [Symbol.iterator]: () => ({ next: () => ({ done: false }), return() { for (;;); } }) }) break`
  ],
  'a Map that grows as it is walked': [
    'cpuMs|memoryBytes',
    `const m = new Map([[0, 0]]); for (const [k] of m) { m.delete(k); m.set(k + 1, 0) }`
  ],
  'a getter while spreading': ['cpuMs', `({ ...{ get x() { for (;;); } } })`],
  'Object.keys of a proxy': ['cpuMs', `Object.keys(new Proxy({}, { ownKeys() { for (;;); } }))`],
  'instanceof of a proxy': ['cpuMs', `({}) instanceof new Proxy(function () {}, { get() { for (;;); } })`],
  'a toString while sorting': ['cpuMs', `[{ toString() { for (;;); } }, 1].sort()`],
  'a valueOf while adding': ['cpuMs', `1 + { valueOf() { for (;;); } }`],
  'a tagged template': ['cpuMs', `(() => { for (;;); })\`x\``],
  'eval of a loop': ['cpuMs', `(0, eval)('for (;;);')`],
  'a cleanup that walks': [
    'cpuMs|memoryBytes',
    `for (;;) { let list = null; for (let i = 0; i < 1e5; i++) list = { list } }`
  ],
  'a loop while it starts': ['cpuMs', `module: for (;;); export const attack = () => 1`],
  'a loop in a static block': [
    'cpuMs',
    `module: class A { static { for (;;); } } export const attack = () => 1`
  ],
  'a top-level await loop': ['cpuMs', `module: for (;;) await 0; export const attack = () => 1`],
  'compiling without end': ['cpuMs|memoryBytes', `for (;;) (0, eval)('(' + '1+'.repeat(5e4) + '1)')`],
  'compiling deep nesting': [
    'cpuMs|throws|memoryBytes',
    `for (;;) try { (0, eval)('['.repeat(1e5)) } catch {}`
  ],
  'dates without end': ['cpuMs', `for (;;) new Date(8.64e15).toISOString() + Date.parse('x'.repeat(1e4))`]
}
