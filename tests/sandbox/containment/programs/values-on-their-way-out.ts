import type { Family } from '../family.js'

export const valuesOnTheirWayOut: Family = {
  'a getter in the result': ['unsupported', `return { get a() { for (;;); } }`],
  'a getter deep in the result': ['unsupported', `return { a: [{ b: { get c() { for (;;); } } }] }`],
  'a getter in an array': [
    'unsupported',
    `const a = [1]; Object.defineProperty(a, 0, { get() { for (;;); } }); return a`
  ],
  'toJSON in the result': ['unsupported', `return { toJSON() { for (;;); } }`],
  'toJSON on a prototype': [
    'gives {"a":1}',
    `try { Object.prototype.toJSON = () => { for (;;); } } catch {} return { a: 1 }`
  ],
  'a proxy as the result': ['unsupported', `return new Proxy({}, { ownKeys() { for (;;); } })`],
  'a proxy in the result': ['unsupported', `return [{ a: new Proxy([], { get() { for (;;); } }) }]`],
  'a proxy as the prototype': [
    'unsupported',
    `return Object.create(new Proxy({}, { getPrototypeOf() { for (;;); } }))`
  ],
  'a proxy made by a proxy of Proxy': [
    'unsupported',
    `const P = new Proxy(Proxy, {}); return new P({}, { ownKeys() { for (;;); } })`
  ],
  'a proxy by Reflect.construct': [
    'unsupported',
    `return Reflect.construct(Proxy, [{}, { ownKeys() { for (;;); } }])`
  ],
  'a proxy by Proxy.revocable': [
    'unsupported',
    `return Proxy.revocable({}, { ownKeys() { for (;;); } }).proxy`
  ],
  'a cycle': ['valueDepth', `const a = {}; a.a = a; return a`],
  'a deep array': ['valueDepth', `let a = []; for (let i = 0; i < 1e5; i++) a = [a]; return a`],
  // Made at once: whether one that grows by steps fits is up to where in the heap it begins.
  'a wide array': ['valueItems', `return [].toReversed.call({ length: 1000001 })`],
  'a wide array of holes': ['valueItems', `return new Array(4294967295)`],
  'a shared tree that doubles at each level': [
    'valueItems',
    `let a = [1]; for (let i = 0; i < 40; i++) a = [a, a]; return a`
  ],
  'many large texts that are one': [
    'valueBytes|memoryBytes|cpuMs',
    `const t = 'x'.repeat(1e6); return Array(1000).fill(t)`
  ],
  'many bytes that are one': [
    'valueBytes|memoryBytes|cpuMs',
    `const b = new Uint8Array(1e6); return Array(1000).fill(b)`
  ],
  'a bigint of megabytes': [
    'unsupported|cpuMs|valueBytes|throws RangeError|gives 1|outputBytes',
    `return 1n << 9000000n`
  ],
  'text of lone surrogates': ['gives true', `const t = '\\ud800'.repeat(1e5); return host.echo(t) === t`],
  'a class instance': ['unsupported', `return new (class A { constructor() { this.a = 1 } })()`],
  'a typed array of another kind': ['unsupported', `return new Float64Array(1)`],
  'a detached buffer': [
    'gives {}|unsupported|throws|gives nothing',
    `const b = new Uint8Array(8); try { structuredClone(b.buffer, { transfer: [b.buffer] }) } catch {} return b`
  ],
  'a typed array whose length lies': [
    'gives 8',
    `const b = new Uint8Array(8); try { Object.defineProperty(b, 'length', { value: 2 ** 31 }) } catch {} return host.size(b)`
  ],
  'a typed array whose buffer lies': [
    'gives 8',
    `const b = new Uint8Array(8); try { Object.defineProperty(b, 'buffer', { value: new ArrayBuffer(1) }) } catch {} return host.size(b)`
  ],
  'a typed array whose tag lies': [
    'unsupported',
    `const b = new Float32Array(8); Object.defineProperty(b, Symbol.toStringTag, { value: 'Uint8Array' }); return b`
  ],
  'an object whose tag says bytes': [
    'gives {}|unsupported',
    `return { __proto__: null, [Symbol.toStringTag]: 'Uint8Array' }`
  ],
  'a resizable buffer that shrinks': [
    'gives true',
    `const r = new ArrayBuffer(1000, { maxByteLength: 2000 }); const b = new Uint8Array(r); try { r.resize(10) } catch {} const n = host.size(b); return n === 10 || n === 1000`
  ],
  'a resizable buffer out of bounds': [
    'gives true|throws TypeError',
    `const r = new ArrayBuffer(1000, { maxByteLength: 2000 }); const b = new Uint8Array(r, 500, 500); try { r.resize(10) } catch {} const n = host.size(b); return n === 0 || n === 500`
  ],
  'arguments with a getter': [
    'gives "TypeError"',
    `try { host.echo({ get a() { for (;;); } }) } catch (e) { return e.name }`
  ],
  'arguments with a proxy': [
    'gives "TypeError"',
    `try { host.echo(new Proxy([], {})) } catch (e) { return e.name }`
  ],
  'arguments with a function': [
    'gives "TypeError"',
    `try { host.echo(() => {}) } catch (e) { return e.name }`
  ],
  'arguments without end': [
    'gives "TypeError"|throws',
    `try { host.echo(...Array(60000).fill(Array(60000).fill(0))) } catch (e) { return e.name === 'TypeError' || e.name === 'RangeError' || e.name === 'InternalError' ? 'TypeError' : e.name }`
  ],
  'keys that are prototypes': [
    'gives true',
    `const o = JSON.parse('{"__proto__": {"polluted": 1}, "constructor": {"prototype": {"polluted": 1}}}'); const back = host.echo(o); return ({}).polluted === undefined && Object.hasOwn(back, '__proto__')`
  ],
  'a setter on Object.prototype for a key': [
    'gives {"x":1}',
    `let seen; try { Object.defineProperty(Object.prototype, 'x', { set(v) { seen = v }, get() { return seen }, configurable: true }) } catch {} return host.echo({ __proto__: null, x: 1 })`
  ],
  'a setter on Array.prototype for an index': [
    'gives [1,2]',
    `try { Object.defineProperty(Array.prototype, 0, { set() {}, get() { return 'bent' }, configurable: true }) } catch {} return host.echo([1, 2])`
  ]
}
