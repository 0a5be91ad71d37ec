/**
 * test262, the language's own conformance suite, in each engine as it is and in the world that titles have on it:
 *
 *     npm run test262 -- <checkout of tc39/test262> [--sample n] [--seed n] [--only <word in path>] [--results <file>]
 *
 * A runtime must lose nothing of what its engine can do. Each test runs in a fresh world, by indirect eval, on both
 * sides in the same way. What both sides ran is kept in the results file, and not run again; remove it to begin anew.
 *
 * Left out, since neither engine or no guest has it by design: see EXCLUDED.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { appendFileSync, existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import type { Job, Outcome } from './test262-worlds.js'

const WORLDS = ['quickjs', 'quickjs guest', 'ses', 'ses guest'] as const
type World = (typeof WORLDS)[number]

/** Folders, features and flags of tests that are not run. */
const EXCLUDED = {
  folders: /^(?:intl402|staging|harness|annexB\/built-ins\/RegExp\/legacy-accessors)\//,
  // Removed from guests on purpose: memory shared between threads, code loaded while running, other realms, Intl.
  features:
    /^(?:Atomics.*|SharedArrayBuffer|dynamic-import|import-defer|source-phase-imports.*|import-(?:attributes|text|bytes)|cross-realm|IsHTMLDDA|host-gc-required|ShadowRealm|Temporal|Intl.*|decorators|immutable-arraybuffer|explicit-resource-management|nonextensible-applies-to-private|await-dictionary|iterator-sequencing|joint-iteration|Error\.isError|Math\.sumPrecise|uint8array-base64|json-parse-with-source|legacy-regexp|caller)$/,
  flags: /^(?:module|CanBlockIsTrue|CanBlockIsFalse|non-deterministic)$/
}

/** Killed after this long: what a test takes in one world. */
const TIMEOUT_MS = 15_000

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    sample: { type: 'string' },
    seed: { type: 'string', default: '1' },
    only: { type: 'string' },
    results: { type: 'string' },
    worlds: { type: 'string' }
  }
})
const [checkout] = positionals
if (checkout === undefined || !existsSync(join(checkout, 'harness/assert.js'))) {
  console.error('usage: npm run test262 -- <folder of a checkout of tc39/test262> [--sample n] [--seed n]')
  process.exit(64)
}
const worlds = WORLDS.filter(world => values.worlds === undefined || values.worlds.split(',').includes(world))

interface Test {
  readonly path: string
  readonly job: Omit<Job, 'id'>
}

const cache = new Map<string, string>()
const harness = (name: string): string => {
  if (!cache.has(name)) cache.set(name, readFileSync(join(checkout, 'harness', name), 'utf8'))
  return cache.get(name)!
}

function* files(folder: string): Generator<string> {
  for (const entry of readdirSync(join(checkout!, 'test', folder), { withFileTypes: true })) {
    const path = folder === '' ? entry.name : `${folder}/${entry.name}`
    if (entry.isDirectory()) yield* files(path)
    else if (path.endsWith('.js') && !path.includes('_FIXTURE')) yield path
  }
}

const list = (front: string, field: string): string[] => {
  const [, inline, block] =
    new RegExp(`^${field}:[ \\t]*(?:\\[([^\\]]*)\\]|((?:\\r?\\n[ \\t]+-.*)+))`, 'm').exec(front) ?? []
  return (inline?.split(',') ?? block?.split('\n').map(line => line.replace(/^\s*-/, '')) ?? [])
    .map(item => item.trim())
    .filter(item => item !== '')
}

/** The runs of one file: sloppy, strict or both, as its head says. */
function testsOf(path: string): Test[] {
  const source = readFileSync(join(checkout!, 'test', path), 'utf8')
  const [, front = ''] = /\/\*---([^]*?)---\*\//.exec(source) ?? []
  const flags = list(front, 'flags')
  if (list(front, 'features').some(feature => EXCLUDED.features.test(feature))) return []
  if (flags.some(flag => EXCLUDED.flags.test(flag))) return []
  const [, type] = /^negative:\s*\n\s+phase:\s*\w+\s*\n\s+type:\s*(\w+)/m.exec(front) ?? []
  const raw = flags.includes('raw')
  const async = flags.includes('async')
  const includes = raw
    ? []
    : ['assert.js', 'sta.js', ...(async ? ['doneprintHandle.js'] : []), ...list(front, 'includes')]
  const prelude = includes.map(harness).join('\n')
  const modes =
    raw || flags.includes('noStrict') ? [false] : flags.includes('onlyStrict') ? [true] : [false, true]
  return modes.map(strict => ({
    path,
    job: { prelude, source, strict, async, type }
  }))
}

/** A process that runs tests in one kind of world, started anew when it hangs or dies. */
class Runner {
  readonly #world: World
  #child: ChildProcess | undefined
  #lastId = 0

