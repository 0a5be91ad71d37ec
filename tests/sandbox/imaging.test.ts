/** Images of titles: what can be taken, that nobody could tell, that nothing of the text is in one, and what is refused. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { utf8 } from '../../formats/bytes.js'
import { CofferError } from '../../formats/errors.js'
import { grantTable } from '../../sandbox/capabilities.js'
import {
  type Capabilities,
  DEFAULT_LIMITS,
  GuestError,
  type LaunchOptions,
  sync,
  type Value
} from '../../sandbox/guest.js'
import { aliasOf, type ImagingOptions, makeTitleImage } from '../../sandbox/imaging.js'
import { launchProgram } from '../../sandbox/launch.js'
import { decodeTitleImage, imageBelongsTo } from '../../sandbox/quickjs/image.js'
import { quickjs } from '../../sandbox/quickjs/node.js'
import type { Plan } from '../../sandbox/quickjs/placing.js'
import { rejectsWith } from '../helpers/rejects.js'

const TERMINAL = (interactive: boolean): Capabilities => ({
  terminal: { interactive, size: () => ({ columns: 80, rows: 24 }), write() {}, readKey: async () => null }
})
const grantsOf = (capabilities: Capabilities) => grantTable(capabilities).modules

function tryImage(source: string, capabilities: Capabilities = {}, more: Partial<ImagingOptions> = {}) {
  return makeTitleImage(quickjs(), utf8(source), {
    name: 'title.js',
    grants: [grantsOf(capabilities)],
    limits: { ...DEFAULT_LIMITS, cpuMs: 1000 },
    mark: 'mark',
    ...more
  })
}
function imageOf(...args: Parameters<typeof tryImage>): Uint8Array {
  const image = tryImage(...args)
  if (!(image instanceof Uint8Array)) throw new Error(`no image: ${image.reason}`)
  return image
}
async function callOn(image: Uint8Array, name: string, options: LaunchOptions = {}, ...args: Value[]) {
  await using guest = await launchProgram({ image }, options)
  return await guest.call(name, ...args)
}

const COUNTER = 'let n = 40; export const next = () => ++n; export const echo = x => x'

test('a guest from an image goes on where the program had started, and each on its own', async () => {
  const image = imageOf(COUNTER)
  await using one = await launchProgram({ image }, {})
  await using other = await launchProgram({ image }, {})
  assert.equal(one.exports, ['echo', 'next'])
  assert.equal([await one.call('next'), await one.call('next'), await other.call('next')], [41, 42, 41])
})

test('the same in a thread', async () => {
  assert.is(await callOn(imageOf(COUNTER), 'next', { isolation: 'thread' }), 41)
})

test('the same program makes the same image', () => {
  const source = `const table = new Map(Array.from({ length: 500 }, (_, i) => [{}, 'text ' + i]))
    class Thing { #x = Symbol('s'); static { this.list = [/a+b/g, 12n ** 40n, new Float64Array(9)] } }
    await null
    export const size = () => table.size`
  assert.equal(imageOf(source), imageOf(source))
  assert.equal(imageOf(source, {}, { strip: true }), imageOf(source, {}, { strip: true }))
})

test('what a start lets go of leaves no holes in its image', async () => {
  // Every other block of some size is let go of.
  const source = `const kept = []
    for (let i = 0; i < 2000; i++) { kept.push({ text: 'x' + i }); let gone = new Uint8Array(1500).fill(1) }
    export const count = () => kept.length`
  const image = imageOf(source)
  const { parts } = decodeTitleImage(image, imageBelongsTo(image).slice())!.states[0]!
  const pages = new Set(
    parts.flatMap(({ offset, bytes }) => [offset >> 12, (offset + bytes.length - 1) >> 12])
  )
  assert.ok(pages.size < 150, `${pages.size} pages`)
  assert.is(await callOn(image, 'count'), 2000)
})

test('an image holds nothing of statements that have run, nor what only they could reach', async () => {
  const source = `if ('nobody needs this'.length !== 17) throw 1
    const unreached = Array.from({ length: 9 }, (_, i) => 'unreachable ' + i)
    const reached = ['still reached']
    export const first = () => reached[0]`
  const image = Buffer.from(imageOf(source, {}, { strip: true }))
  const holds = (text: string) => image.includes(text)
  assert.equal(['nobody needs', 'unreachable', 'still reached'].map(holds), [false, false, true])
  assert.is(await callOn(image, 'first'), 'still reached')
})

test('a module can do without its statements: its exports, itself as a module, and what it waits for', async () => {
  const source = `export let n = 40
    const one = await new Promise(done => queueMicrotask(() => done(1)))
    export { one as 'the one' }
    export default class Sum { static of = () => n + one }
    export const bump = () => { n++ }
    export const asModule = async () => {
      const own = await import('title.js')
      bump()
      return [own.n, own['the one'], own.default.of(), Object.keys(own)]
    }
    export const late = async () => Object.keys(await import('coffer:host'))
    import.meta.note = 'kept'
    export const note = () => import.meta.note`
  const capabilities: Capabilities = { host: { log() {} } }
  for (const form of [{ image: imageOf(source) }, { source: utf8(source) }]) {
    await using guest = await launchProgram(form, { capabilities })
    const names = ['asModule', 'bump', 'default', 'late', 'n', 'note', 'the one']
    assert.equal(await guest.call('asModule'), [41, 1, 42, names])
    assert.equal([await guest.call('late'), await guest.call('note')], [['log'], 'kept'])
  }
})

test('a start that asks for other blocks than planned is found out', () => {
  const start = (plan?: Plan) => {
    const port = { receive: () => undefined, poll() {}, now: () => 0, dice: new Uint8Array(8).fill(1) }
    const machine = quickjs()(
      { ...port, result() {}, callHost: () => undefined },
      { ...DEFAULT_LIMITS, cpuMs: 1000 },
      { imaging: { strip: false, beginName: 'coffer:begin/mark', mostBytes: 2 ** 25, plan } }
    )
    machine.evaluate(utf8(COUNTER), 'title.js', new Map())
    return machine
  }
  const first = start()
  const second = start(first.plan())
  const { lasts, heapBytes } = first.plan()!
  const other = start({ lasts: new Uint8Array(lasts.length), heapBytes })
  assert.equal([first.isPlanned, second.isPlanned, other.isPlanned], [true, true, false])
  for (const machine of [first, second, other]) machine.destroy()
})

test('a start that asks something of the world has no image, and the reason says what', () => {
  const reason = (source: string, capabilities: Capabilities = {}) => {
    const image = tryImage(source, capabilities)
    return image instanceof Uint8Array ? 'none' : image.reason
  }
  const host: Capabilities = { host: { log() {}, now: sync(() => 1) } }
  for (const [source, why] of [
    ['const at = Date.now()', /time/],
    ['const at = new Date()', /time/],
    ['export const at = performance.now()', /time/],
    ['const die = Math.random()', /chance/],
    ['crypto.randomUUID()', /chance/],
    ['console.log(1)', /writes/],
    ['setTimeout(() => {}, 1)', /timer/],
    ["import { now } from 'coffer:host'; now()", /function of the host/],
    ["import { log } from 'coffer:host'; try { await log() } catch {}", /function of the host/],
    ['throw new Error("x")', /throws/],
    ['Promise.reject(1)', /rejection/],
    ['await new Promise(() => {})', /waits/],
    ['for (;;);', /computes/],
    ['let x = ;', /Cannot compile/],
    ["import 'coffer:net'", /not granted/],
    // What it catches, it still asked.
    ['try { console.log(1) } catch {}', /writes/],
    ['const list = []; for (;;) list.push(new ArrayBuffer(1e7))', /memory/]
  ] as const) {
    assert.match(reason(source, host), why, source)
  }
  for (const source of ['Math.max(1, 2)', 'new Date(0).getFullYear()', 'await 1', 'class A {}', '']) {
    assert.is(reason(source), 'none', source)
  }
})

test('dice and clock are each guest’s own, and a seed gives the same as from source', async () => {
  const source = `const { random } = Math, now = Date.now
    export const roll = async () => {
      const log = [random(), now(), new Date().toISOString(), crypto.randomUUID()]
      await new Promise(done => setTimeout(done, 5000))
      return [...log, random(), now(), performance.now()]
    }`
  const image = imageOf(source)
  const seeded = await callOn(image, 'roll', { seed: 7 })
  await using fromSource = await launchProgram({ source: utf8(source) }, { seed: 7 })
  assert.equal(await fromSource.call('roll'), seeded)
  assert.not.equal(await callOn(image, 'roll', { seed: 8 }), seeded)
  const quick = imageOf('export const roll = () => [Math.random(), Date.now()]')
  const [first, second] = [await callOn(quick, 'roll'), await callOn(quick, 'roll')] as [number[], number[]]
  assert.is.not(first[0], second[0])
  assert.ok(Math.abs(first[1]! - Date.now()) < 60_000)
})

test('an image fits the grants that it was made for, and no others', async () => {
  const source =
    "import { now } from 'coffer:host'; import * as terminal from 'coffer:terminal'; export { now }"
  const host = { now: () => 1 }
  const image = imageOf(source, { host, ...TERMINAL(true) })
  const fits = (capabilities: Capabilities) =>
    launchProgram({ image }, { capabilities }).then(guest => guest.dispose())
  await fits({ host, ...TERMINAL(true) })
  await rejectsWith('COFFER_ENGINE_UNSUITABLE', () => fits({ host, ...TERMINAL(false) }))
  await rejectsWith('COFFER_ENGINE_UNSUITABLE', () => fits({ host }))
  await rejectsWith('COFFER_ENGINE_UNSUITABLE', () => fits(TERMINAL(true)))
  await rejectsWith('COFFER_ENGINE_UNSUITABLE', () => fits({ host: {}, ...TERMINAL(true) }))
  await rejectsWith('COFFER_ENGINE_UNSUITABLE', () =>
    fits({ host: { ...host, more() {} }, ...TERMINAL(true) })
  )
  // Where there is a source too, it is what starts then, and says what it always says.
  const both = { image, source: utf8(source) }
  await rejectsWith('COFFER_PROGRAM_INVALID', () => launchProgram(both, { capabilities: { host } }))
  const more = await launchProgram(both, {
    capabilities: { host: { ...host, more() {} }, ...TERMINAL(false) }
  })
  assert.is(await more.call('now'), 1)
  await more.dispose()
})

test('an image holds a state for each value of what is no function', async () => {
  const source = `import { interactive } from 'coffer:terminal'
    const early = interactive ? 'a person' : ['a', 'pipe']
    export const tell = () => [early, interactive]`
  const states = [grantsOf(TERMINAL(true)), grantsOf(TERMINAL(false))]
  const image = imageOf(source, {}, { grants: states })
  assert.equal(await callOn(image, 'tell', { capabilities: TERMINAL(true) }), ['a person', true])
  assert.equal(await callOn(image, 'tell', { capabilities: TERMINAL(false) }), [['a', 'pipe'], false])
  // The second state is told as what differs.
  const alone = imageOf(source, {}, { grants: [states[0]!] })
  assert.ok(image.length < alone.length * 1.2, `${image.length} against ${alone.length}`)
})

test('who answers a function is decided at each start: at once or by a promise', async () => {
  const image = imageOf("import { f } from 'coffer:host'; export const it = () => typeof f() + typeof f", {
    host: { f: () => 1 }
  })
  assert.is(await callOn(image, 'it', { capabilities: { host: { f: () => 1 } } }), 'objectfunction')
  assert.is(await callOn(image, 'it', { capabilities: { host: { f: sync(() => 1) } } }), 'numberfunction')
})

test('imported by name alone: the image runs where more is granted, and import() sees all that is', async () => {
  const text = (module: string) => `import { f } from '${module}'
    export const it = async () => {
      const host = await import('coffer:host')
      const terminal = await import('coffer:terminal').catch(error => error.message)
      return [Object.keys(host), host.f === f, await f(), typeof terminal]
    }`
  const options = { byName: ['coffer:host'] }
  const image = imageOf(text(aliasOf('coffer:host', 'mark')), { host: { f: () => 1 } }, options)
  const host = { f: () => 2, g: () => 3 }
  for (const capabilities of [{ host }, { host, ...TERMINAL(true) }, { host: { f: () => 2 } }]) {
    await using guest = await launchProgram({ source: utf8(text('coffer:host')) }, { capabilities })
    assert.equal(await callOn(image, 'it', { capabilities }), await guest.call('it'))
  }
  await rejectsWith('COFFER_ENGINE_UNSUITABLE', () =>
    callOn(image, 'it', { capabilities: { host: { g: () => 1 } } })
  )
})

test('limits hold in a guest from an image', async () => {
  const image = imageOf(`export const spin = () => { for (;;); }
    export const grow = () => { const all = []; for (;;) all.push(new Uint8Array(1e5).fill(1)) }
    export const deep = f => { const go = n => { try { return go(n + 1) } catch { return n } }; return go(0) }`)
  const limits = { cpuMs: 1000, memoryBytes: 4 * 1024 * 1024 }
  await rejectsWith('COFFER_LIMIT_CPU', () => callOn(image, 'spin', { limits }))
  await rejectsWith('COFFER_LIMIT_MEMORY', () => callOn(image, 'grow', { limits }))
  const depth = (await callOn(image, 'deep', { limits: { stackBytes: 100_000 } })) as number
  assert.ok(depth > 10 && depth < ((await callOn(image, 'deep')) as number))
  const large = imageOf('const all = new Uint8Array(8e6).fill(1); export const f = () => all.length')
  await rejectsWith('COFFER_LIMIT_MEMORY', () => callOn(large, 'f', { limits }))
})

// What the text of a program leaves behind: comments, odd spacing, and words of it.
const MARKED = `/* marker-comment */ function   named_function ( first_argument ) { /* marker-inside */ return   first_argument+1 }
  class   Named_class { method_name( ) { return () => { /* marker-deep */ return 'a string' } } }
  const made = eval('(function () { /* mark' + 'er-eval */ return 1 })')
  export const call = x => named_function(x); export const text = () => [named_function, Named_class, made].map(String)
  export const trace = () => { throw new Error('from line 5') } // marker-end`

