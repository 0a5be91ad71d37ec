/** The guest's web globals beside Node's: the same program runs in both, and must say the same. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { format, types } from 'node:util'
import { utf8 } from '../../formats/bytes.js'
import { type Guest, type LaunchOptions, type Value, launch } from '../../sandbox/index.js'

const WAYS: Readonly<Record<string, LaunchOptions>> = {
  quickjs: { engine: 'quickjs' },
  ses: { engine: 'ses' }
}
const guests = new Map<string, Guest>()
const outputs = new Map<string, string>()

/** Evaluates text, so that one guest serves all tests. */
const PROGRAM = `
export const run = async source => (0, eval)(source)
export const print = source => { for (const args of (0, eval)(source)) { console.log(...args); console.log('\\x01') } }
`
for (const [way, how] of Object.entries(WAYS)) {
  outputs.set(way, '')
  const stdout = (bytes: Uint8Array) =>
    void outputs.set(way, outputs.get(way) + Buffer.from(bytes).toString('utf8'))
  guests.set(way, await launch(utf8(PROGRAM), { ...how, stdout, limits: { cpuMs: 60_000 } }))
}
test.after(async () => void (await Promise.all([...guests.values()].map(guest => guest.dispose()))))

/** Run the expression here and in every guest. */
async function sameAsNode(expression: string): Promise<void> {
  const expected: Value = await (0, eval)(`(async () => (${expression}))()`)
  for (const [way, guest] of guests) {
    assert.equal(
      await guest.call('run', `(async () => (${expression}))()`),
      expected,
      `${way}: ${expression.slice(0, 200)}`
    )
  }
}

test('TextEncoder writes what Node writes', async () => {
  const texts = [
    '',
    'a',
    '\0',
    'a\0é',
    'é€😀',
    '\ud800',
    'x\udc00y\ud83d',
    '\ufeff',
    'ÿ\u0100\u07ff\u0800\uffff\u{10000}\u{10ffff}',
    'long é'.repeat(300)
  ]
  await sameAsNode(`${JSON.stringify(texts)}.map(text => [...new TextEncoder().encode(text)])`)
  await sameAsNode(
    `${JSON.stringify(texts)}.flatMap(text => [0, 1, 2, 3, 4, 5, 8].map(room => { const bytes = new Uint8Array(room); const { read, written } = new TextEncoder().encodeInto(text, bytes); return [read, written, ...bytes] }))`
  )
  await sameAsNode(
    `[new TextEncoder().encode().length, new TextEncoder().encode(undefined).length, [...new TextEncoder().encode(12)], new TextEncoder().encoding]`
  )
})

