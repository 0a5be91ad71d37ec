/** What the subjects of the conformance suite have to work with: one way to run a guest. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { utf8 } from '../../../formats/bytes.js'
import {
  type CofferError,
  type Guest,
  GuestError,
  type LaunchOptions,
  type TypedGuest,
  type Value
} from '../../../sandbox/index.js'
import { rejectsWith } from '../../helpers/rejects.js'

/** What is not there by now never comes: longer than a machine that does other things makes anything wait. */
export const NEVER_MS = 20_000

interface Outputs {
  stdout: string
  stderr: string
}

export type Launch = (source: Uint8Array, options: LaunchOptions) => Promise<TypedGuest>

export interface Way {
  readonly test: ReturnType<typeof suite>
  readonly how: LaunchOptions
  readonly launch: Launch
  /** Start a guest, which is disposed of after the test. */
  start(source: string, options?: LaunchOptions): Promise<Guest & Outputs>
  /** The result of one expression in a guest. */
  evaluate(expression: string, options?: LaunchOptions): Promise<Value>
}

export function wayOf(name: string, how: LaunchOptions, launch: Launch): Way {
  const test = suite(name)
  const open: Guest[] = []
  test.after.each(async () => {
    await Promise.all(open.splice(0).map(guest => guest.dispose()))
  })

  const start = async (source: string, options: LaunchOptions = {}): Promise<Guest & Outputs> => {
    const outputs: Outputs = { stdout: '', stderr: '' }
    const guest = await launch(utf8(source), {
      stdout: bytes => (outputs.stdout += Buffer.from(bytes).toString('utf8')),
      stderr: bytes => (outputs.stderr += Buffer.from(bytes).toString('utf8')),
      ...how,
      ...options
    })
    open.push(guest)
    return Object.defineProperties(guest as unknown as Guest & Outputs, {
      stdout: { get: () => outputs.stdout },
      stderr: { get: () => outputs.stderr }
    })
  }
  return {
    test,
    how,
    launch,
    start,
    evaluate: async (expression, options) =>
      (await start(`export const it = async () => (${expression})`, options)).call('it')
  }
}

export async function rejectsWithGuestError(fn: () => Promise<unknown>): Promise<GuestError> {
  try {
    await fn()
  } catch (error) {
    if (error instanceof GuestError) return error
    throw error
  }
  throw new Error('expected a GuestError')
}

/** The call must end with this limit, and not go on for ever. */
export async function endsWith(
  code: 'COFFER_LIMIT_CPU' | 'COFFER_LIMIT_WALL',
  fn: () => Promise<unknown>
): Promise<void> {
  const started = performance.now()
  await rejectsWith(code, fn)
  const took = performance.now() - started
  assert.ok(took < NEVER_MS, `took ${Math.round(took)} ms`)
}

/** Why a guest ended that nobody calls: it does not keep its host alive, a test does. */
export async function endOf(guest: Pick<Guest, 'ended'>): Promise<CofferError> {
  let timer: ReturnType<typeof setTimeout>
  const never = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`not ended after ${NEVER_MS} ms`)), NEVER_MS)
  })
  return Promise.race([guest.ended, never]).finally(() => clearTimeout(timer))
}
