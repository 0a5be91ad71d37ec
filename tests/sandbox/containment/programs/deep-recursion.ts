import { STACK, type Family } from '../family.js'

export const deepRecursion: Family = {
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
  flat: ['gives 1|' + STACK, `let a = []; for (let i = 0; i < 1e5; i++) a = [a]; a.flat(Infinity); return 1`],
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
}
