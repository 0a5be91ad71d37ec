/** Calls between host and guest in one thread, by what crosses. */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { getQuickJS } from 'quickjs-emscripten'
import { launch, sync } from '../../sandbox/index.js'
import { type Side, compare, median, report, table } from './measure.js'
import { importPeer, lacking, readPeer } from './peers.js'

/** The guest's program: the same functions for everybody. Calls of the host count themselves, so that little else is measured. */
const PROGRAM = `
const text = 'x'.repeat(1024)
const bytes = new Uint8Array(1 << 20).fill(7)
const objects = Array.from({ length: 1000 }, (_, i) => ({
  id: i, name: 'item ' + i, price: i * 1.25, active: i % 2 === 0, tags: ['a', 'b'], size: { width: i, height: 2 * i }
}))
const add = (a, b) => a + b
const textIn = text => text.length
const textOut = () => text
const bytesIn = bytes => bytes.length ?? bytes.byteLength
const bytesOut = () => bytes
const objectsOut = () => objects
const objectsAsText = () => JSON.stringify(objects)
const objectsIn = list => list.length
const textAsObjects = text => JSON.parse(text).length
const loop = (n, host) => { let i = 0; while (i < n) i = host(i, 1); return i }
`
const NAMES = [...PROGRAM.matchAll(/^const (\w+) = (?:\([^)]*\)|\w+) =>/gm)].map(([, name]) => name!)

const TEXT = 'y'.repeat(1024)
const BYTES = new Uint8Array(1 << 20).fill(9)
const OBJECTS = Array.from({ length: 1000 }, (_, i) => ({
  id: i,
  name: `item ${i}`,
  price: i * 1.25,
  active: i % 2 === 0,
  tags: ['a', 'b'],
  size: { width: i, height: 2 * i }
}))

type Job =
  | 'add'
  | 'added'
  | 'textIn'
  | 'textOut'
  | 'bytesIn'
  | 'bytesOut'
  | 'objectsOut'
  | 'objectsIn'
  | 'objectsAsText'
  | 'textAsObjects'
  | 'toHost'
/** For each job, a function that does it so many times. */
type Jobs = Partial<Record<Job, (times: number) => unknown>>

const ROWS: readonly [what: string, job: Job, emscripten: number, wasi: number, isolated: number][] = [
  ['host to guest, two numbers and their sum', 'add', 1 / 8, 1 / 3, 1 / 10],
  ['the same by `await guest.call`', 'added', 1 / 8, 1 / 3, 1 / 10],
  ['guest to host, two numbers and their sum', 'toHost', 1 / 25, 1 / 5, 1 / 7],
  ['1 KB of text in', 'textIn', 1 / 15, 1 / 3, 1 / 4],
  ['1 KB of text out', 'textOut', 1 / 15, 1 / 3, 1 / 4],
  ['1 MB of bytes in', 'bytesIn', 1 / 5, 1 / 2, 1 / 3],
  ['1 MB of bytes out', 'bytesOut', 1 / 5, 1 / 2, 1 / 3]
]

/** Check once that a side does what it says, so that nothing is measured which does not work. */
function expect(actual: unknown, expected: unknown): void {
  if (actual !== expected) throw new Error(`internal: expected ${String(expected)}, got ${String(actual)}`)
}

/** A loop of its own for each, so that V8 compiles it for what it calls and not for what all of them call. */
const repeat = (action: () => unknown): ((times: number) => void) =>
  new Function('action', 'return times => { for (let i = 0; i < times; i++) action() }')(action)

async function ourJobs(): Promise<Jobs> {
  const source = `import { host } from 'coffer:host'\n${PROGRAM}\nexport const toHost = n => loop(n, host)\nexport { ${NAMES.join()} }`
  const guest = await launch(new TextEncoder().encode(source), {
    limits: { cpuMs: 60_000, wallMs: 60_000, memoryBytes: 256 * 2 ** 20, outputBytes: 1e6, hostCalls: 1e9 },
    capabilities: { host: { host: sync((a: number, b: number) => a + b) } }
  })
  const call = (name: string, ...args: any[]): any => guest.callSync(name, ...args)
  expect(call('add', 1, 2), 3)
  expect(call('textIn', TEXT), 1024)
  expect(call('bytesOut').length, 1 << 20)
  expect(JSON.stringify(call('objectsOut')), call('objectsAsText'))
  return {
    add: repeat(() => guest.callSync('add', 1, 2)),
    added: async times => {
      for (let i = 0; i < times; i++) await guest.call('add', 1, 2)
    },
    textIn: repeat(() => call('textIn', TEXT)),
    textOut: repeat(() => call('textOut')),
    bytesIn: repeat(() => call('bytesIn', BYTES)),
    bytesOut: repeat(() => call('bytesOut')),
    objectsOut: repeat(() => call('objectsOut')),
    objectsIn: repeat(() => call('objectsIn', OBJECTS)),
    toHost: times => call('toHost', times)
  }
}

