/** Calls of the guest's to the host: what was granted, by message or without one, answered at once or later. */
import type { CapabilityTable, Grant } from '../capabilities.js'
import { monotonicMs } from '../clock.js'
import type { Value } from '../guest.js'
import { flattenHostError } from '../host-wire.js'
import { type Direct, HostRefusal, LATER } from '../machine.js'
import { type FlatError, TO_GUEST, writeError } from '../protocol.js'
import { isRefusal, MalformedMessage, type Writer } from '../wire.js'
import type { Life } from './life.js'
import type { Meter, Timed } from './meter.js'
import type { Waits } from './time.js'
import type { Turns } from './turns.js'

export class Requests implements Waits {
  requests = 0
  keys = 0
  /** What the host holds of their arguments. */
  #heldBytes = 0
  /** Of a module in {@link ONE_AT_A_TIME}: what it was asked last is answered. */
  readonly #answered = new Map<string, Promise<void>>()
  /** How long this thread has worked on answers since it last did something else. */
  #busyMs = 0
  /** Granted functions as a machine with direct calls knows them: by number. */
  #functions: readonly (BoundFunction | undefined)[] = []

  readonly #life: Life
  readonly #meter: Meter
  readonly #turns: Turns
  readonly #grants: CapabilityTable

  constructor(life: Life, meter: Meter, turns: Turns, grants: CapabilityTable) {
    this.#life = life
    this.#meter = meter
    this.#turns = turns
    this.#grants = grants
    life.onEnd(() => grants.end())
  }