test('TextDecoder reads what Node reads, mistakes included', async () => {
  const cases = [
    [],
    [0x41],
    [0],
    [0xef, 0xbb, 0xbf, 0x41],
    [0xef, 0xbb],
    [0xc3, 0xa9],
    [0xc3],
    [0xc3, 0x41],
    [0xc0, 0x80],
    [0xc1, 0xbf],
    [0xe0, 0x80, 0x80],
    [0xe0, 0x9f, 0xbf],
    [0xe2, 0x82, 0xac],
    [0xe2, 0x82],
    [0xe2, 0x82, 0x41],
    [0xed, 0xa0, 0x80],
    [0xed, 0x9f, 0xbf],
    [0xf0, 0x9f, 0x98, 0x80],
    [0xf0, 0x9f, 0x98],
    [0xf0, 0x9f],
    [0xf0, 0x80, 0x80, 0x80],
    [0xf4, 0x90, 0x80, 0x80],
    [0xf4, 0x8f, 0xbf, 0xbf],
    [0xf5, 0x80],
    [0xf8, 0x88, 0x80, 0x80, 0x80],
    [0xff],
    [0x80],
    [0xbf, 0xbf],
    [0x41, 0x80, 0x42, 0xc3, 0x43],
    [0xef, 0xbf, 0xbd],
    [0xf0, 0x9f, 0x41, 0x98],
    [0x61, 0, 0xff, 0x62]
  ]
  await sameAsNode(`${JSON.stringify(cases)}.map(bytes => new TextDecoder().decode(new Uint8Array(bytes)))`)
  await sameAsNode(
    `${JSON.stringify(cases)}.map(bytes => { try { return new TextDecoder('utf8', { fatal: true }).decode(new Uint8Array(bytes)) } catch (e) { return e.constructor.name } })`
  )
  await sameAsNode(
    `${JSON.stringify(cases)}.map(bytes => new TextDecoder('utf-8', { ignoreBOM: true }).decode(new Uint8Array(bytes)))`
  )
  // One byte at a time.
  await sameAsNode(
    `${JSON.stringify(cases)}.map(bytes => { const d = new TextDecoder(); return bytes.map(b => d.decode(new Uint8Array([b]), { stream: true })).join('') + d.decode() })`
  )
  const utf16 = [
    [],
    [0x41, 0],
    [0x41],
    [0x41, 0, 0x42],
    [0xff, 0xfe, 0x41, 0],
    [0x3d, 0xd8, 0, 0xde],
    [0x3d, 0xd8],
    [0x3d, 0xd8, 0x41, 0],
    [0, 0xde],
    [0x3d, 0xd8, 0],
    [0x3d, 0xd8, 0x3d, 0xd8, 0, 0xde]
  ]
  await sameAsNode(
    `${JSON.stringify(utf16)}.map(bytes => new TextDecoder('utf-16le').decode(new Uint8Array(bytes)))`
  )
  await sameAsNode(
    `${JSON.stringify(utf16)}.map(bytes => { const d = new TextDecoder('utf-16'); return bytes.map(b => d.decode(new Uint8Array([b]), { stream: true })).join('') + d.decode() })`
  )
  await sameAsNode(
    `['utf8', ' UTF-8 ', 'latin1', 'ascii', 'utf-16', 'windows-1252', 'nonsense', ''].map(label => { try { return new TextDecoder(label).encoding } catch (e) { return e.name } })`
  )
  await sameAsNode(
    `[new TextDecoder().decode(), new TextDecoder().decode(new Uint8Array([65, 66]).buffer), new TextDecoder().decode(new DataView(new Uint8Array([65, 66, 67]).buffer, 1))]`
  )
  // Node 20 reads windows-1252 as plain Latin-1; the standard's table is another.
  for (const guest of guests.values()) {
    assert.is(
      await guest.call(
        'run',
        `new TextDecoder('latin1').decode(new Uint8Array([0x41, 0x80, 0x81, 0x9f, 0xa0, 0xff]))`
      ),
      'A€\x81Ÿ\xa0ÿ'
    )
  }
})

test('random bytes decode as in Node', async () => {
  const seed = Number(process.env['COFFER_SEED'] ?? 7)
  console.log(`seed ${seed}`)
  let state = seed
  const random = () => (state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0) >>> 16
  const leads = [0x41, 0xc3, 0xe2, 0xed, 0xf0, 0xf4, 0x80, 0x9f, 0xa0, 0xbf, 0xef, 0xbb, 0x98, 0x8f, 0x90]
  const cases = Array.from({ length: 400 }, () =>
    Array.from({ length: 1 + (random() % 8) }, () => leads[random() % leads.length]!)
  )
  await sameAsNode(`${JSON.stringify(cases)}.map(bytes => new TextDecoder().decode(new Uint8Array(bytes)))`)
})

test('atob and btoa do as in Node', async () => {
  const texts = ['', 'a', 'ab', 'abc', 'abcd', '\xff\x00\x80', 'é', '€', 'a b', 12, null, undefined]
  await sameAsNode(
    `${JSON.stringify(texts)}.map(text => { try { return btoa(text) } catch (e) { return [e.name, e.code, e instanceof DOMException] } })`
  )
  const encoded = [
    '',
    'YQ==',
    'YQ=',
    'YQ',
    'Y',
    'YWI=',
    'YWJj',
    ' Y W J j ',
    'YQ===',
    '=',
    '====',
    'YQ==YQ==',
    'Y\nQ',
    'Y-_Q',
    'YR==',
    '////',
    'é'
  ]
  await sameAsNode(
    `${JSON.stringify(encoded)}.map(text => { try { return atob(text) } catch (e) { return e.name } })`
  )
})

