/**
 * Every test file in a process of its own, two at a time, each with a time limit. A third one runs where two of them mostly
 * wait.
 *
 * uvu by itself runs all files in one process, has no time limit, and is green when a file forgets `.run()`. Here a
 * file that runs no test fails, and so does one that prints no summary, or goes on after it. What many files need is made once
 * for all of them: a server of PostgreSQL, and a site to copy.
 *
 *   npm test                  everything
 *   npm test -- loader/ cli   files whose path contains one of these words
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { availableParallelism, cpus, tmpdir } from 'node:os'
import { SourceMap, type SourceMapping } from 'node:module'
import { dirname, join } from 'node:path'
import { setTimeout as after } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { layOut } from '../tests/helpers/site.js'
import { NoPostgres, startPostgres, type PostgresServer } from './postgres.js'

const FILE_LIMIT_MS = 240_000
/** From the summary to the end. A test that failed half-way may have left a server open, which would go on for ever. */
const CLOSING_LIMIT_MS = 5_000
/** From the end of its group to that of its output, which a process that left the group may hold open for ever. */
const OUTPUT_LIMIT_MS = 1_000
const root = fileURLToPath(new URL('../..', import.meta.url))

function* testFiles(folder: string): Generator<string> {
  for (const entry of readdirSync(`${root}/build/${folder}`, { withFileTypes: true })) {
    const path = `${folder}/${entry.name}`
    if (entry.isDirectory()) yield* testFiles(path)
    else if (entry.name.endsWith('.test.js')) yield path
  }
}

interface Outcome {
  readonly passed: number
  readonly failed: number
  readonly skipped: number
  readonly output: string
  readonly seconds: number
}

const running = new Set<ChildProcess>()

/** The whole group: a test's own children must not outlive it. */
function end(child: ChildProcess): void {
  if (process.platform === 'win32') return void child.kill('SIGKILL')
  try {
    process.kill(-child.pid!, 'SIGKILL')
  } catch (error) {
    // All of it is gone.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

// Those have groups of their own, which no Ctrl-C reaches. The server and the site go with this process.
for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129]
] as const)
  process.on(signal, () => {
    for (const child of running) end(child)
    process.exit(code)
  })

function runFile(file: string): Promise<Outcome> {
  return new Promise(resolve => {
    const started = performance.now()
    let output = ''
    let tooLong = ''
    let closing = false
    const child = spawn(process.execPath, [`build/${file}`], {
      cwd: root,
      env: { ...process.env, ...environment, FORCE_COLOR: '0', NO_COLOR: '1' },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: process.platform !== 'win32'
    })
    running.add(child)
    const endAfter = (ms: number, why: string) =>
      setTimeout(() => {
        tooLong = why
        end(child)
        timers.push(setTimeout(letOutputGo, OUTPUT_LIMIT_MS))
      }, ms)
    const letOutputGo = () => {
      child.stdout.destroy()
      child.stderr.destroy()
    }
    const timers = [endAfter(FILE_LIMIT_MS, `ended after ${FILE_LIMIT_MS / 1000} s`)]
    const collect = (chunk: Buffer) => {
      output += chunk.toString('utf8')
      if (!closing && /^\s*Duration:/m.test(output)) {
        closing = true
        const why = `still running ${CLOSING_LIMIT_MS / 1000} s after its last test: something was left open`
        timers.push(endAfter(CLOSING_LIMIT_MS, why))
      }
    }
    child.stdout.on('data', collect)
    child.stderr.on('data', collect)
    child.on('close', code => {
      running.delete(child)
      timers.forEach(clearTimeout)
      const count = (label: string) =>
        Number(new RegExp(`^\\s*${label}:\\s+(\\d+)`, 'm').exec(output)?.[1] ?? 0)
      const total = count('Total')
      const passed = count('Passed')
      const skipped = count('Skipped')
      let failed = total - passed
      if (tooLong !== '') output += `\n  ${tooLong}`
      if (failed === 0 && (tooLong !== '' || code !== 0)) failed = 1
      if (total === 0) {
        output += '\n  no test ran: does the file call test.run()?'
        failed = Math.max(failed, 1)
      }
      resolve({ passed, failed, skipped, output, seconds: (performance.now() - started) / 1000 })
    })
  })
}