  /** Give the guest what was granted as functions that need no messages, and note which number stands for which. */
  bind(direct: Direct, functions: readonly string[]): void {
    this.#functions = direct.bind(functions).map(key => {
      const dot = key.lastIndexOf('.')
      const module = key.slice(0, dot)
      const grant = this.#grants.find(module, key.slice(dot + 1))
      if (grant === undefined || grant.kind === 'constant') return undefined
      return { module, grant, calls: 0, slow: false }
    })
  }

  /** A granted function, called without a message. @see MachinePort.callHost */
  call(index: number, id: number, args: Value[]): unknown {
    const bound = this.#functions[index]
    // An image may hold a function that this host does not grant.
    if (bound === undefined) throw new HostRefusal(NOT_GRANTED)
    const { module, grant } = bound
    if (this.#life.ended !== undefined) throw this.#life.ended
    if (grant.kind === 'request') {
      // Never at once: the host's function has not been asked before this returns.
      this.#serve(module, grant, args, this.#directAnswer(id))
      return LATER
    }
    this.#countAsk(grant, args)
    try {
      const value = this.#meter.runTimed(bound, args)
      return grant.kind === 'tell' ? undefined : value
    } catch (error) {
      if (this.#life.ended !== undefined) throw this.#life.ended
      throw new HostRefusal(flattenHostError(error))
    }
  }

  /** A synchronous function of the host's. @returns true and its value, or false and what it threw. */
  ask(module: string, name: string, args: Value[]): Uint8Array {
    const grant = this.#grants.find(module, name)
    if (grant?.kind !== 'ask' && grant?.kind !== 'tell')
      throw new MalformedMessage('a function that was not granted')
    this.#countAsk(grant, args)
    return this.#meter.asHost(() => {
      const { writer } = this.#life
      try {
        // First, since the function may call the guest, which writes a message of its own.
        const value = grant.kind === 'tell' ? void grant.run(args) : grant.run(args)
        return writer.begin(0).value(true).value(value).message.subarray(1)
      } catch (error) {
        if (this.#life.ended !== undefined) throw this.#life.ended
        return writeError(writer.begin(0).value(false), flattenHostError(error)).message.subarray(1)
      }
    })
  }

  /** A function of the host's that answers later, under this number of the guest's. */
  request(id: number, module: string, name: string, args: Value[]): void {
    const grant = this.#grants.find(module, name)
    if (grant?.kind !== 'request') throw new MalformedMessage('a function that was not granted')
    const { writer } = this.#life
    const settle = (write: (writer: Writer) => Writer) => {
      this.#turns.deliver(write(writer.begin(TO_GUEST.settle).value(id)).message)
      writer.wipe()
    }
    this.#serve(module, grant, args, {
      resolve: (value, done) => {
        settle(writer => writer.value(true).value(value))
        done()
      },
      reject: error => settle(writer => writeError(writer.value(false), error))
    })
  }

  #countAsk(grant: Grant, args: Value[]): void {
    if (grant.kind === 'tell') this.#meter.countOutput(encoder.encode(String(args[0])).length)
    else this.#meter.countCall(args)
  }

  /** Answer a request when the host's function does. */
  #serve(module: string, grant: Grant & { kind: 'request' }, args: Value[], answer: Answer): void {
    const bytes = this.#meter.countCall(args)
    this.#meter.check('pendingJobs', ++this.requests)
    // The host holds them until it answers: memory that the guest's own limit would not see.
    this.#meter.check('memoryBytes', (this.#heldBytes += bytes))
    const key = module === 'terminal' ? 1 : 0
    this.keys += key
    const settle = (tell: () => void) => {
      this.requests--
      this.#heldBytes -= bytes
      this.keys -= key
      if (this.#life.ended === undefined) tell()
    }
    const fail = (error: unknown) => answer.reject(flattenHostError(error))
    const succeed = (value: unknown) => {
      try {
        answer.resolve(value, () => {
          // Assets arrive as fresh bytes: what was decrypted goes as soon as the guest has its copy.
          if (module === 'assets' && value instanceof Uint8Array) value.fill(0)
        })
      } catch (error) {
        fail(error)
      }
    }
    const ask = (run: () => unknown): Promise<void> =>
      this.#meter
        .asHost(async () => run())
        .then(
          value => settle(() => succeed(value)),
          error => settle(() => fail(error))
        )
    if (!ONE_AT_A_TIME.has(module)) return void ask(() => grant.run(args))
    const before = this.#answered.get(module) ?? Promise.resolve()
    const inTurn = async () => {
      await before
      if (this.#busyMs > BUSY_MS) await this.#letOthers()
      await (this.#life.ended === undefined ? ask(() => this.#timed(grant, args)) : settle(() => {}))
    }
    this.#answered.set(module, inTurn())
  }

  #timed(grant: Grant & { kind: 'request' }, args: Value[]): unknown {
    const startedMs = monotonicMs()
    try {
      return grant.run(args)
    } finally {
      this.#busyMs += monotonicMs() - startedMs
    }
  }

  /**
   * A turn of the event loop. To open what was sealed takes this thread, on nobody's account, and a guest that asks for
   * more with each answer would never let it go: no timer of the host's would run, and no signal be heard.
   */
  #letOthers(): Promise<void> {
    this.#busyMs = 0
    return new Promise(resolve => setImmediate(resolve))
  }

  #directAnswer(id: number): Answer {
    const direct = this.#life.machine!.direct!
    return {
      resolve: (value, done) =>
        this.#turns.do(() => {
          try {
            direct.resolve(id, value)
          } catch (error) {
            if (!isRefusal(error)) throw error
            direct.reject(id, flattenHostError(error))
          }
          done()
        }),
      reject: error => this.#turns.do(() => direct.reject(id, error))
    }
  }
}

/** A granted function with what is known of its speed. */
interface BoundFunction extends Timed {
  readonly module: string
  readonly grant: Grant & { kind: 'ask' | 'tell' | 'request' }
}

/** How a request is answered. */
interface Answer {
  /** @throws UnsupportedValue @param done - Called when the guest has its copy. */
  resolve(value: unknown, done: () => void): void
  reject(error: FlatError): void
}

/**
 * Modules whose answers are as large as a guest can be. It may ask for as many as may wait, in one breath: nothing is
 * read before the guest has taken what was read before it, so that the host holds one answer and not all of them.
 */
const ONE_AT_A_TIME: ReadonlySet<string> = new Set(['assets', 'save'])

/** How long this thread may work on answers before others have a turn. */
const BUSY_MS = 5

const NOT_GRANTED: FlatError = { name: 'TypeError', message: 'The host does not grant this.', stack: '' }

const encoder = new TextEncoder()
