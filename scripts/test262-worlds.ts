/**
 * The child of test262.ts: runs one test after the other, each in a fresh world of the kind that its argument names.
 * The text that runs the test is the same in all: harness and test by indirect eval, an error by its constructor's name.
 */
import { getQuickJS, type QuickJSWASMModule, Scope } from 'quickjs-emscripten'
import { readFileSync } from 'node:fs'
import { launch, sync } from '../sandbox/index.js'
import { DICE_BYTES, TO_GUEST, TO_HOST } from '../sandbox/protocol.js'
import { WIRE } from '../sandbox/host-wire.js'
import { Writer } from '../sandbox/wire.js'

export interface Job {
  readonly id: number
  readonly prelude: string
  readonly source: string
  readonly strict: boolean
  readonly async: boolean
  /** Of the error that the test must end with. */
  readonly type?: string | undefined
}

export interface Outcome {
  readonly id: number
  readonly passed: boolean
}

/** What a world says of a test: null, or the name of what it threw; and what it printed. */
interface Ran {
  readonly threw: string | null
  readonly printed: string
}

/**
 * A function of (text, print) as text. Everything it needs is taken before the test can change it. A test
 * that must not compile never begins, in any world.
 */
const RUN = `(() => {
  const evaluate = globalThis.eval
  const nameOf = error => {
    try { return String(error.constructor.name) } catch { return typeof error }
  }
  return (text, print) => {
    globalThis.print = print
    globalThis.$262 = {
      global: globalThis,
      evalScript: text => evaluate(text),
      gc() { throw new TypeError('no gc') },
      detachArrayBuffer(buffer) { if (buffer instanceof ArrayBuffer && buffer.transfer) buffer.transfer(); else throw new TypeError('cannot detach') },
      createRealm() { throw new TypeError('no realms') },
      agent: {}
    }
    try {
      evaluate(text)
      return null
    } catch (error) { return nameOf(error) }
  }
})()`

const world = process.argv[2]!
const run = await worldOf(world)
process.on('message', async (job: Job) => {
  let passed: boolean
  try {
    passed = verdict(job, await run(job))
  } catch {
    passed = false
  }
  process.send!({ id: job.id, passed } satisfies Outcome)
})
process.on('uncaughtException', () => {})
process.on('unhandledRejection', () => {})

function verdict({ async, type }: Job, { threw, printed }: Ran): boolean {
  if (type !== undefined) return threw === type
  if (threw !== null) return false
  return !async || printed.includes('Test262:AsyncTestComplete')
}

async function worldOf(name: string): Promise<(job: Job) => Promise<Ran>> {
  switch (name) {
    case 'quickjs':
      return rawQuickjs(await getQuickJS())
    case 'quickjs guest':
      return quickjsGuest
    case 'ses': {
      await import('../sandbox/ses/compartment.js')
      lockdown()
      return job => inCompartment(new Compartment(), job)
    }
    default: {
      const { guestCompartment, lockDown } = await import('../sandbox/ses/compartment.js')
      const sdk = readFileSync(new URL('../sandbox/guest-sdk.js', import.meta.url), 'utf8')
      lockDown()
      return job => {
        const { compartment, boot } = guestCompartment(sdk)
        const encoder = new TextEncoder()
        const writer = new Writer(WIRE)
        const hidden = boot(
          harden({
            // All that a test can ask for is the time.
            send: (message: Uint8Array) =>
              message[0] === TO_HOST.clock
                ? writer.begin(0).value(Date.now()).value(performance.now()).message.subarray(1)
                : undefined,
            encodeText: (text: string) => encoder.encode(text),
            dice: new Uint8Array(DICE_BYTES).fill(1)
          })
        )
        const begin = new Writer(WIRE)
          .begin(TO_GUEST.begin)
          .value(1000)
          .value(1 << 26)
          .value(1_000_000)
          .value(64)
        hidden.receive(begin.value([]).message)
        return inCompartment(compartment, job)
      }
    }
  }
}

const textOf = ({ prelude, source, strict }: Job): string =>
  `${strict ? '"use strict";' : ''}${prelude}\n;${source}`

function rawQuickjs(module: QuickJSWASMModule): (job: Job) => Promise<Ran> {
  return async job => {
    const runtime = module.newRuntime()
    const deadline = Date.now() + 10_000
    runtime.setInterruptHandler(() => Date.now() > deadline)
    const context = runtime.newContext()
    let printed = ''
    return Scope.withScope(scope => {
      const keep = <T extends Disposable>(handle: T) => scope.manage(handle as never) as T
      scope.manage(runtime)
      scope.manage(context)
      const print = keep(
        context.newFunction('print', text => void (printed += `${context.getString(text)}\n`))
      )
      const fn = keep(context.unwrapResult(context.evalCode(RUN)))
      const text = keep(context.newString(textOf(job)))
      const result = keep(context.unwrapResult(context.callFunction(fn, context.undefined, text, print)))
      const threw = context.dump(result) as string | null
      while (runtime.hasPendingJob()) runtime.executePendingJobs().dispose()
      return { threw, printed }
    })
  }
}

const PROGRAM = new TextEncoder().encode(
  `import { print } from 'coffer:host'
   const run = ${RUN}
   export const test = text => run(text, text => print(String(text)))`
)

async function quickjsGuest(job: Job): Promise<Ran> {
  let printed = ''
  const print = sync((text: string) => void (printed += `${text}\n`))
  const guest = await launch(PROGRAM, {
    capabilities: { host: { print } },
    limits: { memoryBytes: 256 * 1024 * 1024 }
  })
  try {
    return { threw: (await guest.call('test', textOf(job))) as string | null, printed }
  } finally {
    await guest.dispose()
  }
}

async function inCompartment(compartment: Compartment, job: Job): Promise<Ran> {
  let printed = ''
  const test = compartment.evaluate(RUN) as (text: string, print: (text: unknown) => void) => string | null
  const threw = test(textOf(job), text => void (printed += `${String(text)}\n`))
  // Twice: a promise of a promise.
  await new Promise(resolve => setImmediate(resolve))
  await new Promise(resolve => setImmediate(resolve))
  return { threw, printed }
}
