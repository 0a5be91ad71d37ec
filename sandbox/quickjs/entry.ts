/**
 * The way into one guest's engine: who may enter, what it is asked while it runs, and what becomes of it when something
 * unwinds through it. All that the parts of a machine (machine.ts) share.
 */
import { CofferError } from '../../formats/errors.js'
import { limitReached } from '../failures.js'
import type { Limits } from '../guest.js'
import type { MachinePort } from '../machine.js'
import { UnsupportedValue } from '../wire.js'
import { MAX_DIRECT_ARGUMENTS, SCRATCH, type Pointer } from './abi.js'
import type { ImageFields } from './image.js'
import { engineFailed, type Instance } from './instance.js'
import { TAG } from './layout.js'
import type { Resting } from './resting.js'

/** How a guest has ended. */
export interface End {
  /** Something unwound through its engine: what its memory says is not to be believed. */
  readonly torn: boolean
  /** Its engine still runs, below whoever ends it. */
  readonly busy: boolean
  /** Its host had no more need of it, and nothing else was wrong. */
  readonly inGoodOrder: boolean
}

/** Whose guest it is. */
export interface Owner {
  /** Called once, when a guest that has an instance has ended: the instance is its own again. */
  release(instance: Instance, end: End): void
  /** The guest is entered: give it an instance. */
  wake(resting: Resting): Instance
}

export class Entry {
  readonly fields: ImageFields
  readonly port: MachinePort
  readonly limits: Limits
  /** Undefined while the guest rests without one, and once it has ended, in whatever way. */
  private instance: Instance | undefined
  private resting: Resting | undefined
  /** It was entered since somebody last looked. */
  wasEntered = false
  private busy = false
  private torn = false
  private polls = 0
  private readonly owner: Owner

  constructor(fields: ImageFields, port: MachinePort, limits: Limits, owner: Owner) {
    this.fields = fields
    this.port = port
    this.limits = limits
    this.owner = owner
  }

  /** Give it its instance, whose hooks need the entry first. */
  open(instance: Instance): void {
    this.instance = instance
  }

  /** End the guest, from inside its engine too. Idempotent. @param inGoodOrder - Nothing went wrong with it. */
  close(inGoodOrder = false): void {
    const { instance, resting } = this
    this.instance = undefined
    this.resting = undefined
    resting?.wipe()
    if (instance !== undefined)
      this.owner.release(instance, { torn: this.torn, busy: this.busy, inGoodOrder })
  }

  /**
   * Have the guest rest without its instance, if it is at rest.
   *
   * @param keep - Takes what is to be kept, and then the instance; undefined where it does not.
   * @returns whether it did.
   */
  rest(keep: (instance: Instance) => Resting | undefined): boolean {
    if (this.instance === undefined || this.busy) return false
    this.resting = keep(this.instance)
    if (this.resting === undefined) return false
    this.instance = undefined
    return true
  }

  /** What the guest occupies, by `measure` where it has an instance; 0 once it has ended. */
  memoryBytes(measure: (instance: Instance) => number): number {
    if (this.instance !== undefined) return measure(this.instance)
    return this.resting?.memoryBytes ?? 0
  }

  /** Asked before each step back into the engine too: the port may have ended the guest meanwhile. */
  alive(): Instance {
    return this.instance ?? this.woken()
  }

  /** By itself, so that V8 has the rest of it wherever it is asked. */
  private woken(): Instance {
    const { resting } = this
    if (resting !== undefined) {
      this.instance = this.owner.wake(resting)
      this.resting = undefined
      return this.instance
    }
    throw new CofferError('COFFER_GUEST_GONE', 'The guest has ended: it can be called no more.', {
      hint: 'Launch it again.'
    })
  }

  /** Everything that enters the engine does so through here, or between the next two. */
  run(work: (instance: Instance) => void): void {
    const instance = this.enter()
    try {
      work(instance)
    } catch (error) {
      throw this.fail(error)
    } finally {
      this.leave()
    }
  }

  enter(): Instance {
    if (this.busy) throw new Error('internal: the machine was called from inside itself')
    const instance = this.alive()
    this.busy = true
    this.wasEntered = true
    return instance
  }

