import type { Family } from '../family.js'

/** Ways to the host's realm. What is found is reported as text, so that nothing found reads `none`. */
export const constructorChains: Family = {
  'Function of a function': ['gives "none"', `return find(() => (() => {}).constructor('return process')())`],
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
}
