/** What is SES's alone: the module as a function, and the ways in which a program may try to get out of its compartment. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { readdirSync, readFileSync } from 'node:fs'
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { once } from 'node:events'
import type { Readable } from 'node:stream'
import { utf8 } from '../../formats/bytes.js'
import { type CofferError, type Guest, type LaunchOptions, launch } from '../../sandbox/index.js'
import { readVerdicts, type Verdict, WATCHED } from '../../sandbox/ses/pipes.js'
import { moduleToFunction } from '../../sandbox/ses/program.js'
import { AWAKE, COMPUTING, RESTING } from '../../sandbox/ses/watchdog.js'
import { rejectsWith } from '../helpers/rejects.js'
import { endOf } from './conformance/way.js'

const start = (source: string, options: LaunchOptions = {}): Promise<Guest> =>
  launch(utf8(source), { engine: 'ses', ...options })

/** The module as SES would get it, run by plain JavaScript instead: what it exports when it has run. */
async function runModule(source: string, modules: Record<string, Record<string, unknown>> = {}) {
  const text = moduleToFunction(source, {
    name: 'm.js',
    modules: new Map(Object.entries(modules).map(([name, exports]) => [name, Object.keys(exports)])),
    globals: ['Array', 'Map', 'Math', 'Promise']
  })
  let namespace: Record<string, any> = {}
  const evaluation = (0, eval)(text)(modules, {}, (value: object) => (namespace = value))
  await evaluation
  return { namespace, text }
}

test('moduleToFunction() keeps what a module exports, live', async () => {
  const { namespace } = await runModule(`
    export default function () { return 'default' }
    export const { a, b: [c, ...d], ...e } = { a: 1, b: [2, 3, 4], f: 5 }
    export let count = 0
    export function up() { count++ }
    export class K {}
    let local = 'x'; export { local as 'any name', local as other }
    export async function later() { await null; return this }
    up()`)
  assert.is(namespace['default'](), 'default')
  assert.is(namespace['default'].name, 'default')
  assert.equal([namespace['a'], namespace['c'], namespace['d'], namespace['e']], [1, 2, [3, 4], { f: 5 }])
  assert.is(namespace['count'], 1)
  namespace['up']()
  assert.is(namespace['count'], 2)
  assert.is(namespace['any name'], 'x')
  assert.is(await namespace['later'].call(undefined), undefined)
  assert.equal(Object.keys(namespace), [
    'K',
    'a',
    'any name',
    'c',
    'count',
    'd',
    'default',
    'e',
    'later',
    'other',
    'up'
  ])
})

test('moduleToFunction() takes every form of default export', async () => {
  for (const [source, expected] of [
    ['export default 1', 1],
    ['export default (2);', 2],
    ['export default [3][0]\n', 3],
    ['export  /* x */ default /* y */ 4 // z', 4],
    ['export default function named() { return 5 }; var x = named()', 'named'],
    ['export default class {}', 'default'],
    ['export default class Own {}', 'Own'],
    ['export default () => 6', 'default'],
    ['export default async () => {}', 'default'],
    ['let v = 7; export { v as default }', 7],
    ['export default (function () {})', 'default'],
    ['export default async function () {}', 'default'],
    ['export default function* () {}', 'default']
  ] as const) {
    const { namespace } = await runModule(source)
    const value = namespace['default']
    assert.is(typeof value === 'function' ? value.name : value, expected, source)
  }
})

test('moduleToFunction() binds imports, and re-exports', async () => {
  const modules = {
    'coffer:host': { log: () => 'logged', size: 3, default: 'd' },
    'coffer:save': { list: 1 }
  }
  const { namespace } = await runModule(
    `export const before = log()
     import d, { log, size as s, 'size' as t } from 'coffer:host'; import * as all from "coffer:save"
     import 'coffer:host'
     export { log as relogged, default } from 'coffer:host'; export * from 'coffer:save'; export * as ns from 'coffer:save'
     export const values = [d, s, t, all.list]`,
    modules
  )
  assert.is(namespace['before'], 'logged')
  assert.equal(namespace['values'], ['d', 3, 3, 1])
  assert.is(namespace['relogged'](), 'logged')
  assert.is(namespace['default'], 'd')
  assert.is(namespace['list'], 1)
  assert.equal(namespace['ns'], { list: 1 })
})