/** quickjs-emscripten as its README shows it. */
async function emscriptenJobs(): Promise<Jobs> {
  const context = (await getQuickJS()).newContext()
  const host = context.newFunction('host', (a, b) =>
    context.newNumber(context.getNumber(a) + context.getNumber(b))
  )
  context.setProp(context.global, 'host', host)
  const program = context.unwrapResult(context.evalCode(`(() => {${PROGRAM} return { ${NAMES.join()} } })()`))
  const fn = Object.fromEntries(NAMES.map(name => [name, context.getProp(program, name)]))
  const call = (name: string, ...args: any[]) => {
    const result = context.unwrapResult(context.callFunction(fn[name]!, context.undefined, ...args))
    for (const arg of args) arg.dispose()
    return result
  }
  const number = (name: string, ...args: any[]) => {
    const result = call(name, ...args)
    const value = context.getNumber(result)
    result.dispose()
    return value
  }
  const text = (name: string) => {
    const result = call(name)
    const value = context.getString(result)
    result.dispose()
    return value
  }
  const bytesIn = () => number('bytesIn', context.newArrayBuffer(BYTES.slice().buffer))
  const bytesOut = () => {
    const result = call('bytesOut')
    const buffer = context.getProp(result, 'buffer')
    const lifetime = context.getArrayBuffer(buffer)
    const copy = lifetime.value.slice()
    lifetime.dispose()
    buffer.dispose()
    result.dispose()
    return copy
  }
  const list = () => JSON.parse(text('objectsAsText'))
  const listIn = () => number('textAsObjects', context.newString(JSON.stringify(OBJECTS)))
  const loop = (times: number) => {
    const count = context.newNumber(times)
    const result = context.unwrapResult(context.callFunction(fn['loop']!, context.undefined, count, host))
    count.dispose()
    result.dispose()
  }
  const add = () => number('add', context.newNumber(1), context.newNumber(2))
  const textIn = () => number('textIn', context.newString(TEXT))
  expect(add(), 3)
  expect(textIn(), 1024)
  expect(text('textOut').length, 1024)
  expect(bytesIn(), 1 << 20)
  expect(bytesOut().length, 1 << 20)
  expect(list().length, 1000)
  expect(listIn(), 1000)
  return {
    add: repeat(add),
    textIn: repeat(textIn),
    textOut: repeat(() => text('textOut')),
    bytesIn: repeat(bytesIn),
    bytesOut: repeat(bytesOut),
    objectsAsText: repeat(list),
    textAsObjects: repeat(listIn),
    toHost: loop
  }
}

async function wasiJobs(): Promise<Jobs | undefined> {
  if (lacking('quickjs-wasi') !== undefined) return undefined
  const { QuickJS } = await importPeer('quickjs-wasi')
  const vm = await QuickJS.create({ wasm: readPeer('quickjs-wasi', '/quickjs.wasm') })
  const host = vm.newFunction('host', (a: any, b: any) => vm.newNumber(a.toNumber() + b.toNumber()))
  const program = vm.evalCode(`(() => {${PROGRAM} return { ${NAMES.join()} } })()`)
  const fn = Object.fromEntries(NAMES.map(name => [name, program.getProp(name)]))
  const call = (name: string, ...args: any[]) => {
    const result = vm.callFunction(fn[name], vm.undefined, ...args)
    for (const arg of args) arg.dispose()
    return result
  }
  const number = (name: string, ...args: any[]) => call(name, ...args).consume((h: any) => h.toNumber())
  const text = (name: string) => call(name).consume((h: any) => h.toString())
  const add = () => number('add', vm.newNumber(1), vm.newNumber(2))
  const textIn = () => number('textIn', vm.newString(TEXT))
  const bytesIn = () => number('bytesIn', vm.newUint8Array(BYTES))
  const bytesOut = () => call('bytesOut').consume((h: any) => vm.dump(h))
  const list = () => JSON.parse(text('objectsAsText'))
  const listIn = () => number('textAsObjects', vm.newString(JSON.stringify(OBJECTS)))
  expect(add(), 3)
  expect(textIn(), 1024)
  expect(text('textOut').length, 1024)
  expect(bytesIn(), 1 << 20)
  expect(bytesOut().byteLength, 1 << 20)
  return {
    add: repeat(add),
    textIn: repeat(textIn),
    textOut: repeat(() => text('textOut')),
    bytesIn: repeat(bytesIn),
    bytesOut: repeat(bytesOut),
    objectsAsText: repeat(list),
    textAsObjects: repeat(listIn),
    toHost(times) {
      const count = vm.newNumber(times)
      vm.callFunction(fn['loop'], vm.undefined, count, host).dispose()
      count.dispose()
    }
  }
}

