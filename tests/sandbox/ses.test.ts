/** What is SES's alone: the module as a function, and the ways in which a program may try to get out of its compartment. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { readdirSync, readFileSync } from 'node:fs'
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { utf8 } from '../../formats/bytes.js'
import { type Guest, type LaunchOptions, launch } from '../../sandbox/index.js'
import { moduleToFunction } from '../../sandbox/ses/program.js'
import { rejectsWith } from '../helpers/rejects.js'

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