test('structuredClone copies what Node copies, and refuses what it refuses', async () => {
  await sameAsNode(`(() => {
    const value = { a: [1, , 3], d: new Date(5), r: /x/gi, m: new Map([[1, { b: 2 }]]), s: new Set([[1]]), u: new Uint8Array([1, 2, 3]).subarray(1), n: null, o: Object('x'), e: new RangeError('m', { cause: 1 }), big: 5n }
    value.self = value; value.a.push(value.m)
    const copy = structuredClone(value)
    return [copy !== value, copy.self === copy, copy.a[3] === copy.m, 1 in copy.a, copy.d instanceof Date, copy.d.getTime(), String(copy.r), copy.m.get(1).b, [...copy.s][0][0],
      [...copy.u], copy.u.byteOffset, copy.u.buffer.byteLength, typeof copy.o, copy.o + '', copy.e instanceof RangeError, copy.e.message, copy.e.cause, copy.big]
  })()`)
  await sameAsNode(
    `[() => {}, Symbol(), new WeakMap(), Promise.resolve(), { a: [() => {}] }, new Proxy({}, {})].map(value => { try { structuredClone(value) } catch (e) { return [e.name, e.code] } })`
  )
  await sameAsNode(
    `(() => { class A { x = 1; get y() { return 2 } }; const copy = structuredClone(new A()); return [copy.constructor === Object, copy.x, 'y' in copy] })()`
  )
  await sameAsNode(
    `(() => { const b = new Uint8Array([1, 2]).buffer; const copy = structuredClone({ b }, { transfer: [b] }); return [b.byteLength, copy.b.byteLength] })()`
  )
  await sameAsNode(
    `(() => { const o = JSON.parse('{"__proto__": {"x": 1}}'); const copy = structuredClone(o); return [Object.hasOwn(copy, '__proto__'), copy.x === undefined] })()`
  )
})

test('events are dispatched as in Node', async () => {
  await sameAsNode(`(() => {
    const log = []
    const target = new EventTarget()
    const twice = () => log.push('twice')
    target.addEventListener('x', twice); target.addEventListener('x', twice); target.addEventListener('x', twice, true)
    target.addEventListener('x', e => log.push(e.type, e.target === target), { once: true })
    target.addEventListener('x', { handleEvent(e) { log.push('object', this !== undefined); e.preventDefault() } })
    target.addEventListener('x', e => { e.preventDefault() }, { passive: true })
    target.addEventListener('y', e => e.stopImmediatePropagation()); target.addEventListener('y', () => log.push('never'))
    const abort = new AbortController()
    target.addEventListener('z', () => log.push('z'), { signal: abort.signal })
    log.push(target.dispatchEvent(new Event('x', { cancelable: true })), target.dispatchEvent(new Event('x')), target.dispatchEvent(new Event('y')), target.dispatchEvent(new Event('z')))
    abort.abort(); target.dispatchEvent(new Event('z')); target.removeEventListener('x', twice); target.removeEventListener('x', null)
    const other = new EventTarget(); other.addEventListener('x', e => log.push(e.currentTarget === other, e.eventPhase, e.composedPath().length)); other.dispatchEvent(new Event('x'))
    const event = new CustomEvent('c', { detail: { a: 1 } })
    log.push(event.detail.a, new CustomEvent('c').detail, event.bubbles, event.target, event.eventPhase, event.defaultPrevented)
    try { target.dispatchEvent({ type: 'x' }) } catch (e) { log.push(e.name) }
    try { new Event() } catch (e) { log.push(e.name) }
    return log
  })()`)
})