test('moduleToFunction() keeps lines and refuses with the place', async () => {
  const { text } = await runModule(
    `import {x} from 'coffer:host'\n\n/* a\n b */ export const y = 1\nexport default\n  2`,
    { 'coffer:host': { x: 1 } }
  )
  assert.is(text.split('\n').length, 7)
  assert.match(text.split('\n')[3]!, /const y = 1/)
  for (const [source, place] of [
    ['let a = ;', '1:9'],
    ['\n  import("x")', '2:3'],
    ['import "fs"', '1:8'],
    ['import {no} from "coffer:host"', '1:18'],
    ['a\nreturn', '2:1'],
    ['await = 1', '1:'],
    ['export {x}', '1:9'],
    ['with (a) {}', '1:1'],
    ['let a, a', '1:8']
  ] as const) {
    const error = await rejectsWith('COFFER_PROGRAM_INVALID', () => runModule(source, { 'coffer:host': {} }))
    assert.match(error.message, `m.js:${place}`, source)
  }
})

test('moduleToFunction() has strict code find the global object where sloppy code did, and leaves all else', async () => {
  const { text } = await runModule(`
    const asked = Function('return this')(), again = (new Function("return this;"))()
    const f = Function('return this'), other = Function('return this')(1), own = x => x.Function('return this')()`)
  assert.equal(text.match(/return globalThis/g)?.length, 2)
  assert.equal(text.match(/'return this'/g)?.length, 3)
})

test('moduleToFunction() lets a program declare names of globals, and use ours', async () => {
  const { namespace } = await runModule(
    `const Map = 5, Math = { max: () => 6 }; export const seen = [Map, Math.max(), Array.isArray([])]; let $coffer = 1, \\u0024cofferset = 2; export { $coffer as own, \\u0024cofferset as set }; export const top = typeof this; export var meta = typeof import.meta`
  )
  assert.equal(namespace['seen'], [5, 6, true])
  assert.equal(
    [namespace['own'], namespace['set'], namespace['top'], namespace['meta']],
    [1, 2, 'undefined', 'object']
  )
})

test('text that SES takes for import() or an HTML comment means what it meant', async () => {
  const source = `
    // import('x') <!-- -->
    /* import ( */ /* --> */
    const pieces = ['import(', "<!--", \`-->\${1}import ("x")\`, 'import  /*', /import\\(|<!--|-->/.test('-->'), '\\\\import(x)', "\\\\\\\\<!--"]
    const object = { import(x) { return x }, 'import': 1, a: { import: y => y } }
    class Maker { import() { return 7 } static import = 8; #import(x) { return x } inner() { return this.#import (9) } }
    const $import = x => x, é$import = $import, reimport = $import
    const calls = [$import(1), $import /* */ (2), é$import(3), reimport(4), object.a. import(5), object?.a?.
      import (6), new Maker().inner()]
    let x = 3, n = 0
    while (x-->0) n++
    const y = 1
    export const all = [...pieces, typeof object.import, object.a.import(5), new Maker().import(), Maker.import, ...calls, n, /* <!-- */ y, 'eval(', typeof eval, 'x' in { x }]
    export const run = () => all`
  const { namespace } = await runModule(source)
  const guest = await start(source)
  assert.equal(await guest.call('run'), namespace['all'])
  // Node runs the same text as a module.
  const node = await import(`data:text/javascript,${encodeURIComponent(source)}`)
  assert.equal(namespace['all'], node.all)
  await guest.dispose()
})

