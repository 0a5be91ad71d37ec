/** A run of the shipped program on a disk that fails, and what every scenario of such runs needs. */
import { spawn } from 'node:child_process'
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import * as assert from 'uvu/assert'
import { CofferError } from '../../../formats/errors.js'
import type { Scheme } from '../../../formats/records/fields.js'
import { mediumPaths } from '../../../loader/medium/layout.js'
import type { Fault, FaultLog, FaultPlan } from '../../helpers/faulty.js'
import { filesUnder, librarySite } from '../../helpers/library-site.js'
import { COFFER } from '../../helpers/site.js'

const FAULTY = fileURLToPath(new URL('../../helpers/faulty.js', import.meta.url))
const LIMIT_MS = 30_000
export const PRICE = 500

// The processes have the clock of the machine.
export const site = await librarySite(Math.floor(Date.now() / 1000))
export const options = { home: site.home, powers: site.powers }

/** One go of a scenario: its own medium, and what must hold. */
export interface Attempt {
  /** Where the calls are counted. */
  readonly places: readonly string[]
  readonly words: readonly string[]
  /** Default: the site's. */
  readonly home?: string
  /** After the fault. @param done - Whether the program had reported success. */
  check(done: boolean, stdout: string): Promise<void>
  /** Do it again on a good disk, and see that it is done. */
  repeat(): Promise<void>
}

export interface Scenario {
  readonly name: string
  /** Exit codes of a program that met the fault, beside 0 and 74. */
  readonly codes?: readonly number[]
  /** Where that is less than six: one file that is made durable takes five. */
  readonly fewestCalls?: number
  begin(): Promise<Attempt>
  /** After all attempts. */
  end?(attempts: number): Promise<void>
}

interface Ended extends FaultLog {
  readonly code: number | null
  readonly signal: string | null
  readonly stdout: string
  readonly stderr: string
}

export function runFaulty(attempt: Attempt, fault?: Fault, at?: number): Promise<Ended> {
  const spare = site.path('spare')
  mkdirSync(spare)
  const plan: FaultPlan = {
    program: COFFER,
    places: attempt.places,
    spare,
    log: join(spare, 'log'),
    ...(fault && { fault, at: at! })
  }
  const child = spawn(process.execPath, [FAULTY, ...attempt.words], {
    env: {
      PATH: process.env['PATH'],
      COFFER_HOME: attempt.home ?? site.home.folder,
      COFFER_FAULT: JSON.stringify(plan)
    },
    stdio: ['ignore', 'pipe', 'pipe']
  })
  const output = { stdout: '', stderr: '' }
  const timer = setTimeout(() => child.kill('SIGABRT'), LIMIT_MS)
  child.stdout.on('data', (chunk: Buffer) => (output.stdout += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (output.stderr += chunk.toString()))
  return new Promise((resolve, reject) => {
    child.on('error', reject).on('close', (code, signal) => {
      clearTimeout(timer)
      let log: FaultLog = { calls: [], uncounted: [] }
      try {
        log = JSON.parse(readFileSync(plan.log, 'utf8')) as FaultLog
      } catch {
        // Killed before it wrote one.
      }
      resolve({ ...log, ...output, code, signal })
    })
  })
}

/** The same command on a good disk. That it had made the file before is as good. */
export async function retype(attempt: Attempt): Promise<void> {
  const { code, stdout, stderr } = await runFaulty(attempt)
  assert.ok(code === 0 || (code === 73 && /COFFER_EXISTS/.test(stdout + stderr)), stderr)
}

/** What runs from a medium: a title's first line, or the code of what keeps it from running. */
export async function running(root: string, id: string): Promise<string> {
  try {
    return (await site.run(root, id, { capabilities: { save: true } })).stdout.trim()
  } catch (error) {
    if (error instanceof CofferError) return error.code
    throw error
  }
}

/** Nothing of what was interrupted is left. */
export const checkTidy = (root: string): void => checkTidyFolder(mediumPaths(root).folder)

export function checkTidyFolder(folder: string): void {
  const odd = filesUnder(folder).filter(path => /\.tmp-|(?:^|\/)lock/.test(path))
  assert.equal(odd, [], 'left behind after the command was repeated')
}

/** Made when the first scenario needs it. */
export function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined
  return () => (made ??= make())
}

export function onceEach<T>(make: (scheme: Scheme) => Promise<T>): (scheme: Scheme) => Promise<T> {
  const made = new Map<Scheme, Promise<T>>()
  return scheme => made.get(scheme) ?? made.set(scheme, make(scheme)).get(scheme)!
}