test('AbortSignal aborts as in Node', async () => {
  await sameAsNode(`(async () => {
    const log = []
    const c = new AbortController()
    c.signal.onabort = e => log.push('on', e.type); c.signal.addEventListener('abort', () => log.push('listener'))
    const any = AbortSignal.any([new AbortController().signal, c.signal])
    any.addEventListener('abort', () => log.push('any', any.reason === c.signal.reason))
    log.push(c.signal.aborted, any.aborted); c.abort(); c.abort('again')
    log.push(c.signal.aborted, any.aborted, c.signal.reason.name, c.signal.reason.code)
    try { c.signal.throwIfAborted() } catch (e) { log.push(e.name) }
    log.push(AbortSignal.abort('why').reason, AbortSignal.any([AbortSignal.abort(5)]).reason)
    const timeout = AbortSignal.timeout(5); setTimeout(() => {}, 50)
    await new Promise(r => timeout.addEventListener('abort', r))
    log.push(timeout.reason.name)
    try { new AbortSignal() } catch (e) { log.push(e.name) }
    return log
  })()`)
})

test('DOMException has its names and numbers', async () => {
  await sameAsNode(
    `[new DOMException(), new DOMException('m', 'AbortError'), new DOMException('m', 'Own'), new DOMException('m', 'DataCloneError')].map(e => [e.name, e.message, e.code, e instanceof Error, Object.prototype.toString.call(e), String(e)])`
  )
  await sameAsNode(
    `['INDEX_SIZE_ERR', 'HIERARCHY_REQUEST_ERR', 'ABORT_ERR', 'URL_MISMATCH_ERR', 'QUOTA_EXCEEDED_ERR', 'DATA_CLONE_ERR', 'NOT_FOUND_ERR', 'INVALID_NODE_TYPE_ERR'].map(name => [DOMException[name], DOMException.prototype[name]])`
  )
})