test('modules in use run as functions too', async () => {
  // Code of many hands and styles, without imports; each is at least accepted, and its exports are all there.
  const folder = new URL('../../../node_modules/rot-js/lib/', import.meta.url)
  let count = 0
  for (const file of readdirSync(folder).filter(name => name.endsWith('.js'))) {
    const source = readFileSync(new URL(file, folder), 'utf8')
    if (/\bfrom\s*["']|import\s*["']/.test(source)) continue
    const { namespace } = await runModule(source)
    const expected = await import(new URL(file, folder).href)
    assert.equal(Object.keys(namespace), Object.keys(expected), file)
    count++
  }
  assert.ok(count >= 3, `only ${count} modules`)
})

/** Expressions that would reach the process if the wall had a hole; each must give nothing, or throw. */
const ATTEMPTS = [
  `process`,
  `require`,
  `module`,
  `globalThis.process`,
  `global`,
  `this`,
  `(function () { return this })()`,
  `(0, eval)('this').process`,
  `eval('process')`,
  `eval('require')`,
  `Function('return process')()`,
  `new Function('return this')().process`,
  `(() => {}).constructor('return process')()`,
  `(async () => {}).constructor('return process')()`,
  `(function* () {}).constructor('return process')()`,
  `(async function* () {}).constructor('return process')()`,
  `({}).constructor.constructor('return process')()`,
  `[].constructor.constructor('return process')()`,
  `console.log.constructor('return process')()`,
  `setTimeout.constructor('return process')()`,
  `URL.constructor('return process')()`,
  `host.constructor('return process')()`,
  `host.__proto__.constructor('return process')()`,
  `syncHost.constructor('return process')()`,
  `hostError().constructor.constructor('return process')()`,
  `hostValue().constructor.constructor('return process')()`,
  `hostBytes().constructor.constructor('return process')()`,
  `hostBytes().buffer.constructor.constructor('return process')()`,
  `Error.prepareStackTrace = (e, f) => f; new Error().stack[0].getThis().process`,
  `Error.captureStackTrace({})`,
  `new Error().stack.getFunction`,
  `Error.stackTraceLimit = Infinity; /child|remote|session|node:/.test(new Error().stack) || undefined`,
  `(() => { try { null.x } catch (e) { return e.constructor.constructor('return process')() } })()`,
  `(() => { const f = () => f(); try { f() } catch (e) { return e.constructor.constructor('return process')() } })()`,
  `(() => { try { new Proxy({}, null) } catch (e) { return e.constructor.constructor('return process')() } })()`,
  `arguments.callee.caller`,
  `arguments[0].process`,
  `Reflect.construct(Function, ['return process'])()`,
  `Reflect.apply(eval, null, ['process'])`,
  `structuredClone.constructor('return process')()`,
  `import.meta.url`,
  `import.meta.constructor`,
  `Object.getPrototypeOf(async function () {}).constructor('return process')()`,
  `new (class extends Function {})('return process')()`,
  `Compartment`,
  `new Compartment().globalThis`,
  `harden.constructor('return process')()`,
  `lockdown`,
  `$cofferset.constructor('return process')()`,
  `$coffermodules['coffer:host'].log.constructor('return process')()`,
  `Symbol.for('nodejs.util.inspect.custom') in globalThis || undefined`,
  `globalThis[Symbol.unscopables]?.process`,
  `Object.prototype.polluted = 1`,
  `Array.prototype.polluted = 1`,
  `Function.prototype.call = 1`,
  `Promise.prototype.then = () => {}`,
  `Uint8Array.prototype.set = () => {}`,
  `Object.defineProperty(Promise.prototype, 'then', { value: 1 })`,
  `Object.setPrototypeOf(Array.prototype, null)`,
  `delete Array.prototype.push`,
  `new TextEncoder().encode('x').constructor.constructor('return process')()`,
  `Object.getOwnPropertyNames(Object.getPrototypeOf(globalThis)).find(name => name === 'process')`,
  `RegExp.$1 || undefined`,
  `RegExp.input`
]

test('no expression leaves the compartment', async () => {
  const guest = await start(
    `import { host, syncHost, hostError, hostValue, hostBytes } from 'coffer:host'
     export const attempt = async source => { try { const value = await eval(source); return value === undefined || value === null ? 'nothing' : 'found ' + typeof value } catch (error) { return 'nothing' } }
     export const inline = async () => {
       const results = []
       ${ATTEMPTS.map(text => `try { const value = await (async function () { return ${/;|=(?!=|>)/.test(text.replace(/=>|===?/g, '')) ? `eval(${JSON.stringify(text)})` : text} })(); results.push(value === undefined || value === null ? 'nothing' : 'found ' + typeof value) } catch (error) { results.push('nothing') }`).join('\n')}
       return results
     }`,
    {
      capabilities: {
        host: {
          host: () => 1,
          syncHost: Object.assign(() => 1),
          hostError: () => {
            throw new RangeError('x')
          },
          hostValue: () => ({ a: 1 }),
          hostBytes: () => new Uint8Array(4)
        }
      }
    }
  )
  const allowed = (text: string) =>
    text === 'this' || /polluted = 1|then = |set = |call = 1|stackTraceLimit|prepareStackTrace/.test(text)
  const inline = (await guest.call('inline')) as string[]
  for (const [i, text] of ATTEMPTS.entries()) {
    const outcomes = [inline[i], /import\.meta/.test(text) ? 'nothing' : await guest.call('attempt', text)]
    if (text === 'this') continue
    for (const outcome of outcomes) if (!allowed(text)) assert.is(outcome, 'nothing', text)
  }
  // Whatever was assigned stayed in the compartment, and nothing was lost.
  assert.is(await guest.call('attempt', '1'), 'found number')
  assert.is(({} as { polluted?: number }).polluted, undefined)
  await guest.dispose()
})

test('the built-in prototypes cannot be changed', async () => {
  const guest = await start(
    `export const frozen = () => [Object, Array, Function, Promise, Map, Uint8Array, Float64Array, WeakRef, Error, RegExp, Date, String, Object.getPrototypeOf(Uint8Array)].map(kind => Object.isFrozen(kind.prototype))`
  )
  assert.equal(await guest.call('frozen'), Array(13).fill(true))
  await guest.dispose()
})

/** Registers objects that are garbage at once; makes more of it, until the engine collects it. */
const GARBAGE = `
  export const plant = () => { for (let i = 0; i < 100; i++) registry.register({ i }, i) }
  export const churn = () => { const all = []; for (let i = 0; i < 2e5; i++) all.push({ i, b: [i] }); return all.length }`

/** How a guest ends whose callbacks run once its garbage is collected: while it is called, or left alone. */
async function collected(guest: Guest): Promise<CofferError> {
  await guest.call('plant')
  const end = endOf(guest)
  for (let ended = false; !ended;) {
    ended = await Promise.race([
      guest.call('churn').then(
        () => false,
        () => true
      ),
      end.then(() => true)
    ])
    await new Promise(resolve => setTimeout(resolve, 100))
  }
  return end
}

test('callbacks of a FinalizationRegistry compute on the account of the guest', async () => {
  const guest = await start(`const registry = new FinalizationRegistry(() => { for (;;); }); ${GARBAGE}`, {
    limits: { cpuMs: 2000 }
  })
  const { code, limit } = await collected(guest)
  assert.equal([code, limit?.name], ['COFFER_LIMIT_CPU', 'cpuMs'])
  await guest.dispose()
})

test('they do while no call waits, and one after the other', async () => {
  const guest = await start(
    `const registry = new FinalizationRegistry(() => { const end = Date.now() + 30; while (Date.now() < end); }); ${GARBAGE}`,
    { limits: { cpuMs: 2000 } }
  )
  const { code } = await collected(guest)
  assert.is(code, 'COFFER_LIMIT_CPU')
  await guest.dispose()
})

test('what they keep is memory of the guest, and what they leave waiting its jobs', async () => {
  for (const [body, code] of [
    ['for (;;) kept.push(new Uint8Array(16e6).fill(1))', 'COFFER_LIMIT_MEMORY'],
    ['for (;;) setTimeout(() => {}, 1e6)', 'COFFER_LIMIT_JOBS']
  ] as const) {
    const guest = await start(
      `const kept = []; const registry = new FinalizationRegistry(() => { ${body} }); ${GARBAGE}`
    )
    assert.is((await collected(guest)).code, code)
    await guest.dispose()
  }
})

test('they get what was held, each once, and what one throws is told and keeps no other from its turn', async () => {
  let stderr = ''
  const guest = await start(
    `const held = []
     const registry = new FinalizationRegistry(i => { held.push(i); if (i === 7) throw new Error('seven') })
     export const seen = () => [held.length, new Set(held).size]
     ${GARBAGE}`,
    { stderr: bytes => (stderr += Buffer.from(bytes).toString()) }
  )
  await guest.call('plant')
  let seen: unknown = []
  for (let i = 0; i < 100 && (seen as number[])[0] !== 100; i++) {
    await guest.call('churn')
    await new Promise(resolve => setTimeout(resolve, 50))
    seen = await guest.call('seen')
  }
  assert.equal(seen, [100, 100])
  assert.is(stderr.match(/Uncaught Error: seven/g)?.length, 1)
  await guest.dispose()
})

test('FinalizationRegistry is the only one that a program can reach, and shaped as the language says', async () => {
  const guest = await start(`export const look = () => {
    const all = [], note = fn => { try { fn(); all.push('nothing') } catch (error) { all.push(error.name) } }
    note(() => FinalizationRegistry(() => {}))
    note(() => new FinalizationRegistry())
    note(() => new FinalizationRegistry({}))
    note(() => FinalizationRegistry.prototype.register.call({}, {}, 1))
    class Own extends FinalizationRegistry { more() { return 1 } }
    const own = new Own(() => {}), { prototype } = FinalizationRegistry, token = {}
    own.register({}, 1, token)
    return [
      ...all, own.more(), own.unregister(token), own instanceof FinalizationRegistry, Object.getPrototypeOf(own) === Own.prototype,
      prototype.constructor === FinalizationRegistry, new prototype.constructor(() => {}) instanceof FinalizationRegistry,
      Object.getPrototypeOf(FinalizationRegistry) === Function.prototype, FinalizationRegistry.name, FinalizationRegistry.length,
      JSON.stringify(Object.getOwnPropertyDescriptor(FinalizationRegistry, 'prototype')), String(own),
      Object.isFrozen(FinalizationRegistry) && Object.isFrozen(prototype)
    ]
  }`)
  assert.equal(await guest.call('look'), [
    ...['TypeError', 'TypeError', 'TypeError', 'TypeError', 1, true, true, true, true, true, true],
    ...['FinalizationRegistry', 1],
    '{"value":{},"writable":false,"enumerable":false,"configurable":false}',
    '[object FinalizationRegistry]',
    true
  ])
  await guest.dispose()
})

/** A process whose second thread is the watchdog, while no guest of its computes. */
async function resting(main: string): Promise<{ exit: unknown[]; verdicts: Verdict[] }> {
  const script = `
    const { Worker } = require('node:worker_threads')
    const endless = () => new Float64Array(new SharedArrayBuffer(16)).fill(Infinity)
    const watched = { deadlines: endless(), memory: endless(), computing: endless(), flags: new Int32Array(new SharedArrayBuffer(64)) }
    new Worker(${JSON.stringify(fileURLToPath(new URL('../../sandbox/ses-watchdog.cjs', import.meta.url)))}, { workerData: watched })
    Atomics.wait(watched.flags, ${AWAKE}, 0)
    watched.computing[${COMPUTING}] = 100
    watched.computing[${RESTING}] = 600
    ${main}`
  const child = spawn(process.execPath, ['-e', script], {
    stdio: ['ignore', 'ignore', 'inherit', 'ignore', 'ignore', 'ignore', 'pipe']
  })
  const verdicts: Verdict[] = []
  const stdio: readonly unknown[] = child.stdio
  ;(stdio[6] as Readable).on('data', (bytes: Buffer) => verdicts.push(...readVerdicts(bytes)))
  return { exit: await once(child, 'close'), verdicts }
}

test('a process that computes while its guest rests is ended, whatever had it compute; one that waits is not', async () => {
  const { exit, verdicts } = await resting('for (;;);')
  assert.equal(exit, [null, 'SIGKILL'])
  assert.equal(
    verdicts.map(({ limit, soft }) => [WATCHED[limit], soft]),
    [['cpuMs', false]]
  )
  assert.ok(verdicts[0]!.excess > 500, String(verdicts[0]!.excess))
  const many = await resting(
    'setInterval(() => { const end = Date.now() + 20; while (Date.now() < end); }, 1)'
  )
  assert.equal(many.exit, [null, 'SIGKILL'])
  assert.equal((await resting('setTimeout(() => process.exit(0), 2000)')).exit, [0, null])
})

test('a guest that is gone leaves no process behind, nor does a host that is', async () => {
  const children = () =>
    readdirSync('/proc')
      .filter(name => /^\d+$/.test(name))
      .filter(pid => {
        try {
          return (
            readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('ses-child.cjs') &&
            readFileSync(`/proc/${pid}/stat`, 'utf8').split(' ')[2] !== 'Z'
          )
        } catch {
          return false
        }
      })
  if (process.platform !== 'linux') return console.log('skip: counts processes in /proc')
  const before = new Set(children())
  const mine = () => children().filter(pid => !before.has(pid))
  const script = `
    import { launch } from ${JSON.stringify(new URL('../../sandbox/index.js', import.meta.url).href)}
    const guest = await launch(new TextEncoder().encode('export const loop = () => { for (;;); }'), { engine: 'ses', limits: { cpuMs: 60000 } })
    guest.call('loop').catch(() => {})
    setTimeout(() => console.log('running'), 100)`
  const host = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
    cwd: fileURLToPath(new URL('../../..', import.meta.url))
  })
  await new Promise(resolve => host.stdout.once('data', resolve))
  const marker = readFileSync(`/proc/${host.pid}/task/${host.pid}/children`, 'utf8').trim().split(' ')
  assert.ok(marker.length >= 1 && mine().some(pid => marker.includes(pid)))
  host.kill('SIGKILL')
  const deadline = Date.now() + 3000
  const alive = () => mine().filter(pid => marker.includes(pid))
  while (alive().length > 0 && Date.now() < deadline) await new Promise(resolve => setTimeout(resolve, 50))
  assert.equal(alive(), [])
})

