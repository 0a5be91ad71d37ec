/** Programs that compute, on each engine with all limits on, and on the same engine without any of ours. */
import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { getQuickJS } from 'quickjs-emscripten'
import { type Engine, launch } from '../../sandbox/index.js'
import { type Side, compare, geometricMean, line, skipped, table, time } from './measure.js'
import { lacking } from './peers.js'

/** Small programs of different kinds; each takes how often it is to do its work. */
export const PROGRAMS: Readonly<Record<string, string>> = {
  calls: `n => { const fib = n => n < 2 ? n : fib(n - 1) + fib(n - 2); let s = 0; for (let i = 0; i < n; i++) s += fib(18); return s }`,
  sort: `n => { let s = 0; for (let i = 0; i < n; i++) { const a = []; let x = 1; for (let k = 0; k < 2000; k++) a.push(x = x * 48271 % 2147483647); a.sort((p, q) => p - q); s += a[9] } return s }`,
  text: `n => { let s = 0; for (let i = 0; i < n; i++) { let t = ''; for (let k = 0; k < 3000; k++) t += k; s += t.split('9').map(p => p.toUpperCase()).join('-').length } return s }`,
  json: `n => { const o = Array.from({ length: 300 }, (_, i) => ({ id: i, name: 'n' + i, list: [i, i + 1] })); let s = 0; for (let i = 0; i < n; i++) s += JSON.stringify(JSON.parse(JSON.stringify(o))).length; return s }`,
  pattern: `n => { const t = 'lorem ipsum 12-34 dolor 5-678 '.repeat(50); let s = 0; for (let i = 0; i < n; i++) s += t.replace(/(\\d+)-(\\d+)/g, '$2/$1').match(/[aeiou]\\w/g).length; return s }`,
  objects: `n => { let s = 0; for (let i = 0; i < n; i++) { const m = new Map(); for (let k = 0; k < 1500; k++) m.set('k' + k % 97, { k, next: m.get('k' + (k + 1) % 97)?.k }); for (const v of m.values()) s += v.k } return s }`,
  arrays: `n => { const size = 40; const a = new Float64Array(size * size).map((_, i) => i % 7), b = a.slice(), c = new Float64Array(size * size); let s = 0; for (let r = 0; r < n; r++) { for (let i = 0; i < size; i++) for (let j = 0; j < size; j++) { let v = 0; for (let k = 0; k < size; k++) v += a[i * size + k] * b[k * size + j]; c[i * size + j] = v } s += c[r % 1600] } return s }`,
  classes: `n => { class A { constructor(x) { this.x = x } get twice() { return this.x * 2 } add(y) { return new A(this.x + y) } } class B extends A { add(y) { return super.add(y + 1) } } let s = 0; for (let i = 0; i < n; i++) { let v = new B(i); for (let k = 0; k < 800; k++) v = k & 1 ? v.add(k) : new B(v.twice % 1000); s += v.x } return s }`
}
const NAMES = Object.keys(PROGRAMS)

type Runner = (name: string, times: number) => unknown

async function ours(engine: Engine): Promise<Runner & AsyncDisposable> {
  const source = NAMES.map(name => `export const ${name} = ${PROGRAMS[name]}`).join('\n')
  const guest = await launch(new TextEncoder().encode(source), {
    engine,
    limits: { cpuMs: 20_000, wallMs: 20_000, memoryBytes: 128 * 2 ** 20, outputBytes: 1e6, pendingJobs: 1000 }
  })
  const run: Runner = (name, times) => guest.call(name, times)
  return Object.assign(run, { [Symbol.asyncDispose]: () => guest.dispose() })
}

async function rawQuickjs(): Promise<Runner> {
  const context = (await getQuickJS()).newContext()
  const functions = new Map(
    NAMES.map(name => [name, context.unwrapResult(context.evalCode(`(${PROGRAMS[name]})`))])
  )
  return (name, times) => {
    const count = context.newNumber(times)
    const result = context.unwrapResult(context.callFunction(functions.get(name)!, context.undefined, count))
    const value = context.getNumber(result)
    count.dispose()
    result.dispose()
    return value
  }
}

/** A plain Compartment, which locks down the realm that it is in: in a process of its own, like ours. */
function plainCompartment(): Runner & Disposable {
  const child: ChildProcess = fork(fileURLToPath(new URL('./compartment.js', import.meta.url)))
  const run: Runner = (name, times) =>
    new Promise(resolve => {
      child.once('message', resolve)
      child.send({ name, times })
    })
  return Object.assign(run, { [Symbol.dispose]: () => void child.kill() })
}

async function compareEngines(title: string, goal: number, mine: Runner, peer: Runner): Promise<void> {
  for (const name of NAMES) {
    const [a, b] = [await mine(name, 2), await peer(name, 2)]
    if (a !== b) throw new Error(`internal: ${name} gives ${String(a)} and ${String(b)}`)
  }
  table(title, 'program', 'coffer', 'raw', 'speed')
  const speeds: number[] = []
  for (const name of NAMES) {
    const sides: Side[] = [
      { name: 'ours', run: times => mine(name, times) },
      { name: 'raw', run: times => peer(name, times) }
    ]
    const times = await compare(sides, { rounds: 15, turnMs: 25, warmMs: 500 })
    const [our, raw] = [times.get('ours')!, times.get('raw')!]
    speeds.push(raw / our)
    line(name, time(our), time(raw), (raw / our).toFixed(2))
  }
  line('geometric mean', '', '', `**${geometricMean(speeds).toFixed(2)}** (goal ${goal})`)
}

export async function benchCompute(): Promise<void> {
  await using quickjs = await ours('quickjs')
  await compareEngines(
    'Computing: QuickJS with all limits on, against the released engine without any',
    0.85,
    quickjs,
    await rawQuickjs()
  )
  const reason = lacking('ses')
  if (reason !== undefined) return skipped('Computing: SES', reason)
  await using ses = await ours('ses')
  using plain = plainCompartment()
  await compareEngines('Computing: SES with all limits on, against a plain Compartment', 0.9, ses, plain)
}