test('without the text of functions there is none in the image', async () => {
  const image = Buffer.from(imageOf(MARKED, {}, { strip: true }))
  for (const text of ['marker', 'function   named', 'first_argument+1', 'class   Named', 'return   '])
    assert.not.ok(image.includes(text) || image.includes(Buffer.from(text, 'utf16le')), text)
  const guest = await launchProgram({ image }, {})
  assert.is(await guest.call('call', 1), 2)
  for (const text of (await guest.call('text')) as string[]) assert.match(text, 'native code')
  try {
    await guest.call('trace')
    assert.unreachable('it throws')
  } catch (error) {
    assert.instance(error, GuestError)
    assert.match((error as GuestError).guestStack, 'title.js:5:')
  }
  await guest.dispose()
})

test('with it, functions show it as they do from source', async () => {
  const image = imageOf(MARKED)
  await using guest = await launchProgram({ source: utf8(MARKED) }, {})
  assert.equal(await callOn(image, 'text'), await guest.call('text'))
  // The program as a whole, and what it no longer refers to, is gone all the same.
  for (const text of ['marker-comment', 'marker-end']) assert.not.ok(Buffer.from(image).includes(text), text)
})

test('an image for another build of the engine does not fit, and a damaged one is refused', async () => {
  const image = imageOf(COUNTER)
  const changed = (at: number, value = image[at]! ^ 1) => {
    const copy = image.slice()
    copy[at] = value
    return copy
  }
  for (let at = 8; at < 40; at++) {
    await rejectsWith('COFFER_ENGINE_UNSUITABLE', () => callOn(changed(at), 'next'))
  }
  const both = await launchProgram({ image: changed(8), source: utf8(COUNTER) }, {})
  assert.is(await both.call('next'), 41)
  await both.dispose()
  for (let at = 0; at < 8; at++)
    await rejectsWith('COFFER_PACKAGE_DAMAGED', () => callOn(changed(at), 'next'))
  // Pages, links, and the first state's lengths: high bytes.
  for (const at of [43, 47, 48]) {
    await rejectsWith('COFFER_PACKAGE_DAMAGED', () => callOn(changed(at, 0xff), 'next'))
  }
  const { states } = decodeTitleImage(image, imageBelongsTo(image))!
  const partsStart = image.length - states[0]!.parts.reduce((sum, { bytes }) => sum + 8 + bytes.length, 0)
  for (const at of [partsStart - 1, partsStart + 3, partsStart + 7])
    await rejectsWith('COFFER_PACKAGE_DAMAGED', () => callOn(changed(at, 0xff), 'next'))
  for (const length of [0, 1, 39, 40, 47, 48, 60, image.length - 1]) {
    await rejectsWith('COFFER_PACKAGE_DAMAGED', () => callOn(image.subarray(0, length), 'next'))
  }
})

