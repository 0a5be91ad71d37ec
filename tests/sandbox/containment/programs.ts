/**
 * Hostile programs, as data: what each tries, and how it must end. `npm test` and `npm run containment` run them.
 *
 * A program is the body of an async function `attack`, in a module that has all of `coffer:host` as `host` (see
 * arena.ts); or, where it begins with `module:`, a whole module. `(depth)` and the like stand for nothing special.
 *
 * How it ends, one of several where they are joined by `|`:
 *
 *   `gives X`       the call resolves with X, as JSON (undefined is `nothing`)
 *   `throws N`      the call rejects with a GuestError called N; `throws`: of whatever name
 *   `unsupported`   the call rejects with COFFER_VALUE_UNSUPPORTED
 *   `invalid`       the program is refused before it runs: COFFER_PROGRAM_INVALID
 *   `cpuMs` etc.    the limit of this name was passed
 */
export type Ending = string

/** Either for all engines, or apart. */
export type Endings = Ending | { readonly quickjs: Ending; readonly ses: Ending }

export interface Hostile {
  readonly family: string
  readonly name: string
  readonly source: string
  readonly ends: Endings
}

const STACK = 'throws RangeError|throws InternalError'

type Family = Readonly<Record<string, readonly [Endings, string]>>

const FAMILIES: Readonly<Record<string, Family>> = {
  // Ways to the host's realm. What is found is reported as text, so that nothing found reads `none`.
  'constructor chains': {
    'Function of a function': [
      'gives "none"',
      `return find(() => (() => {}).constructor('return process')())`
    ],
    'Function of an async function': [
      'gives "none"',
      `return find(() => (async () => {}).constructor('return process')())`
    ],
    'Function of a generator': [
      'gives "none"',
      `return find(() => (function* () {}).constructor('return process')().next().value)`
    ],
    'Function of an async generator': [
      'gives "none"',
      `return find(() => (async function* () {}).constructor('return process')().next())`
    ],
    'Function of a host function': [
      'gives "none"',
      `return find(() => host.echo.constructor('return process')())`
    ],
    'Function of an async host function': [
      'gives "none"',
      `return find(() => host.later.constructor('return process')())`
    ],
    'Function of what a host function gave': [
      'gives "none"',
      `return find(() => host.echo({ a: [1] }).a.constructor.constructor('return process')())`
    ],
    'Function of bytes that a host function gave': [
      'gives "none"',
      `return find(() => host.echo(new Uint8Array(4)).buffer.constructor.constructor('return process')())`
    ],
    'Function of an error that a host function threw': [
      'gives "none"',
      `try { host.fail() } catch (e) { return find(() => e.constructor.constructor('return process')()) }`
    ],
    'Function of a promise that a host function gave': [
      'gives "none"',
      `const p = host.later(1); return find(() => p.constructor.constructor('return process')())`
    ],
    'Function of an error of the engine': [
      'gives "none"',
      `try { null.x } catch (e) { return find(() => e.constructor.constructor('return process')()) }`
    ],
    'Function of a stack overflow': [
      'gives "none"',
      `const f = () => f() + 1; try { f() } catch (e) { return find(() => e.constructor.constructor('return process')()) }`
    ],
    'Function of the console': [
      'gives "none"',
      `return find(() => console.log.constructor('return process')())`
    ],
    'Function of a timer': ['gives "none"', `return find(() => setTimeout.constructor('return process')())`],
    'Function of the arguments': [
      'gives "none"',
      `return find(() => (function () { return arguments.constructor.constructor('return process')() })())`
    ],
    'Function of import.meta': [
      'gives "none"',
      `return find(() => Object.getPrototypeOf(import.meta)?.constructor.constructor('return process')())`
    ],
    'Function of the module namespace': [
      'gives "none"',
      `return find(() => host.constructor?.constructor('return process')())`
    ],
    'a class that extends Function': [
      'gives "none"',
      `return find(() => new (class extends Function {})('return process')())`
    ],
    'Reflect.construct of Function': [
      'gives "none"',
      `return find(() => Reflect.construct(Function, ['return process'])())`
    ],
    'this of a sloppy function': ['gives "none"', `return find(() => Function('return this')().process)`],
    'this of an indirect eval': ['gives "none"', `return find(() => (0, eval)('this').process)`],
    'a caller above': [
      'gives "none"',
      `return find(() => Function('return arguments.callee.caller')()?.caller)`
    ],
    'a caller of a getter': [
      'gives "none"',
      `let seen; const o = { get a() { seen = Function('return arguments.callee.caller')(); return 1 } }; try { host.echo(o) } catch {} return find(() => seen)`
    ],
    'the names of a process': [
      'gives []',
      `return ['process', 'require', 'module', 'exports', 'Buffer', 'global', '__dirname', 'fetch', 'WebAssembly', 'SharedArrayBuffer', 'Atomics', 'Intl', 'Worker', 'std', 'os', 'bjson', 'scriptArgs', 'print', 'load', 'Deno', 'Bun', '__coffer', 'Compartment', 'lockdown', 'harden', 'gc', 'd8', 'setImmediate'].filter(name => { try { return (0, eval)('typeof ' + name) !== 'undefined' } catch { return false } })`
    ],
    'names on the prototypes of the global': [
      'gives []',
      `const found = []; for (let o = globalThis; o; o = Object.getPrototypeOf(o)) for (const k of Reflect.ownKeys(o)) if (/process|require|host|native|coffer/i.test(String(k))) found.push(String(k)); return found`
    ],
    'unscopables of the global': [
      'gives "none"',
      `return find(() => { globalThis[Symbol.unscopables] = { find: true, host: true }; const found = globalThis.process; delete globalThis[Symbol.unscopables]; return found })`
    ],
    'symbols that engines listen to': [
      'gives "none"',
      `return find(() => Object.getOwnPropertySymbols(globalThis).map(s => globalThis[s]).find(v => typeof v === 'function' && v.constructor('return process')()))`
    ]
  },

  'error hooks': {
    'prepareStackTrace that keeps frames': [
      'gives "none"',
      `let frames; try { Error.prepareStackTrace = (e, f) => { frames = f; return '' } } catch {} void new Error('x').stack; return find(() => Array.isArray(frames) ? frames.map(f => f.getThis?.() ?? f.getFunction?.()).find(x => x !== undefined && x !== null) : undefined)`
    ],
    'prepareStackTrace that never ends': [
      'cpuMs|gives 1',
      `try { Error.prepareStackTrace = () => { for (;;); } } catch {} void new Error('x').stack; return 1`
    ],
    'prepareStackTrace during a refusal of the host': [
      'gives true',
      `try { Error.prepareStackTrace = () => { throw 1 } } catch {} try { host.echo(() => {}) } catch (e) { return true }`
    ],
    'prepareStackTrace that calls the host': [
      'gives "TypeError"',
      `try { Error.prepareStackTrace = () => { host.echo('again'); return 'x' } } catch {} try { host.echo(() => {}) } catch (e) { return e.name }`
    ],
    'captureStackTrace on a host function': [
      'gives "ok"',
      `try { Error.captureStackTrace?.(host.echo) } catch {} return host.echo('ok')`
    ],
    'captureStackTrace with a setter': [
      'gives "none"',
      `let seen; try { Error.captureStackTrace?.({ set stack(v) { seen = v } }) } catch {} return find(() => typeof seen === 'string' && /node:|file:|\\/sandbox\\//.test(seen) ? seen : undefined)`
    ],
    'stackTraceLimit without end': [
      'gives "none"',
      `try { Error.stackTraceLimit = Infinity } catch {} const f = n => n ? f(n - 1) : new Error('x').stack; return find(() => /node:|file:|session|machine|child\\.js|remote/.test(f(50)) || undefined)`
    ],
    'stackTraceLimit that is an object': [
      'gives 1',
      `try { Error.stackTraceLimit = { valueOf() { throw 1 } } } catch {} try { null.x } catch (e) { void e.stack } return 1`
    ],
    'a message that is a getter': ['throws Error', `throw { get message() { for (;;); } }`],
    'a name that is a getter': [
      'throws Error|throws RangeError',
      `const e = new RangeError('x'); Object.defineProperty(e, 'name', { get() { for (;;); } }); throw e`
    ],
    'a stack that is a getter': [
      'throws Error',
      `const e = new Error('x'); Object.defineProperty(e, 'stack', { get() { for (;;); } }); throw e`
    ],
    'a thrown proxy': [
      'throws',
      `throw new Proxy(new Error('x'), { get() { for (;;); }, getPrototypeOf() { for (;;); }, getOwnPropertyDescriptor() { for (;;); } })`
    ],
    'a thrown revoked proxy': [
      'throws',
      `const { proxy, revoke } = Proxy.revocable({}, {}); revoke(); throw proxy`
    ],
    'a thrown object over a proxy': [
      'throws',
      `throw Object.create(new Proxy({}, { getOwnPropertyDescriptor() { for (;;); }, getPrototypeOf() { for (;;); } }))`
    ],
    'a thrown function': ['throws Error', `throw Object.assign(() => {}, { toString() { for (;;); } })`],
    'a thrown symbol': ['throws Error', `throw Symbol('s')`],
    'a thrown object whose toString never ends': [
      'throws Error',
      `throw { toString() { for (;;); }, [Symbol.toPrimitive]() { for (;;); } }`
    ],
    'a message of many megabytes': ['throws Error', `throw new Error('x'.repeat(4e6))`],
    'a name and a stack of many megabytes': [
      'throws',
      `throw Object.assign(new Error('m'), { name: 'n'.repeat(2e6), stack: '    at x (title.js:1:1)\\n'.repeat(1e5) })`
    ],
    'a stack that names files of the host': [
      'throws Error',
      `const e = new Error('m'); e.stack = '    at /etc/passwd:1:1\\n    at f (file:///etc/shadow:2:2)'; throw e`
    ],
    'a cause without end': ['throws Error', `const e = new Error('a'); e.cause = e; throw e`],
    'an aggregate of many errors': [
      'throws',
      `throw new AggregateError(Array.from({ length: 1e4 }, () => new Error('x')), 'many')`
    ],
    'an error thrown while stringifying an error': [
      'gives "inner"',
      `try { String(Object.assign(new Error('x'), { toString() { throw new Error('inner') } })) } catch (e) { return e.message }`
    ],
    'an error of a limit made by hand': [
      'throws CofferError',
      `throw Object.assign(new Error('The title was ended'), { name: 'CofferError', code: 'COFFER_LIMIT_CPU' })`
    ],
    'hasInstance of TypeError': [
      'unsupported|throws',
      `try { Object.defineProperty(TypeError, Symbol.hasInstance, { value() { for (;;); } }) } catch {} return () => {}`
    ]
  },

  thenables: {
    'a thenable as the result': ['unsupported', `return { a: { then(done) { done(1) } } }`],
    'a thenable that never calls back': ['cpuMs|wallMs', `await { then() {} }`],
    'a thenable of thenables': ['cpuMs', `const t = { then(done) { done(t) } }; await t`],
    'a thenable that calls back twice': [
      'gives 1',
      `return await { then(done, fail) { done(1); done(2); fail(3) } }`
    ],
    'a promise that resolves with itself': [
      'throws TypeError',
      `let done; const p = new Promise(d => done = d); done(p); await p`
    ],
    'a subclass of Promise as the result': ['gives 5', `class P extends Promise {} return P.resolve(5)`],
    'a promise whose then is its own': [
      'gives "real"|unsupported|throws|wallMs',
      `const p = Promise.resolve('real'); p.then = () => { for (;;); }; return { __proto__: null, p: 1 } && 'real'`
    ],
    'a promise whose constructor is its own': [
      'gives 5|throws Error',
      `const p = Promise.resolve(5); Object.defineProperty(p, 'constructor', { get() { throw new Error('seen') } }); try { return await p } catch { return 5 }`
    ],
    'a species of Promise': [
      'gives 7|unsupported',
      `try { Object.defineProperty(Promise, Symbol.species, { get() { throw new Error('species') } }) } catch {} return 7`
    ],
    'Promise.prototype.then taken over': [
      'gives "given"',
      `let seen = 0; try { Promise.prototype.then = function () { seen++ ; return this } } catch {} const x = await host.later('given'); return seen > 0 && x !== 'given' ? 'bent' : x`
    ],
    'Promise.resolve taken over': [
      'gives "given"',
      `try { Promise.resolve = () => ({ then(done) { done('bent') } }) } catch {} return await host.later('given')`
    ],
    'a proxy of a promise as the result': [
      'unsupported|throws',
      `return { p: new Proxy(Promise.resolve(1), {}) }`
    ],
    'a then on Object.prototype': [
      'gives {"a":1}',
      `try { Object.defineProperty(Object.prototype, 'then', { get() { return undefined }, configurable: true }) } catch {} return host.echo({ a: 1 })`
    ],
    'an export that is a thenable': [
      'unsupported',
      `module: export const attack = () => ({ then(done) { done('taken in') } })`
    ],
    'a module with an export called then': [
      'gives 3',
      `module: export const then = (done) => done('bent'); export const attack = () => 3`
    ]
  },

  'values on their way out': {
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
  },

  'import tricks': {
    'import() of a file': [
      { quickjs: 'gives "refused"', ses: 'invalid' },
      `try { await import('/etc/passwd'); return 'in' } catch { return 'refused' }`
    ],
    'import() of a built-in': [
      { quickjs: 'gives "refused"', ses: 'invalid' },
      `try { await import('node:fs'); return 'in' } catch { return 'refused' }`
    ],
    'import() of data': [
      { quickjs: 'gives "refused"', ses: 'invalid' },
      `try { await import('data:text/javascript,export default 1'); return 'in' } catch { return 'refused' }`
    ],
    'import() of std': [
      { quickjs: 'gives "refused"', ses: 'invalid' },
      `try { await import('std'); return 'in' } catch { return 'refused' }`
    ],
    'import() of the program itself': [
      { quickjs: 'gives "refused"|gives "itself"', ses: 'invalid' },
      `try { const self = await import('title.js'); return Object.keys(self).every(k => k === 'attack') ? 'itself' : 'in' } catch { return 'refused' }`
    ],
    'import() of what was not granted': [
      { quickjs: 'gives "refused"', ses: 'invalid' },
      `try { await import('coffer:save'); return 'in' } catch { return 'refused' }`
    ],
    'import() of our own modules': [
      { quickjs: 'gives "refused"', ses: 'invalid' },
      `for (const name of ['coffer:begin', 'coffer:begin/0', 'coffer:sdk', 'coffer:driver', 'coffer:boot']) { try { await import(name); return name } catch {} } return 'refused'`
    ],
    'import() in eval': [
      'gives "refused"',
      `try { await (0, eval)('im' + 'port("node:fs")'); return 'in' } catch { return 'refused' }`
    ],
    'import() in Function': [
      'gives "refused"',
      `try { await Function('return im' + 'port("node:fs")')(); return 'in' } catch { return 'refused' }`
    ],
    'import() with a name whose toString never ends': [
      { quickjs: 'cpuMs', ses: 'invalid' },
      `await import({ toString() { for (;;); } })`
    ],
    'a static import of a built-in': [
      'invalid',
      `module: import fs from 'node:fs'; export const attack = () => 1`
    ],
    'a static import of a path': [
      'invalid',
      `module: import x from './secret.js'; export const attack = () => 1`
    ],
    'a static import of data': [
      'invalid',
      `module: import x from 'data:text/javascript,export default 1'; export const attack = () => 1`
    ],
    'a static import of what was not granted': [
      'invalid',
      `module: import * as net from 'coffer:net'; export const attack = () => 1`
    ],
    'an import of an export that is not there': [
      'invalid',
      `module: import { missing } from 'coffer:host'; export const attack = () => 1`
    ],
    'an import of __proto__': [
      'invalid',
      `module: import { __proto__ as p } from 'coffer:host'; export const attack = () => typeof p`
    ],
    'an import with attributes': [
      'invalid|gives 1',
      `module: import x from 'coffer:host' with { type: 'json' }; export const attack = () => 1`
    ],
    'a re-export of a built-in': [
      'invalid',
      `module: export * from 'node:os'; export const attack = () => 1`
    ],
    'a name with a line break': [
      'invalid',
      `module: import x from 'coffer:host\\nimport y'; export const attack = () => 1`
    ],
    'the address of the module': [
      'gives true',
      `return !/\\/|file:|http/.test(String(import.meta.url ?? ''))`
    ],
    'import.meta.resolve': ['gives "undefined"', `return typeof import.meta.resolve`],
    'a source map comment': [
      'gives 1',
      `module: export const attack = () => 1\n//# sourceMappingURL=file:///etc/passwd`
    ],
    'a sourceURL comment': [
      'throws Error',
      `module: export const attack = () => { throw new Error('x') }\n//# sourceURL=/etc/passwd`
    ],
    'eval with a sourceURL comment': [
      'throws Error',
      `(0, eval)('throw new Error("x") //# sourceURL=/etc/passwd')`
    ],
    'a program that ends a function': [
      'invalid',
      `module: export const attack = () => 1 }).call(undefined)}); process.exit(1); (function(){ (function(){`
    ],
    'a program that closes a comment': [
      'invalid',
      `module: */ process.exit(1) /* export const attack = () => 1`
    ],
    'a hashbang': ['gives 1', `module: #!/bin/sh\nexport const attack = () => 1`],
    'an HTML comment': ['invalid|gives 1', `module: <!-- x\nexport const attack = () => 1`],
    'names that the rewriter uses': [
      'gives "object"|gives "undefined"|invalid',
      `module: export const attack = () => typeof $coffermodules`
    ],
    'setting the namespace again': [
      'throws ReferenceError|throws TypeError|gives 1',
      `module: export const attack = () => { $cofferset({ attack: () => 'bent' }); return 1 }`
    ]
  },

  'native loops': {
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
    'String.raw of an array-like': [
      'cpuMs|memoryBytes|throws',
      `String.raw({ raw: { length: 2 ** 53 - 1 } })`
    ],
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
    'text comparison': [
      'cpuMs',
      `const a = 'x'.repeat(4e5), b = 'x'.repeat(4e5); for (;;) a.localeCompare(b)`
    ],
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
    'encoding a URI': [
      'cpuMs|memoryBytes',
      `const a = '\\u20ac'.repeat(1e5); for (;;) encodeURIComponent(a)`
    ],
    'escaping text': ['cpuMs|memoryBytes', `const a = '\\u20ac'.repeat(1e5); for (;;) escape(a)`],
    base64: ['cpuMs|memoryBytes', `const a = 'x'.repeat(1e5); for (;;) atob(btoa(a))`],
    'a URL of much': [
      'cpuMs|memoryBytes',
      `const a = 'http://x/' + 'a/../'.repeat(5e4); for (;;) new URL(a)`
    ],
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
  },

  'regular expressions': {
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
      'cpuMs|throws TypeError',
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
  },

  'memory bombs': {
    'one ArrayBuffer': [
      { quickjs: 'memoryBytes|throws RangeError', ses: 'gives 2147483647|memoryBytes' },
      `return new ArrayBuffer(2 ** 31 - 1).byteLength`
    ],
    'many ArrayBuffers': ['memoryBytes', `const all = []; for (;;) all.push(new Uint8Array(1e6).fill(1))`],
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
    'symbols for all': [
      'memoryBytes|cpuMs',
      `for (let i = 0; ; i++) Symbol.for('a name of some length' + i)`
    ],
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
  },

  'floods of jobs': {
    'a chain of jobs': [
      'cpuMs',
      `const next = () => Promise.resolve().then(next); next(); await new Promise(() => {})`
    ],
    'microtasks that ask for more': [
      'cpuMs',
      `const f = () => queueMicrotask(f); f(); await new Promise(() => {})`
    ],
    'an async loop': ['cpuMs', `for (;;) await 0`],
    'an async generator without end': [
      'cpuMs',
      `for await (const x of (async function* () { for (;;) yield 1 })());`
    ],
    'promises at once': [
      { quickjs: 'pendingJobs', ses: 'memoryBytes|cpuMs' },
      `for (;;) Promise.resolve().then(() => {})`
    ],
    'promises made by jobs': [
      { quickjs: 'pendingJobs', ses: 'memoryBytes|cpuMs' },
      `const next = () => { for (let i = 0; i < 3; i++) Promise.resolve().then(next) }; next(); await new Promise(() => {})`
    ],
    'microtasks at once': [
      { quickjs: 'pendingJobs', ses: 'memoryBytes|cpuMs' },
      `for (;;) queueMicrotask(() => {})`
    ],
    'async functions at once': [
      { quickjs: 'pendingJobs', ses: 'memoryBytes|cpuMs' },
      `const f = async () => { await 0 }; for (;;) f()`
    ],
    'unhandled rejections': ['memoryBytes|cpuMs', `for (;;) Promise.reject(new Error('x'))`],
    'unhandled rejections in jobs': [
      'cpuMs|outputBytes',
      `const f = () => { Promise.reject(1); setTimeout(f, 0) }; f(); await new Promise(() => {})`
    ],
    'rejections handled late': [
      'cpuMs|outputBytes|memoryBytes',
      `for (;;) { const p = Promise.reject(1); await 0; p.catch(() => {}) }`
    ],
    'errors of microtasks': [
      'cpuMs|outputBytes',
      `const f = () => { queueMicrotask(f); throw 1 }; queueMicrotask(f); await new Promise(() => {})`
    ],
    'timers at once': ['pendingJobs', `for (;;) setTimeout(() => {}, 1e6)`],
    'intervals at once': ['pendingJobs', `for (;;) setInterval(() => {}, 1)`],
    'a timer that asks for more': [
      'cpuMs|wallMs',
      `const f = () => { setTimeout(f, 0); for (let i = 0; i < 1e4; i++); }; f(); await new Promise(() => {})`
    ],
    'timers that double': [
      'pendingJobs|cpuMs',
      `const f = () => { setTimeout(f, 0); setTimeout(f, 0) }; f(); await new Promise(() => {})`
    ],
    'timers set and cleared': ['cpuMs', `for (;;) clearTimeout(setTimeout(() => {}, 1e6))`],
    'timers of odd delays': [
      'gives "done"',
      `for (const d of [-1, NaN, Infinity, -Infinity, 2 ** 40, '9', null, {}, [], 1e-9]) clearTimeout(setTimeout(() => {}, d)); return await new Promise(r => setTimeout(r, -5, 'done'))`
    ],
    'a delay whose valueOf never ends': ['cpuMs', `setTimeout(() => {}, { valueOf() { for (;;); } })`],
    'a timer that never ends, after its call': [
      'gives 1|cpuMs',
      `setTimeout(() => { for (;;); }, 0); return 1`
    ],
    'an interval that burns, after its call': [
      'gives 1|cpuMs',
      `setInterval(() => { const end = Date.now() + 20; while (Date.now() < end); }, 1); return 1`
    ],
    'jobs without end, after its call': [
      'cpuMs|gives 1',
      `const f = () => Promise.resolve().then(f); setTimeout(f, 0); return 1`
    ],
    'a finalizer that burns': [
      'gives 1',
      `const r = new FinalizationRegistry(() => { for (;;); }); for (let i = 0; i < 1000; i++) r.register({}, i); return 1`
    ],
    'a promise of very many': [
      'memoryBytes|cpuMs|pendingJobs',
      `await Promise.all((function* () { for (;;) yield 1 })())`
    ],
    'a wait that never ends': ['wallMs', `await new Promise(() => {})`],
    'a wait for the host that never ends': ['wallMs', `await host.never()`]
  },

  'deep recursion': {
    'a function': [STACK, `const f = () => f() + 1; f()`],
    'a function with many arguments': [STACK, `const f = (...a) => f(...a, 1) + 1; f()`],
    'a function that swallows': [
      'cpuMs|gives 1',
      `const f = () => { try { f() } catch { f() } }; f(); return 1`
    ],
    'a finally that goes on': [
      'cpuMs|gives 1|' + STACK,
      `const f = () => { try { f() } finally { f() } }; f(); return 1`
    ],
    'a constructor': [STACK, `class A { constructor() { new A() } } new A()`],
    'a getter': [STACK, `const o = { get x() { return this.x + 1 } }; o.x`],
    'a setter': [STACK, `const o = { set x(v) { this.x = v } }; o.x = 1`],
    'a toString': [STACK, `const o = { toString() { return 'x' + this } }; String(o)`],
    'a valueOf': [STACK, `const o = { valueOf() { return 1 + this } }; +o`],
    'a proxy that asks itself': [STACK, `const p = new Proxy({}, { get: (t, k, r) => r[k] }); p.x`],
    'a chain of proxies': [
      'gives 1|' + STACK,
      `let p = {}; for (let i = 0; i < 2e4; i++) p = new Proxy(p, {}); p.x; return 1`
    ],
    'a chain of prototypes': [
      'gives 1|cpuMs|' + STACK,
      `let p = {}; for (let i = 0; i < 4e4; i++) p = Object.create(p); p.x; return 1`
    ],
    'a chain of bound functions': [
      'gives 1|memoryBytes|' + STACK + STACK,
      `let f = () => 1; for (let i = 0; i < 1e5; i++) f = f.bind(); return f()`
    ],
    'JSON.parse': [
      'gives 1|' + STACK + '|throws SyntaxError',
      `JSON.parse('['.repeat(1e5) + ']'.repeat(1e5)); return 1`
    ],
    'JSON.parse of objects': [
      'gives 1|' + STACK + '|throws SyntaxError',
      `JSON.parse('{"a":'.repeat(5e4) + '1' + '}'.repeat(5e4)); return 1`
    ],
    'JSON.stringify': [
      STACK + '|gives 1',
      `let a = []; for (let i = 0; i < 1e5; i++) a = [a]; JSON.stringify(a); return 1`
    ],
    'JSON.stringify with toJSON': [
      STACK,
      `const o = { toJSON() { return { o: JSON.stringify(this) } } }; JSON.stringify(o)`
    ],
    'a reviver': [STACK + '|throws SyntaxError', `const f = () => JSON.parse('[1]', f); f()`],
    'a replacer': [STACK, `const f = (k, v) => JSON.stringify([v], f); JSON.stringify([1], f)`],
    'a comparator': [STACK, `const f = () => [2, 1].sort(f).length; f()`],
    'a map': [STACK, `const f = () => [1].map(f); f()`],
    'Array.from': [STACK, `const f = () => Array.from([1], f); f()`],
    'a replacement': [STACK, `const f = () => 'a'.replace('a', f); f()`],
    'Reflect.apply': [STACK, `const f = () => Reflect.apply(f, null, []); f() + 1`],
    'Function.prototype.call': [STACK, `const f = () => f.call() + 1; f()`],
    eval: [STACK + '|throws SyntaxError', `globalThis.f = () => (0, eval)('f()') + 1; f()`],
    Function: [STACK + '|throws SyntaxError', `globalThis.f = () => Function('return f() + 1')(); f()`],
    'a generator': [STACK, `function* g() { yield* g() } g().next()`],
    'an async function': [
      STACK + '|cpuMs|memoryBytes|pendingJobs',
      `const f = async () => { await f() }; await f()`
    ],
    flat: [
      'gives 1|' + STACK,
      `let a = []; for (let i = 0; i < 1e5; i++) a = [a]; a.flat(Infinity); return 1`
    ],
    'a join': [STACK + '|gives 1', `let a = []; for (let i = 0; i < 1e5; i++) a = [a]; String(a); return 1`],
    'an iterator': [STACK, `const o = { [Symbol.iterator]() { return [...o][0] } }; [...o]`],
    instanceof: [STACK, `const C = { [Symbol.hasInstance](x) { return x instanceof C } }; ({}) instanceof C`],
    'a species': [
      'gives 1|' + STACK,
      `class A extends Array { static get [Symbol.species]() { return function () { return new A(1).map(x => x) } } } try { new A(1).map(x => x) } catch (e) { throw e } return 1`
    ],
    'a template': [STACK, 'const f = () => `${f()}`; f()'],
    'a deep expression': ['gives 1|throws', `try { (0, eval)('1' + '+1'.repeat(2e5)) } catch {} return 1`],
    'deep parentheses': ['gives 1', `try { (0, eval)('('.repeat(1e5)) } catch {} return 1`],
    'deep blocks': ['gives 1', `try { (0, eval)('{'.repeat(1e5)) } catch {} return 1`],
    'a deep pattern': [
      'gives 1',
      `try { new RegExp('('.repeat(1e5) + ')'.repeat(1e5)).test('a') } catch {} return 1`
    ],
    'a deep match': [
      'gives 1|memoryBytes|cpuMs',
      `try { /(?:a|b)*c/.test('ab'.repeat(5e5)) } catch {} return 1`
    ],
    structuredClone: [
      STACK + '|gives 1',
      `let a = {}; for (let i = 0; i < 1e5; i++) a = { a }; structuredClone(a); return 1`
    ],
    'the console': [
      'gives 1|' + STACK,
      `let a = {}; for (let i = 0; i < 1e5; i++) a = { a }; console.log(a, '%o', a); return 1`
    ],
    'a list that is freed': [
      'gives 1',
      `let list = null; for (let i = 0; i < 2e5; i++) list = { list }; list = null; return 1`
    ],
    'dispatching an event': [
      STACK + '|gives 1|cpuMs',
      `const t = new EventTarget(); let n = 0; t.addEventListener('e', () => { if (++n < 1e6) t.dispatchEvent(new Event('e')) }); t.dispatchEvent(new Event('e')); return 1`
    ],
    'an abort': [
      'gives 1|' + STACK,
      `const c = new AbortController(); c.signal.addEventListener('abort', () => { const d = new AbortController(); d.signal.onabort = () => {}; d.abort(); c.abort() }); c.abort(); return 1`
    ],
    'the end of the stack in a host call': [
      'gives "ok"|cpuMs',
      `const f = () => { try { host.echo(1) } catch {} f() }; try { f() } catch {} return host.echo('ok')`
    ],
    'the end of the stack in a refused host call': [
      'gives "ok"|cpuMs',
      `const f = () => { try { host.echo(() => {}) } catch {} f() }; try { f() } catch {} return host.echo('ok')`
    ],
    'the end of the stack in an async host call': [
      'gives "ok"|throws|pendingJobs|hostCalls|cpuMs',
      `const f = () => { try { host.later(1).catch(() => {}) } catch {} f() }; try { f() } catch {} return host.echo('ok')`
    ],
    'the end of the stack in a timer': [
      'gives 1|cpuMs',
      `const f = () => { try { clearTimeout(setTimeout(() => {}, 5)) } catch {} f() }; try { f() } catch {} return await new Promise(r => setTimeout(r, 1, 1))`
    ],
    'the end of the stack in a rejection': [
      'gives 1|cpuMs',
      `const f = () => { try { Promise.reject(1).catch(() => {}) } catch {} f() }; try { f() } catch {} await 0; return 1`
    ],
    'the end of the stack in the console': [
      'gives 1|cpuMs',
      `const f = () => { try { console.log({ a: [1, { b: 2 }] }) } catch {} f() }; try { f() } catch {} return 1`
    ]
  },

  'floods of host calls': {
    'synchronous ones': ['hostCalls|cpuMs', `for (;;) host.echo(1)`],
    'asynchronous ones': ['pendingJobs|hostCalls|cpuMs', `for (;;) host.never()`],
    'asynchronous ones awaited': ['hostCalls|cpuMs', `for (;;) await host.later(1)`],
    'ones that fail': ['hostCalls|cpuMs', `for (;;) try { host.fail() } catch {}`],
    'ones that are refused': ['cpuMs', `for (;;) try { host.echo(() => {}) } catch {}`],
    'ones with large arguments': [
      'hostCalls|cpuMs|memoryBytes',
      `const b = new Uint8Array(1e6); for (;;) host.size(b)`
    ],
    'ones with large answers': [
      'hostCalls|cpuMs|memoryBytes',
      `const all = []; for (;;) all.push(host.bytes(1e6))`
    ],
    'async ones with large arguments': [
      'pendingJobs|hostCalls|cpuMs|memoryBytes',
      `const b = new Uint8Array(1e5); for (;;) host.never(b)`
    ],
    'ones in microtasks': [
      'pendingJobs|hostCalls|cpuMs',
      `const f = () => { host.never(); queueMicrotask(f) }; f(); await new Promise(() => {})`
    ],
    'ones in timers': [
      'pendingJobs|hostCalls|cpuMs|wallMs',
      `setInterval(() => { for (let i = 0; i < 500; i++) host.never() }, 0); await new Promise(() => {})`
    ],
    'asking for the time': ['cpuMs', `for (;;) performance.now()`],
    'asking for random bytes': [
      { quickjs: 'cpuMs', ses: 'cpuMs|memoryBytes' },
      `for (;;) crypto.getRandomValues(new Uint8Array(65536))`
    ],
    'asking for identifiers': ['cpuMs', `for (;;) crypto.randomUUID()`],
    'setting timers anew': [
      'cpuMs',
      `for (let i = 1; ; i++) { const id = setTimeout(() => {}, 1e9 - i); clearTimeout(id) }`
    ],
    'the terminal': ['cpuMs|outputBytes', `for (;;) terminal.write('x'.repeat(1000))`],
    'the terminal with nothing': ['cpuMs|outputBytes|memoryBytes', `for (;;) terminal.write('')`],
    keys: ['pendingJobs|hostCalls|cpuMs', `for (;;) terminal.readKey()`]
  },

  're-entrancy': {
    'a host function that calls the guest': [
      'gives 42',
      `module: import { again } from 'coffer:host'; export const attack = async () => (await again('double', 20)) + 2; export const double = x => 2 * x`
    ],
    'a host function that calls without end': [
      'hostCalls|cpuMs|wallMs|pendingJobs',
      `module: import { again } from 'coffer:host'; export const attack = async () => { for (;;) await again('attack2', 1) }; export const attack2 = async n => again('attack2', n + 1)`
    ],
    'a synchronous one that calls the guest': [
      'gives "called"',
      `module: import { poke } from 'coffer:host'; let n = 0; export const attack = async () => { poke('inner'); const during = n; await null; return during === 0 ? 'called' : 'inside' }; export const inner = () => { n++ }`
    ],
    'a synchronous one that calls the guest without end': [
      'hostCalls|cpuMs|pendingJobs',
      `module: import { poke } from 'coffer:host'; export const attack = () => { for (;;) poke('inner') }; export const inner = () => {}`
    ],
    'a call whose inner call ends the guest': [
      'cpuMs',
      `module: import { again } from 'coffer:host'; export const attack = () => again('loop'); export const loop = () => { for (;;); }`
    ],
    'a call whose inner call throws': [
      'throws RangeError',
      `module: import { again } from 'coffer:host'; export const attack = () => again('bad'); export const bad = () => { throw new RangeError('inner') }`
    ],
    'a host function that disposes of the guest': ['gone', `host.end(); for (;;);`],
    'an async host function that disposes of the guest': ['gone', `await host.endLater(); for (;;);`],
    'a host function that disposes of it in a job': [
      'gone',
      `Promise.resolve().then(() => { host.end(); for (;;); }); await new Promise(() => {})`
    ],
    'a toString that calls the host while it is told': [
      'gives true|throws',
      `let n = 0; console.log('%s', { toString() { n++; host.echo(1); console.log('inner'); return 'x' } }); return n > 0`
    ],
    'an inspected getter that calls the host': [
      'gives 0',
      `let n = 0; console.log({ get a() { n++; return host.echo(1) } }); return n`
    ],
    'a toPrimitive of a URL that calls the host': [
      'gives "x:y"',
      `return new URL({ toString() { host.echo(new Uint8Array(100)); return 'x:y' } }).href`
    ]
  },

  'use after the end': {
    'after it was ended by a limit': ['gone', `after: cpuMs: for (;;);`],
    'after it was ended by its memory': [
      'gone',
      `after: memoryBytes: const all = []; for (;;) all.push(new Uint8Array(1e6).fill(1))`
    ],
    'after it was ended by its output': [
      'gone',
      `after: outputBytes: for (;;) console.log('x'.repeat(10000))`
    ],
    'after it disposed of itself': ['gone', `after: gone: host.end(); for (;;);`],
    'with a request that is answered late': [
      'gone',
      `after: gone: host.later(new Uint8Array(1e5)).then(() => { for (;;); }); await host.endLater(); for (;;);`
    ],
    'with a timer that is due': [
      'gone',
      `after: gone: setInterval(() => { for (;;); }, 0); host.end(); for (;;);`
    ]
  },

  'floods of output': {
    'the console': ['outputBytes|cpuMs', `for (;;) console.log('x'.repeat(1000))`],
    'the console with nothing': ['outputBytes|cpuMs', `for (;;) console.log()`],
    "the console's other stream": ['outputBytes|cpuMs', `for (;;) console.error('x'.repeat(1000))`],
    'one text of megabytes': ['outputBytes|memoryBytes', `console.log('x'.repeat(8e6))`],
    'control characters': ['gives 1', `console.log('\\x1b[2J\\x07\\u202e\\0'); return 1`],
    'text that is no UTF-8': ['gives 1', `console.log('\\ud800'.repeat(1000)); return 1`],
    'errors that nobody catches': [
      'outputBytes|cpuMs|memoryBytes',
      `const f = () => { setTimeout(f, 0); throw new Error('x'.repeat(9000)) }; f2: { try { f() } catch {} } await new Promise(() => {})`
    ],
    reportError: ['outputBytes|cpuMs', `for (;;) reportError(new Error('x'.repeat(9000)))`],
    'the margin of the console': [
      'outputBytes|cpuMs|memoryBytes',
      `for (let i = 0; i < 2000; i++) console.group(); for (;;) console.log('\\n'.repeat(1000))`
    ],
    counts: ['outputBytes|cpuMs', `for (;;) console.count('x'.repeat(100))`],
    traces: ['outputBytes|cpuMs', `for (;;) console.trace('x')`]
  },

  'console bombs': {
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
  },

  'tampering with the runtime': {
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
  },

  'hostile hosts': {
    'a function': ['gives "TypeError"', `try { await host.odd('function') } catch (e) { return e.name }`],
    'a symbol': ['gives "TypeError"', `try { await host.odd('symbol') } catch (e) { return e.name }`],
    'a cycle': ['gives "TypeError"', `try { await host.odd('cycle') } catch (e) { return e.name }`],
    'an instance': ['gives "TypeError"', `try { await host.odd('instance') } catch (e) { return e.name }`],
    'a getter': ['gives "TypeError"', `try { await host.odd('getter') } catch (e) { return e.name }`],
    'a date': ['gives "TypeError"', `try { await host.odd('date') } catch (e) { return e.name }`],
    'an object with __proto__': [
      'gives true',
      `const o = await host.odd('proto'); return ({}).polluted === undefined && Object.getPrototypeOf(o) === Object.prototype`
    ],
    'something deep': ['gives "TypeError"', `try { await host.odd('deep') } catch (e) { return e.name }`],
    'an error with secrets on it': [
      'gives ["Secretive","told",false,true]',
      `try { await host.odd('error') } catch (e) { return [e.name, e.message, 'secret' in e || 'code' in e || 'cause' in e, !/node:|file:|arena/.test(e.stack ?? '')] }`
    ],
    'an error that is a proxy': [
      'gives true',
      `try { await host.odd('proxy error') } catch (e) { return e instanceof Error }`
    ],
    'a thrown text': [
      'gives "The host refused."',
      `try { await host.odd('thrown text') } catch (e) { return e.message }`
    ],
    'a thrown null': [
      'gives "The host refused."',
      `try { await host.odd('thrown null') } catch (e) { return e.message }`
    ],
    'an error whose message throws': [
      'gives true',
      `try { await host.odd('message getter') } catch (e) { return e instanceof Error }`
    ],
    'a thenable that never settles': ['wallMs', `await host.odd('endless thenable')`],
    'more than fits': ['memoryBytes|cpuMs', `const all = []; for (;;) all.push(await host.odd('large'))`],
    'nothing at all': ['gives nothing', `return host.odd('nothing')`],
    "a limit's error of another guest": [
      'gives "CofferError"',
      `try { host.otherLimit() } catch (e) { return e.name }`
    ]
  }
}

export const PROGRAMS: readonly Hostile[] = Object.entries(FAMILIES).flatMap(([family, programs]) =>
  Object.entries(programs).map(([name, [ends, source]]) => ({ family, name, source, ends }))
)
