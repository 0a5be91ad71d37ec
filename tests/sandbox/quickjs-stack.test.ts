/**
 * Recursion: in guest code and in every native function found that recurses, the guest sees an error it can catch, and
 * goes on. The frames of the C stack are widened for this (scripts/frames.ts); these tests hold the measure.
 */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { CofferError } from '../../formats/errors.js'
import { DEFAULT_LIMITS } from '../../sandbox/guest.js'
import { MAX_GUEST_STACK_BYTES } from '../../sandbox/quickjs/abi.js'
import { runGuest } from './quickjs-stand-in.js'

/** Statements that recurse too deep; some end in an error of the function's own kind. */
const DEEP: Record<string, string> = {
  'a function': 'const f = () => f(); f()',
  'a function with arguments': 'const f = (a, b, c) => f(c, a, b) + 1; f(1, 2, 3)',
  'a method': 'class A { f() { return this.f() + 1 } } new A().f()',
  'a constructor': 'class A { constructor() { this.a = new A() } } new A()',
  'a derived constructor': 'class B extends Object { constructor() { super(); new B() } } new B()',
  map: 'const f = () => [1].map(f); f()',
  apply: 'const f = () => f.apply(null, [1]); f()',
  'Reflect.construct': 'const F = function () { Reflect.construct(F, []) }; F()',
  sort: 'const f = () => [2, 1].sort(f); f()',
  replace: "const f = () => 'a'.replace(/a/, f); f()",
  'Map.forEach': 'const f = () => new Map([[1, 1]]).forEach(f); f()',
  toString: "const o = { toString() { return '' + o } }; '' + o",
  valueOf: 'const o = { valueOf() { return +new Date(o) } }; +o',
  'a getter': 'const o = { get x() { return o.x } }; o.x',
  'a chain of proxies': 'let p = {}; for (let i = 0; i < 20000; i++) p = new Proxy(p, {}); p.x',
  'a proxy': 'const p = new Proxy({}, { get: (_, key, self) => self[key] }); p.x',
  'an iterator': 'const o = { [Symbol.iterator]: () => [...o] }; [...o]',
  'a generator': 'function* g() { yield* g() } [...g()]',
  hasInstance: 'class A { static [Symbol.hasInstance](x) { return x instanceof A } } 1 instanceof A',
  eval: "globalThis.f = () => (0, eval)('f()'); f()",
  'new Function': "const f = () => new Function('f', 'f()')(f); f()",
  'JSON.parse of arrays': "JSON.parse('['.repeat(1e5))",
  'JSON.parse of objects': `JSON.parse('{"a":'.repeat(1e5))`,
  'JSON.parse with a reviver': "const f = () => JSON.parse('[1]', f); f()",
  'JSON.stringify': 'let o = {}; for (let i = 0; i < 1e5; i++) o = { o }; JSON.stringify(o)',
  toJSON: 'const o = { toJSON: () => JSON.stringify(o) }; JSON.stringify(o)',
  join: 'let o = []; for (let i = 0; i < 1e5; i++) o = [o]; o.join()',
  flat: 'let o = []; for (let i = 0; i < 1e5; i++) o = [o]; o.flat(Infinity)',
  parentheses: "eval('('.repeat(1e5))",
  brackets: "eval('['.repeat(1e5))",
  blocks: "eval('{'.repeat(1e5))",
  'unary operators': "eval('- '.repeat(1e5) + '1')",
  conditions: "eval('a?'.repeat(1e5) + '1')",
  statements: "eval('if(1)'.repeat(1e5) + ';')",
  templates: "eval('`${'.repeat(1e4))",
  'functions in functions': "eval('async()=>{'.repeat(1e4))",
  powers: "eval('2**'.repeat(5e4) + '1')",
  assignments: "eval('x='.repeat(5e4) + '1')",
  classes: "eval('class A{static{'.repeat(1e4))",
  'groups of a regular expression': "new RegExp('(?:a|'.repeat(5e4) + ')'.repeat(5e4))",
  lookaheads: "new RegExp('(?='.repeat(5e4) + ')'.repeat(5e4))"
}

/** More than any guest gets by default, since a host's own frames lie on the same stack. */
const WITH_MARGIN = 512 * 1024
assert.ok(DEFAULT_LIMITS.stackBytes < WITH_MARGIN)

for (const [name, statements] of Object.entries(DEEP)) {
  test(`too deep: ${name}`, () => {
    const source = `import { say } from 'coffer:host'
      const attempt = () => { ${statements} }
      try { attempt(); say('ended') } catch (error) { say(error.message) }
      export const after = () => 'well'`
    const { machine, said, error } = runGuest(source, ['after'], { limits: { stackBytes: WITH_MARGIN } })
    if (error !== undefined) throw error
    // The last is what the compiler makes of an overflow while it looks ahead for an arrow.
    assert.match(said[0]!, /stack overflow|too many captures|missing formal parameter/, said[0])
    assert.is(said.at(-1), 'result well')
    machine.destroy()
  })
}

test('what is deep but not recursive for the engine runs', () => {
  const source = `import { say } from 'coffer:host'
    let list = null; for (let i = 0; i < 2e5; i++) list = [list]; list = null
    let f = () => {}; for (let i = 0; i < 2e5; i++) { const g = f; f = () => g } f = null
    let o = {}; for (let i = 0; i < 1e5; i++) o = Object.create(o)
    let s = ''; for (let i = 0; i < 1e5; i++) s = 'some text of a length' + s
    say(String(o.x) + s.length + s.charCodeAt(7))
    const sum = n => n === 0 ? 0 : 1 + sum(n - 1)
    say(sum(1500))`
  const { machine, said, error } = runGuest(source)
  if (error !== undefined) throw error
  assert.equal(said, ['say undefined2100000120', 'say 1500', 'started '])
  machine.destroy()
})

test('a stack larger than V8 has ends the guest, and only it', () => {
  for (const stackBytes of [MAX_GUEST_STACK_BYTES, Number.MAX_SAFE_INTEGER]) {
    const { error } = runGuest('const f = () => f(); f()', [], { limits: { stackBytes } })
    assert.is((error as CofferError).code, 'COFFER_ENGINE_FAILED')
    const next = runGuest('export const a = 1')
    assert.equal(next.said, ['started a'])
    next.machine.destroy()
  }
})

test('a guest at the end of its stack may reject promises and import', () => {
  const source = `import { say } from 'coffer:host'
    let depth = 0
    const f = () => { depth++; Promise.reject(1); try { import('nope').catch(() => {}) } catch {} f() }
    try { f() } catch {}
    say(depth > 50)
    export const after = () => 'well'`
  const { machine, said, error } = runGuest(source, ['after'])
  if (error !== undefined) throw error
  assert.ok(said.includes('say true'))
  assert.is(said.at(-1), 'result well')
  machine.destroy()
})

test.run()