const words = process.argv.slice(2)
const files = [...testFiles('tests')]
  .filter(file => words.length === 0 || words.some(word => file.includes(word)))
  .sort()
const totals = { passed: 0, failed: 0, skipped: 0 }
const queue = [...files]

/** @param isReady - Asked before each file. */
async function work(isReady: () => Promise<boolean>): Promise<void> {
  while ((await isReady()) && queue.length > 0) {
    const file = queue.shift()!
    const outcome = await runFile(file)
    totals.passed += outcome.passed
    totals.failed += outcome.failed
    totals.skipped += outcome.skipped
    const mark = outcome.failed > 0 ? 'FAIL' : 'ok  '
    const skips = outcome.skipped > 0 ? `, ${outcome.skipped} skipped` : ''
    console.log(
      `${mark} ${file.replace(/\.js$/, '')}  ${outcome.passed} passed${skips}  ${outcome.seconds.toFixed(1)} s`
    )
    if (outcome.failed > 0) console.log(withSources(outcome.output).replace(/^/gm, '     '))
    else for (const [line] of outcome.output.matchAll(/^.*skip: .*$/gm)) console.log(`     ${line.trim()}`)
  }
}

/** Places as they are in the sources. Node itself would read the map of every module at every start. */
function withSources(output: string): string {
  return output.replace(
    /(?:file:\/\/)?[^\s()]*\/(build\/[^\s():]+\.js):(\d+):(\d+)/g,
    (place, path, line, column) => {
      try {
        const [, map] = /sourceMappingURL=data:application\/json;base64,(\S+)/.exec(
          readFileSync(`${root}/${path}`, 'utf8')
        )!
        const { originalSource, originalLine, originalColumn } = new SourceMap(
          JSON.parse(Buffer.from(map!, 'base64').toString())
        ).findEntry(line - 1, column - 1) as SourceMapping
        return `${join(dirname(path), originalSource)}:${originalLine + 1}:${originalColumn + 1}`
      } catch {
        return place
      }
    }
  )
}

/** Waits until cores were idle for a fifth of a second in one, or all files have been begun. */
async function coresRest(): Promise<boolean> {
  for (let before = idleMs(); queue.length > 0;) {
    await after(1000)
    const now = idleMs()
    if (now - before > 200) return true
    before = now
  }
  return false
}

const idleMs = (): number => cpus().reduce((sum, { times }) => sum + times.idle, 0)

/** Certificates of a company's own are read at each start of Node, which doubles its time; no test leaves the machine. */
const environment: Record<string, string | undefined> = { NODE_EXTRA_CA_CERTS: undefined }
const uses = (helper: string): boolean =>
  files.some(file => readFileSync(`${root}/build/${file}`, 'utf8').includes(`helpers/${helper}.js`))
const site = mkdtempSync(join(tmpdir(), 'coffer-site-'))
process.on('exit', () => rmSync(site, { recursive: true, force: true }))
if (uses('site')) {
  await layOut(site)
  environment['COFFER_TEST_SITE'] = site
}
let server: PostgresServer | undefined
if (uses('databases')) {
  try {
    server = await startPostgres(false)
    environment['COFFER_TEST_POSTGRES'] = server.url
  } catch (error) {
    if (!(error instanceof NoPostgres)) throw error
    environment['COFFER_TEST_NO_POSTGRES'] = error.message
  }
}

const cores = Math.min(2, availableParallelism())
await Promise.all([...Array.from({ length: cores }, () => work(async () => true)), work(coresRest)])
await server?.stop()
if (files.length === 0) {
  console.error('no test file matches')
  process.exitCode = 1
}
const skipped = totals.skipped > 0 ? `, ${totals.skipped} skipped` : ''
console.log(`\n${totals.passed} passed, ${totals.failed} failed${skipped}`)
if (totals.failed > 0) process.exitCode = 1
