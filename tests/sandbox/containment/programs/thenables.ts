import type { Family } from '../family.js'

export const thenables: Family = {
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
}
