import type { Family } from '../family.js'

export const tamperingWithTheRuntime: Family = {
  'every primordial overwritten': [
    'gives {"x":[1,"text",{"a":null}],"y":"later"}|throws|cpuMs',
    `const owners = [Object, Function, Array, String, Number, BigInt, Boolean, Symbol, Promise, Map, Set, WeakMap, WeakSet, Uint8Array, ArrayBuffer, DataView, RegExp, Date, Error, TypeError, Reflect, JSON, Math, Proxy, Object.prototype, Function.prototype, Array.prototype, String.prototype, Number.prototype, BigInt.prototype, Promise.prototype, Map.prototype, Set.prototype, WeakMap.prototype, WeakSet.prototype, Uint8Array.prototype, Object.getPrototypeOf(Uint8Array.prototype), ArrayBuffer.prototype, Error.prototype, TypeError.prototype, RegExp.prototype, Object.getPrototypeOf([][Symbol.iterator]()), Object.getPrototypeOf(function* () {}).prototype]
     const { ownKeys, defineProperty } = Reflect
     for (let i = 0; i < owners.length; i++) { const keys = ownKeys(owners[i]); for (let k = 0; k < keys.length; k++) { try { defineProperty(owners[i], keys[k], { __proto__: null, value: function () { throw 'bent' }, configurable: true, writable: true }) } catch {} } }
     return { x: host.echo([1, 'text', { a: null }]), y: await host.later('later') }`
  ],
  'every primordial a getter': [
    'gives {"x":[1,"text"]}|throws|cpuMs|unsupported',
    `const owners = [Object.prototype, Function.prototype, Array.prototype, String.prototype, Promise.prototype, Map.prototype, WeakSet.prototype, Object.getPrototypeOf(Uint8Array.prototype), Object.getPrototypeOf([][Symbol.iterator]())]
     const { ownKeys, defineProperty } = Reflect
     for (let i = 0; i < owners.length; i++) { const keys = ownKeys(owners[i]); for (let k = 0; k < keys.length; k++) { try { defineProperty(owners[i], keys[k], { __proto__: null, get() { throw 'bent' }, set() { throw 'bent' }, configurable: true }) } catch {} } }
     return { x: host.echo([1, 'text']) }`
  ],
  'every global deleted': [
    'gives [1,"later"]',
    `const { echo, later } = host; const keys = Reflect.ownKeys(globalThis); for (const k of keys) try { delete globalThis[k] } catch {} return [echo(1), await later('later')]`
  ],
  'every global replaced': [
    'gives [1,"later"]',
    `const { echo, later } = host; for (const k of Reflect.ownKeys(globalThis)) try { if (k !== 'globalThis') globalThis[k] = () => { throw 'bent' } } catch {} return [echo(1), await later('later')]`
  ],
  'the way that links modules': ['gives "undefined"', `return typeof __coffer`],
  'the way that links modules, earlier': [
    'gives "undefined"',
    `module: const seen = typeof globalThis.__coffer; export const attack = () => seen`
  ],
  'the way that links modules, made anew': [
    'gives 1',
    `Object.defineProperty(globalThis, '__coffer', { get() { for (;;); }, configurable: true }); return host.echo(1)`
  ],
  'indices on prototypes that catch messages': [
    'gives [0,"echo"]',
    `let seen = 0; try { for (let i = 0; i < 64; i++) Object.defineProperty(Object.prototype, i, { set() { seen++ }, get() { seen++ }, configurable: true }) } catch {} const x = host.echo('echo'); return [seen, x]`
  ],
  'typed arrays that catch messages': [
    'gives [0,"echo"]',
    `let seen = 0; const T = Object.getPrototypeOf(Uint8Array); for (const k of ['set', 'subarray', 'slice', 'fill', 'buffer', 'length', 'byteOffset', 'byteLength']) { try { const d = Object.getOwnPropertyDescriptor(T.prototype, k); const f = d.value ?? d.get; Object.defineProperty(T.prototype, k, d.value ? { value() { seen++; return Reflect.apply(f, this, arguments) } } : { get() { seen++; return Reflect.apply(f, this, []) } }) } catch {} } const x = host.echo('echo'); return [seen, x]`
  ],
  'a species of typed arrays': [
    'gives "echo"',
    `try { Object.defineProperty(Object.getPrototypeOf(Uint8Array), Symbol.species, { get() { throw 'bent' } }) } catch {} return host.echo('echo')`
  ],
  'Uint8Array replaced': [
    'gives [1,2]',
    `globalThis.Uint8Array = class { constructor() { throw 'bent' } }; return [...host.bytes2()]`
  ],
  'Map and WeakSet bent': [
    'unsupported',
    `try { WeakSet.prototype.has = () => false; WeakSet.prototype.add = () => {}; Map.prototype.get = () => undefined } catch {} return new Proxy({}, { ownKeys() { for (;;); } })`
  ],
  'Function.prototype.call bent': [
    'gives "echo"',
    `try { Function.prototype.call = Function.prototype.apply = Function.prototype.bind = () => { throw 'bent' } } catch {} return host.echo('echo')`
  ],
  'the console replaced': [
    'gives 1',
    `globalThis.console = null; Promise.reject(new Error('x')); await 0; return 1`
  ],
  'methods of the console bent by a prototype': [
    'gives 1',
    `try { String.prototype.replaceAll = () => { for (;;); }; Array.prototype.map = () => { for (;;); } } catch {} return 1`
  ],
  'setTimeout replaced': [
    'gives 1',
    `const { setTimeout: t } = globalThis; globalThis.setTimeout = () => { for (;;); }; return new Promise(r => t(r, 1, 1))`
  ],
  'the clock bent': [
    'gives true',
    `try { Date.now = () => NaN; performance.now = () => NaN } catch {} return new Promise(r => setTimeout(r, 5, true))`
  ],
  'Math.floor bent': [
    'gives true',
    `try { Math.floor = Math.min = Math.max = () => NaN } catch {} return new Promise(r => setTimeout(r, 5, true))`
  ],
  'a host function with properties': [
    'gives "echo"',
    `try { host.echo.call = null; host.echo.toString = () => 'x'; Object.setPrototypeOf(host.echo, null) } catch {} return host.echo('echo')`
  ],
  'the module of host functions written to': [
    'gives "echo"|throws TypeError',
    `try { host.echo = () => 'bent' } catch {} return host.echo('echo')`
  ],
  'Error replaced': [
    'throws',
    `try { globalThis.Error = globalThis.TypeError = function () { for (;;); } } catch {} host.fail()`
  ],
  'Error.prototype bent': [
    'throws RangeError|throws',
    `try { Object.defineProperty(Error.prototype, 'name', { get() { for (;;); } }); Object.defineProperty(Error.prototype, 'message', { get() { for (;;); } }) } catch {} host.fail()`
  ],
  'the source of the runtime': [
    'gives "none"',
    `return find(() => [console.log, setTimeout, host.echo, URL, structuredClone].map(f => Function.prototype.toString.call(f)).find(t => /native\\.send|TO_HOST/.test(t)))`
  ],
  'a message of its own': [
    'gives []',
    `const found = []; for (const k of ['send', 'receive', 'native', 'link', 'dispatch', 'postMessage', 'onmessage', 'read', 'write']) if (k in globalThis || k in console || k in host.echo) found.push(k); return found`
  ]
}
