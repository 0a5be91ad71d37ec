/** Programs that never end, or ask for everything: each is ended in time, by its own limit, and harms nobody else. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { CofferError } from '../../formats/errors.js'
import { NEVER_MS } from './conformance/way.js'
import { runGuest } from './quickjs-stand-in.js'

const TIME_MS = 200
const MEMORY_BYTES = 16 * 1024 * 1024

/** Never ends by itself; the interpreter's own check sees none of the native ones. */
const ENDLESS: Record<string, string> = {
  'an empty loop': 'for (;;);',
  'a loop that swallows errors': 'for (;;) { try { for (;;); } catch {} finally { continue } }',
  'a join of holes': "new Array(1e9) + ''",
  'indexOf of an array-like': '[].indexOf.call({ length: 2 ** 53 - 1 }, 1)',
  'lastIndexOf of an array-like': '[].lastIndexOf.call({ length: 2 ** 53 - 1 }, 1)',
  'reverse of an array-like': '[].reverse.call({ length: 2 ** 53 - 1 })',
  'unshift on an array-like': '[].unshift.call({ length: 2 ** 53 - 2 }, 1)',
  'splice of an array-like': '[].splice.call({ length: 2 ** 53 - 1 }, 0, 1)',
  'copyWithin of an array-like': '[].copyWithin.call({ length: 2 ** 53 - 1 }, 1, 0)',
  'includes of an array-like': '[].includes.call({ length: 2 ** 53 - 1 }, 1)',
  'String.raw of an array-like': 'String.raw({ raw: { length: 2 ** 53 - 1 } })',
  'a catastrophic regular expression': "/^(a+)+$/.test('a'.repeat(40) + 'b')",
  'a bigint power': '7n ** 10000000n',
  'bigints in decimal': 'const b = 1n << 500_000n; for (;;) b.toString()',
  'bigints from decimal': "for (;;) BigInt('7'.repeat(100_000))",
  'a sort whose comparator is endless': '[3, 2, 1].sort(() => { for (;;); })',
  'sorts without end': 'const a = Array.from({ length: 1e5 }, (_, i) => -i); for (;;) a.slice().sort()',
  'block copies': 'const a = new Uint8Array(16e6); for (;;) a.copyWithin(1, 0)',
  'block fills': 'const a = new Uint8Array(16e6); for (;;) a.fill(1)',
  'text comparison': "const a = 'x'.repeat(4e6), b = 'x'.repeat(4e6); for (;;) a < b",
  'searching text': "const a = 'x'.repeat(4e6); for (;;) a.indexOf('y')",
  'normalizing text': "const a = '\\u00e9'.repeat(2e5); for (;;) a.normalize('NFD')",
  'JSON of much': 'const a = new Array(1e5).fill(1); for (;;) JSON.parse(JSON.stringify(a))',
  'a chain of jobs': 'const next = () => Promise.resolve().then(next); next()',
  'an endless job': 'Promise.resolve().then(() => { for (;;); })',
  'an async loop': '(async () => { for (;;) await 0 })()',
  'a top-level await loop': 'for (;;) await 0',
  'a generator without end': 'for (const x of (function* () { for (;;) yield })());',
  'a proxy that asks itself': 'const p = new Proxy({}, { get: () => { for (;;); } }); p.x',
  'a getter while spreading': '({ ...{ get x() { for (;;); } } })',
  'toString while sorting': '[{ toString() { for (;;); } }, 1].sort()',
  eval: "eval('for (;;);')",
  'a cleanup that walks': 'for (;;) { let list = null; for (let i = 0; i < 1e5; i++) list = { list } }',
  'a Map that grows as it is walked':
    'const m = new Map([[0, 0]]); for (const [k] of m) { m.delete(k); m.set(k + 1, 0) }'
}