test('the process sees nothing of the host: no environment, no files to write, no children to start', async () => {
  // Asked of the process itself, as a program that got out would.
  const { stdio, env } = await probeChild()
  assert.equal(
    env.filter(name => name !== 'TZ' && name !== '__CF_USER_TEXT_ENCODING'),
    []
  )
  assert.ok(stdio)
})

/** What /proc shows of a running child. */
async function probeChild(): Promise<{ env: string[]; stdio: boolean }> {
  if (process.platform !== 'linux') return { env: [], stdio: true }
  process.env['COFFER_TEST_SECRET'] = 'secret'
  const guest = await start(`export const a = () => 1`)
  const own = readFileSync(`/proc/${process.pid}/task/${process.pid}/children`, 'utf8').trim().split(' ')
  const pid = own.find(candidate =>
    readFileSync(`/proc/${candidate}/cmdline`, 'utf8').includes('ses-child.cjs')
  )!
  const env = readFileSync(`/proc/${pid}/environ`, 'utf8')
    .split('\0')
    .filter(Boolean)
    .map(line => line.split('=')[0]!)
  const flags = readFileSync(`/proc/${pid}/cmdline`, 'utf8')
  await guest.dispose()
  return {
    env,
    stdio:
      /--(?:experimental-)?permission/.test(flags) &&
      !/allow-child-process|allow-fs-write|allow-addons/.test(flags)
  }
}

test.run()