test('whatever stands in the memory of an image, its guest is only a guest', async () => {
  // Not an image that pressing makes: bytes of the memory changed at random. It may do anything that a guest may.
  const image = imageOf(COUNTER)
  let seed = 12_345
  const random = (below: number) => {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((seed / 2 ** 32) * below)
  }
  const globals = () =>
    [globalThis, Object.prototype, Array.prototype, Function.prototype].map(Reflect.ownKeys)
  const before = globals()
  let [lived, failed] = [0, 0]
  for (let round = 0; round < 200; round++) {
    const copy = image.slice()
    const { states } = decodeTitleImage(copy, imageBelongsTo(copy))!
    const parts = states.flatMap(state => state.parts)
    for (let i = 0; i <= round % 6; i++) {
      const { bytes } = parts[random(parts.length)]!
      bytes[random(bytes.length)] = random(256)
    }
    // Nothing of the host's own, or of the engine's, gets out: a value that crosses, or an error of the two kinds.
    await callOn(copy, 'next', { limits: { cpuMs: 1000 } }).then(
      value => {
        lived++
        assert.equal(structuredClone(value), value)
      },
      (error: unknown) => {
        failed++
        if (error instanceof GuestError) return
        assert.instance(error, CofferError, `${round}: ${String(error)}`)
        assert.match((error as CofferError).code, /^COFFER_(ENGINE_FAILED|LIMIT_\w+)$/, `${round}`)
      }
    )
    assert.is(await callOn(image, 'next'), 41, `after round ${round}`)
  }
  assert.equal(globals(), before)
  // Some of them went on, and some met what was changed.
  assert.ok(lived > 20 && failed > 20, `${lived} gave a value, ${failed} failed`)
})

test.run()