/** Asks for more memory than there is. */
const GREEDY: Record<string, string> = {
  'one ArrayBuffer': 'new ArrayBuffer(2 ** 31 - 1)',
  'many ArrayBuffers': 'const all = []; for (;;) all.push(new ArrayBuffer(1e6))',
  'one text': "'x'.repeat(2 ** 29).charCodeAt(0)",
  'a text that doubles': "let s = 'x'; for (;;) { s += s; s.charCodeAt(3) }",
  padding: "''.padStart(2 ** 29, 'ab')",
  'an array': 'const a = []; for (;;) a.push(a.length)',
  'a dense array': 'new Array(1e8).fill(0)',
  'Array.from': 'Array.from({ length: 2 ** 31 })',
  objects: 'let list; for (;;) list = { list }',
  closures: 'let f = () => {}; for (;;) { const g = f; f = () => g }',
  'a Map': 'const m = new Map(); for (let i = 0; ; i++) m.set(i, i)',
  properties: 'const o = {}; for (let i = 0; ; i++) o["k" + i] = i',
  symbols: 'const all = []; for (;;) all.push(Symbol("a name of some length"))',
  bigints: 'const all = []; for (let i = 0n; ; i++) all.push((1n << 100_000n) + i)',
  'JSON of much': 'const a = new Array(5e6).fill(1e300); JSON.stringify(a)',
  jobs: 'for (;;) Promise.resolve().then(() => {})',
  'a job that allocates': 'Promise.resolve().then(() => { const a = []; for (;;) a.push({}) })',
  'an error message':
    "const s = 'x'.repeat(4e6); const all = []; for (;;) all.push(new Error(s + all.length))",
  swallowed: 'const all = []; for (;;) { try { for (;;) all.push(new ArrayBuffer(1e6)) } catch {} }',
  'a regular expression': "/(?:a|b)*c/.test('ab'.repeat(4e6))",
  generators: 'const all = []; function* g() { yield } for (;;) { const i = g(); i.next(); all.push(i) }',
  'source text': "eval('1;'.repeat(4e6))"
}

function check(kind: string, programs: Record<string, string>, code: string, timeMs: number, limits: object) {
  for (const [name, source] of Object.entries(programs)) {
    test(`${kind}: ${name}`, () => {
      const { machine, error, elapsedMs } = runGuest(source, [], { timeMs, limits })
      assert.instance(error, CofferError, `ended with ${String(error)}`)
      assert.is((error as CofferError).code, code, (error as CofferError).message)
      assert.ok(elapsedMs < NEVER_MS, `took ${elapsedMs.toFixed(0)} ms`)
      assert.is(machine.memoryBytes(), 0)

      const next = runGuest("import { say } from 'coffer:host'; say('well')")
      assert.equal(next.said, ['say well', 'started '])
      next.machine.destroy()
    })
  }
}

// Memory for what a fast machine allocates in that time.
check('time', ENDLESS, 'COFFER_LIMIT_CPU', TIME_MS, { memoryBytes: 2 ** 30 })
check('memory', GREEDY, 'COFFER_LIMIT_MEMORY', 5000, { memoryBytes: MEMORY_BYTES })

check(
  'jobs',
  {
    promises: 'for (;;) Promise.resolve().then(() => {})',
    'promises made by jobs':
      'const next = () => { for (let i = 0; i < 3; i++) Promise.resolve().then(next) }; next()',
    'async functions': 'const f = async () => { await 0 }; for (;;) f()'
  },
  'COFFER_LIMIT_JOBS',
  5000,
  { pendingJobs: 1000 }
)

/** How often a program is polled in a tenth of a second. */
function pollsOf(source: string): number {
  let polls = 0
  const started = performance.now()
  const { machine } = runGuest(source, [], {
    port: {
      poll() {
        polls++
        if (performance.now() - started > 100) throw new CofferError('COFFER_LIMIT_CPU', 'time is up')
      }
    }
  })
  machine.destroy()
  return polls
}

test('time: every endless program is polled again and again', () => {
  for (const [name, source] of Object.entries(ENDLESS)) {
    // Alone on a machine polls are below 10 ms apart. Others may keep this one from its turn, but not three times in a row.
    const tries: number[] = []
    while (tries.length < 3 && !(tries.at(-1)! >= 5)) tries.push(pollsOf(source))
    assert.ok(tries.at(-1)! >= 5, `${name}: ${tries.join(', ')} polls in 100 ms`)
  }
})

test('memory: what is free again can be used again, up to the limit', () => {
  const source = `let sum = 0; for (let i = 0; i < 300; i++) sum += new ArrayBuffer(1e6).byteLength; export default sum`
  const { machine, error } = runGuest(source, [], { limits: { memoryBytes: 4 * 1024 * 1024 } })
  assert.is(error, undefined)
  assert.ok(machine.memoryBytes() <= 4 * 1024 * 1024)
  machine.destroy()
})

test('memory: the limit is exact to one page', () => {
  // Memory for one buffer beside the little that the program itself takes.
  const fits = (memoryBytes: number) => {
    const { machine, error } = runGuest('new ArrayBuffer(8_000_000)', [], { limits: { memoryBytes } })
    const grown = machine.memoryBytes()
    machine.destroy()
    assert.ok(error === undefined || (error instanceof CofferError && error.code === 'COFFER_LIMIT_MEMORY'))
    assert.ok(grown <= Math.ceil(memoryBytes / 65536) * 65536)
    return error === undefined
  }
  assert.not.ok(fits(7_500_000))
  assert.ok(fits(8_200_000))
})

test.run()