  constructor(world: World) {
    this.#world = world
  }

  /**
   * What fails is tried again in a fresh process: the one before may have left this one dying, or its engine broken, as a
   * stack that overflows in wasm does.
   */
  async run(job: Omit<Job, 'id'>): Promise<boolean> {
    if (await this.#run(job)) return true
    this.stop()
    const passed = await this.#run(job)
    if (!passed) this.stop()
    return passed
  }

  #run(job: Omit<Job, 'id'>): Promise<boolean> {
    const child = (this.#child ??= this.#start())
    const id = ++this.#lastId
    return new Promise(resolve => {
      const finish = (passed: boolean, alive: boolean) => {
        clearTimeout(timer)
        child.off('message', onMessage).off('exit', onExit)
        if (!alive) {
          child.kill('SIGKILL')
          this.#child = undefined
        }
        resolve(passed)
      }
      const onMessage = (outcome: Outcome) => outcome.id === id && finish(outcome.passed, true)
      const onExit = () => finish(false, false)
      const timer = setTimeout(() => finish(false, false), TIMEOUT_MS)
      child.on('message', onMessage).on('exit', onExit)
      child.send({ ...job, id } satisfies Job)
    })
  }

  stop(): void {
    this.#child?.kill('SIGKILL')
    this.#child = undefined
  }

  #start(): ChildProcess {
    const script = fileURLToPath(new URL('./test262-worlds.js', import.meta.url))
    return fork(script, [this.#world], { stdio: ['ignore', 'ignore', 'ignore', 'ipc'] })
  }
}

/** Picks by a seed: the same numbers in the same order. */
function shuffled<T>(items: readonly T[], seed: number): T[] {
  const all = [...items]
  let state = seed >>> 0
  for (let i = all.length - 1; i > 0; i--) {
    state = (state + 0x9e3779b9) >>> 0
    let mixed = Math.imul(state ^ (state >>> 16), 0x21f0aaad)
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97)
    const j = ((mixed ^ (mixed >>> 15)) >>> 0) % (i + 1)
    ;[all[i], all[j]] = [all[j]!, all[i]!]
  }
  return all
}

const candidates = [...files('')].filter(
  path => !EXCLUDED.folders.test(path) && (values.only === undefined || path.includes(values.only))
)
const chosen = shuffled(candidates, Number(values.seed)).slice(0, Number(values.sample ?? Infinity))

type Results = Partial<Record<World, boolean>>
const results = new Map<string, Results>()
const remember = (key: string, world: World, passed: boolean) =>
  results.set(key, { ...results.get(key), [world]: passed })
if (values.results !== undefined && existsSync(values.results)) {
  for (const line of readFileSync(values.results, 'utf8').split('\n')) {
    if (line === '') continue
    const [key, world, passed] = JSON.parse(line) as [string, World, boolean]
    remember(key, world, passed)
  }
}

let files_ = 0
const keys = new Set<string>()
await Promise.all(
  worlds.map(async world => {
    const runner = new Runner(world)
    for (const path of chosen) {
      for (const test of testsOf(path)) {
        // SES is strict everywhere.
        if (world.startsWith('ses') && !test.job.strict) continue
        const key = `${test.path}${test.job.strict ? ' (strict)' : ''}`
        keys.add(key)
        if (results.get(key)?.[world] !== undefined) continue
        const passed = await runner.run(test.job)
        remember(key, world, passed)
        if (values.results !== undefined)
          appendFileSync(values.results, `${JSON.stringify([key, world, passed])}\n`)
      }
      if (world === worlds[0] && ++files_ % 1000 === 0) console.error(`${files_} of ${chosen.length} files`)
    }
    runner.stop()
  })
)

console.log(`${chosen.length} files of ${candidates.length}, seed ${values.seed}`)
let lost = 0
for (const [engine, guest] of [
  ['quickjs', 'quickjs guest'],
  ['ses', 'ses guest']
] as const) {
  if (!worlds.includes(engine) || !worlds.includes(guest)) continue
  const both = [...keys].filter(
    key => results.get(key)?.[engine] !== undefined && results.get(key)?.[guest] !== undefined
  )
  const count = (world: World) => both.filter(key => results.get(key)![world] === true).length
  const percent = (passed: number) => `${passed} (${((100 * passed) / both.length).toFixed(2)} %)`
  const missing = both.filter(key => results.get(key)![engine] === true && results.get(key)![guest] !== true)
  console.log(
    `${engine}: of ${both.length} runs the engine passes ${percent(count(engine))}, a guest ${percent(count(guest))}`
  )
  for (const key of missing) console.log(`  lost: ${key}`)
  lost += missing.length
}
process.exitCode = lost === 0 ? 0 : 1
