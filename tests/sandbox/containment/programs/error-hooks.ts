import type { Family } from '../family.js'

export const errorHooks: Family = {
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
}