  leave(): void {
    this.busy = false
  }

  /** Something unwound through the engine. @returns what the caller is to be told. */
  fail(error: unknown): unknown {
    this.torn = true
    this.busy = false
    this.close()
    return translate(error)
  }

  /** Whether the guest does not notice: a value of the host's that cannot cross was refused before it was called. */
  survives(error: unknown): error is UnsupportedValue {
    return error instanceof UnsupportedValue && this.instance !== undefined
  }

  /** Guest code runs: may throw to end it. */
  poll(): void {
    this.port.poll()
    const instance = this.alive()
    // Counting walks a list: often enough when done now and then, and what hides between two counts costs memory.
    if (++this.polls % 64 !== 0) return
    const { pendingJobs } = this.limits
    const jobs = instance.listLength(this.fields.jobList, pendingJobs + 1)
    if (jobs > pendingJobs) throw limitReached('pendingJobs', this.limits, jobs)
  }

  /** Run what is due. A job that throws has rejected its own promise already. */
  runJobs(instance: Instance): void {
    const { runtime, context, scratch } = this.fields
    while (instance.engine.QTS_IsJobPending(runtime) !== 0) {
      this.poll()
      const result = instance.engine.QTS_ExecutePendingJob(runtime, 1, scratch)
      instance.engine.QTS_FreeValuePointer(context, result)
    }
  }

  /**
   * Call the driver inside the guest (boot.ts) with a number and the JSValues at these places.
   *
   * @returns where its result stands until the next call.
   * @throws CofferError COFFER_ENGINE_FAILED when it threw.
   */
  drive(operation: number, ...values: Pointer[]): Pointer {
    const result = this.tryDrive(operation, ...values)
    if (result === 0) throw engineFailed('the SDK threw')
    return result
  }

  /** @returns the same; 0 when it threw, which takes a guest that is at the end of its stack. */
  tryDrive(operation: number, ...values: Pointer[]): Pointer {
    const instance = this.alive()
    const { context } = this.fields
    const result = this.driveInto(instance, operation, values)
    const error = instance.engine.QTS_ResolveException(context, result)
    if (error === 0) return result
    instance.engine.QTS_FreeValuePointer(context, error)
    return 0
  }

  /** @returns where its result stands, which may be an exception. */
  driveInto(instance: Instance, operation: number, values: readonly Pointer[]): Pointer {
    const { context, driver, scratch } = this.fields
    const { engine } = instance
    const list =
      values.length > MAX_DIRECT_ARGUMENTS
        ? instance.allocate(8 * (1 + values.length))
        : scratch + SCRATCH.drive
    const { words } = instance
    let at = list >> 2
    words[at++] = operation
    words[at++] = TAG.integer
    for (let i = 0; i < values.length; i++) {
      words[at++] = words[values[i]! >> 2]!
      words[at++] = words[(values[i]! >> 2) + 1]!
    }
    const result = scratch + SCRATCH.driven
    engine.callInPlace(context, driver, 1 + values.length, list, result)
    if (values.length > MAX_DIRECT_ARGUMENTS) engine.free(list)
    return result
  }

  /** Drive with a number of a call or request in front of a value, then run what became due. */
  driveFor(id: number, operation: number, value: Pointer): void {
    const instance = this.alive()
    this.drive(operation, this.number(instance, id), value)
    this.runJobs(instance)
  }

  /**
   * The number as a JSValue, where the driver's result will stand. Not among the arguments of the call that may be under way:
   * a native function reads those where they are, as long as it runs.
   */
  number(instance: Instance, number: number): Pointer {
    const at = this.fields.scratch + SCRATCH.driven
    instance.words[at >> 2] = number
    instance.words[(at >> 2) + 1] = TAG.integer
    return at
  }
}

/** What came out of the engine, as an error of ours. What the port threw passes as it is. */
function translate(error: unknown): unknown {
  if (error instanceof WebAssembly.RuntimeError) return engineFailed('its code trapped', error)
  if (error instanceof RangeError && /call stack/.test(error.message)) {
    return engineFailed('the native stack is used up', error)
  }
  return error
}