async function isolatedJobs(): Promise<Jobs | undefined> {
  if (lacking('isolated-vm') !== undefined) return undefined
  const { default: ivm } = await importPeer('isolated-vm')
  const isolate = new ivm.Isolate({ memoryLimit: 128 })
  const context = isolate.createContextSync()
  context.global.setSync('host', new ivm.Callback((a: number, b: number) => a + b))
  const fn: Record<string, any> = {}
  const names = [...NAMES, 'toHost']
  context.evalSync(`${PROGRAM} const toHost = n => loop(n, host); globalThis.all = { ${names.join()} }`)
  const all = context.global.getSync('all', { reference: true })
  for (const name of names) fn[name] = all.getSync(name, { reference: true })
  const copy = { arguments: { copy: true }, result: { copy: true } }
  const call = (name: string, ...args: any[]) => fn[name].applySync(undefined, args)
  const bytesIn = () => fn['bytesIn'].applySync(undefined, [BYTES.buffer], copy)
  const bytesOut = () => fn['bytesOut'].applySync(undefined, [], copy)
  expect(call('add', 1, 2), 3)
  expect(call('textOut').length, 1024)
  expect(bytesIn(), 1 << 20)
  expect(bytesOut().length, 1 << 20)
  return {
    add: repeat(() => call('add', 1, 2)),
    textIn: repeat(() => call('textIn', TEXT)),
    textOut: repeat(() => call('textOut')),
    bytesIn: repeat(bytesIn),
    bytesOut: repeat(bytesOut),
    objectsOut: repeat(() => fn['objectsOut'].applySync(undefined, [], copy)),
    objectsIn: repeat(() => fn['objectsIn'].applySync(undefined, [OBJECTS], copy)),
    objectsAsText: repeat(() => JSON.parse(call('objectsAsText'))),
    toHost: times => call('toHost', times)
  }
}

/** V8 goes on optimizing for half a second, on the same core. */
const WARM = { warmMs: 500, cpu: true }

const LISTS = [
  ['out', 'objectsOut', 'objectsAsText'],
  ['in', 'objectsIn', 'textAsObjects']
] as const satisfies readonly (readonly [what: string, job: Job, asText: Job])[]

/** Milliseconds of each job, by side. */
type Times = Partial<Record<Job, Record<string, number>>>

/** Each job by turns of all sides, in this process. */
async function measured(): Promise<Times> {
  const ours = await ourJobs()
  const peers = { emscripten: await emscriptenJobs(), wasi: await wasiJobs(), isolated: await isolatedJobs() }
  const side = (name: string, run: ((times: number) => unknown) | undefined): Side[] =>
    run === undefined ? [] : [{ name, run }]
  const all: Times = {}
  for (const [, job] of ROWS) {
    const sides = [
      ...side('ours', ours[job]),
      ...Object.entries(peers).flatMap(([name, jobs]) => side(name, jobs?.[job === 'added' ? 'add' : job]))
    ]
    all[job] = Object.fromEntries(await compare(sides, WARM))
  }
  for (const [, job, asText] of LISTS) {
    const sides = [
      ...side('ours', ours[job]),
      ...side('text', peers.emscripten[asText]),
      ...side('isolated', peers.isolated?.[job])
    ]
    all[job] = Object.fromEntries(await compare(sides, WARM))
  }
  return all
}

/** V8 compiles the same functions into faster or slower code, by chance, once in a process: a fifth of a call. */
const PROCESSES = 5
const SELF = fileURLToPath(import.meta.url)

export function benchCalls(): void {
  const runs = Array.from({ length: PROCESSES }, () => {
    const { stdout, status } = spawnSync(process.execPath, [SELF], { stdio: ['ignore', 'pipe', 'inherit'] })
    if (status !== 0) throw new Error('internal: calls were not measured')
    return JSON.parse(String(stdout)) as Times
  })
  const timeOf = (job: Job, side: string): number | undefined => {
    const times = runs.flatMap(run => run[job]![side] ?? [])
    return times.length === 0 ? undefined : median(times)
  }
  const peersOf = (job: Job, goals: Readonly<Record<string, number>>) =>
    Object.entries(goals).map(([name, goal]) => ({ name, ms: timeOf(job, name), goal }))
  table('Calls', 'one call', 'coffer', 'quickjs-emscripten', 'quickjs-wasi', 'isolated-vm')
  for (const [what, job, emscripten, wasi, isolated] of ROWS)
    report(what, timeOf(job, 'ours')!, peersOf(job, { emscripten, wasi, isolated }))
  table('A list of 1,000 objects', 'one call', 'coffer', 'the same as JSON text', 'isolated-vm, copied')
  for (const [what, job] of LISTS)
    report(what, timeOf(job, 'ours')!, peersOf(job, { text: 1 / 5, isolated: 1 }))
}

if (process.argv[1] === SELF) {
  console.log(JSON.stringify(await measured()))
  process.exit(0)
}