/** What console.log is given: each an array of arguments. */
const SHOWN = `[
  ...[
    [1, 2, 3], Array.from({ length: 10 }, (_, i) => i + 1), Array.from({ length: 120 }, (_, i) => i * 7), 'abc'.split(''), Array.from({ length: 30 }, (_, i) => 'item' + i),
    Array.from({ length: 30 }, (_, i) => 'x'.repeat(i)), { a: 1, b: 'two', c: [1, [2, [3, [4]]]] }, { a: { b: { c: { d: 1 } } } }, { a: { b: { c: {} } } }, [[[[]]]], [[[[1]]]],
    new Map([['a', 1], [{ x: 1 }, { y: 2 }]]), new Set([1, '2', [3]]), new (class Foo { constructor() { this.x = 1 } }), new (class Bar extends Array {})(3), Object.create(null),
    Object.assign(Object.create(null), { a: 1 }), [, , 1, ,], [undefined, null, true], Symbol('a'), { 'with-dash': 2, 3: 4 }, function foo() {}, () => 1, class A {}, class B extends Map {},
    new Date(0), new Date(NaN), /a+/gi, -0, [-0], 10n, NaN, 'plain', ["it's", 'say "hi"', 'both \\'"', 'new\\nline', '\\x00\\x7f', '\\ud800'], new Uint8Array([1, 2, 3]), new Uint8Array(20), new Float64Array([1.5, -0]),
    { get a() { return 1 }, set a(v) {}, get b() { return 1 }, set c(v) {} }, { f() {}, g: () => {}, async h() {}, *i() {} }, new String('abc'), new Number(3), new Boolean(false),
    Object.fromEntries(Array.from({ length: 30 }, (_, i) => ['key' + i, i])), { long: 'x'.repeat(100), other: 'y'.repeat(50) }, [{ a: 1, b: 2 }, { a: 3, b: 4 }],
    [{ name: 'Alice', age: 30, tags: ['a', 'b'] }, { name: 'Bob', age: 25, tags: [] }], { nested: { deep: { deeper: { deepest: 1 } } }, list: [{ x: { y: { z: 1 } } }] },
    (() => { const o = { n: 1 }; o.self = o; return o })(), (() => { const a = {}, b = { a }; a.b = b; return [a, b] })(), 'multi\\nline',
    ['a long string of text that is more than sixteen\\nand breaks at newlines because it is wider than the terminal'], new Map(), new Set(), [], {}, new WeakMap(), Object(Symbol('s')),
    [1.5, 2.25, 3.125, 100, 2000, 30000, 4, 5, 6, 7], ['a', 'bb', 'ccc', 'dddd', 'eeeee', 'ffffff', 'ggggggg', 'hhhhhhhh'], [[1, 2, 3], [4, 5, 6], [7, 8, 9]], Array(200).fill('ab'),
    new Map([['k', new Map([['k2', new Map([['k3', 1]])]])]]), [true, false, true, false, true, false, true], [1, 2, 3, 4, 5, 6, 7, 'a'], [null, null, null, null, null, null, null],
    Array.from({ length: 10 }, (_, i) => ({ i })), Array.from({ length: 27 }, (_, i) => i % 3 ? 'v' + i : i * 1000), Object.assign([1, 2], { extra: 'x' }), Object.assign(() => {}, { p: 1 }),
    Object.assign(function q() {}, { p: { q: 1 } }), Math, JSON, new Proxy({ a: 1 }, {}), [1n, 2n, 3n, 4n, 5n, 6n, 7n], { u: undefined, s: Symbol.iterator, big: 123456789012345678901234567890n },
    { a: 'x'.repeat(60) }, { a: 'x'.repeat(61), b: 1 }, { a: 'x'.repeat(62), b: 1 }, { aa: 'x'.repeat(58), b: [1] }, globalThis.undefined, 'x'.repeat(20000).split('x', 2), [['y'.repeat(10001)]]
  ].map(value => [value]),
  ['%s is %d years and %i, %f', 'Bob', 42.5, 42.9, '1.5'], ['%O', { a: 1 }], ['%j', { a: 1 }], ['%%', 1], ['%s', { a: 1 }], ['%s', [1, 2]], ['%s', null], ['%s'], ['a', 'b', 1], [1, 'a'],
  ['%c red', 'color:red'], ['%s', Symbol('x')], ['%d', '0x10'], ['%s', -0], ['x%', 1], ['%s %s', 'a'], ['%s', { toString() { return 'mine' } }], ['%d', {}], [{}, 'a', []], ['100%', 'x'], ['%s', new Date(0)],
  ['%s', new (class X { a = 1 })], [], [''], ['%i', 5n, 6n], ['%s', 5n], ['%s', undefined], ['%j', 5n === 5n]
]`

/** A proxy as a program of the language sees it. Node 26 shows that it is one. */
const seenThrough = (value: unknown): unknown =>
  types.isProxy(value) ? { ...(value as Record<string, unknown>) } : value

test('console.log lays values out as Node does', async () => {
  const cases = (0, eval)(SHOWN) as unknown[][]
  for (const [way, guest] of guests) {
    outputs.set(way, '')
    await guest.call('print', SHOWN)
    const found = outputs.get(way)!.split('\n\x01\n')
    for (const [i, args] of cases.entries())
      assert.is(found[i], format(...args.map(seenThrough)), `${way}, case ${i}`)
  }
})

test('errors are shown with their own frames and no others', async () => {
  for (const [way, guest] of guests) {
    outputs.set(way, '')
    await guest.call(
      'print',
      `[[new TypeError('bad')], [{ e: new Error('in', { cause: new Error('deep') }) }], [Object.assign(new Error('x'), { code: 5 })]]`
    )
    const text = outputs.get(way)!
    assert.match(text, /^TypeError: bad\n/)
    assert.match(text, /Error: in\n[^]*\[cause\]: Error: deep/)
    assert.match(text, /\{\n  code: 5\n\}|\{ code: 5 \}/)
    assert.not.match(text, /coffer:|node:|file:|ses|\/work|guest-sdk/)
  }
})

test.run()
