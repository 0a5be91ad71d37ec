/**
 * Make the image of a title: its program is started by the real engine, and its memory is taken at the moment at which
 * it could be called. A guest that starts from it is the same as one that starts from the source, so only a start that
 * asked nothing of the world can be taken: what a clock, a capability or chance answered would be frozen with it.
 *
 * @see docs/spec.md §9.4
 */
import { monotonicMs } from './clock.js'
import { concat } from '../formats/bytes.js'
import { CofferError } from '../formats/errors.js'
import type { Limits } from './guest.js'
import { WIRE } from './host-wire.js'
import {
  beginMessage,
  constantsOf,
  DICE_BYTES,
  functionsOf,
  linksOf,
  type ModuleGrant,
  TO_HOST
} from './protocol.js'
import { encodeTitleImage } from './quickjs/image.js'
import type { QuickjsFactory } from './quickjs/factory.js'
import type { PressingMachine, Reuse } from './quickjs/machine.js'
import type { Plan } from './quickjs/placing.js'
import { Writer } from './wire.js'

/** Of the program's own memory: a start of it and copies stand side by side for a moment. */
const MOST_MIB = 32
const MOST_BYTES = MOST_MIB * 2 ** 20
/** To note its blocks, as planned, and as it comes. */
const MOST_STARTS = 3

export interface ImagingOptions {
  /** Name of the program in stack traces. */
  readonly name: string
  /**
   * What the program is linked with. More than one set where exports that are no functions may have several values: the
   * image holds the program for each.
   */
  readonly grants: readonly (readonly ModuleGrant[])[]
  /** Modules from which the program imports by name alone, so that it runs wherever those names are granted. */
  readonly byName?: readonly string[]
  /** Keep no text of functions: `toString()` of one tells its name only. */
  readonly strip?: boolean
  readonly limits: Limits
  /** Something that no program can hold of itself, such as its digest; the same for the same image. */
  readonly mark: string
}

/** Why there is no image: said to whoever presses. */
export interface NoImage {
  readonly reason: string
}

/**
 * @param source - UTF-8 of one ES module. The caller wipes it.
 * @returns The image, the same bytes for the same input. It holds the program: the caller wipes it.
 */
export function makeTitleImage(
  factory: QuickjsFactory,
  source: Uint8Array,
  options: ImagingOptions
): Uint8Array | NoImage {
  const states: { constants: Uint8Array; memory: Uint8Array }[] = []
  try {
    for (const grants of options.grants) {
      const memory = startedMemory(factory, source, grants, options)
      if (!(memory instanceof Uint8Array)) return memory
      states.push({ constants: concat(...constantsOf(grants, WIRE).values()), memory })
    }
    const links = [...linkedAs(options.grants[0]!, options)]
    return encodeTitleImage(factory.baseHash(), factory.baseMemory(), factory.stackTop, links, states)
  } finally {
    for (const { memory } of states) factory.wipe(memory)
  }
}

/** Memory of the started program: of its second start, where what stays has found its place, if there is time for one. */
function startedMemory(
  factory: QuickjsFactory,
  source: Uint8Array,
  grants: readonly ModuleGrant[],
  options: ImagingOptions
): Uint8Array | NoImage {
  // One instance for all of them: what V8 has of memory it gives back when it likes.
  const reuse: Reuse = { idle: [], foreign: true }
  const begin = (plan?: Plan) => start(factory, source, grants, options, reuse, plan)
  const sinceMs = monotonicMs()
  let machine = begin()
  if ('reason' in machine) return machine
  try {
    if (machine.memoryBytes() > MOST_BYTES) return { reason: TOO_LARGE }
    // All of them together keep this thread for no longer than the program may compute.
    const hasTime = monotonicMs() - sinceMs < options.limits.cpuMs / MOST_STARTS
    const plan = hasTime ? machine.plan() : undefined
    if (plan !== undefined) {
      machine.destroy()
      let next = begin(plan)
      if ('reason' in next || !next.isPlanned) {
        // It starts in another way each time: as it comes, then.
        if (!('reason' in next)) next.destroy()
        next = begin()
      }
      if ('reason' in next) return next
      machine = next
    }
    return machine.freeze() ?? { reason: 'it asks for the time or for chance' }
  } finally {
    machine.destroy()
  }
}

/** A machine whose program has started and could be called. The caller destroys it. */
function start(
  factory: QuickjsFactory,
  source: Uint8Array,
  grants: readonly ModuleGrant[],
  options: ImagingOptions,
  reuse: Reuse,
  plan: Plan | undefined
): PressingMachine | NoImage {
  const { limits, mark, name, strip = false } = options
  const startedMs = monotonicMs()
  let reason: string | undefined
  let ready = false
  let started = false
  const refuse = (why: string): never => {
    reason ??= why
    throw new Error(why)
  }
  const machine = factory(
    {
      receive(message) {
        if (message[0] !== TO_HOST.ready) refuse(REASONS[message[0]!] ?? 'it does not start')
        ready = true
        return undefined
      },
      poll() {
        // What comes after its start is our work, not the program's.
        if (started) return
        if (monotonicMs() - startedMs > limits.cpuMs) refuse(`it computes for more than ${limits.cpuMs} ms`)
        // What it took is V8's to give back, when it likes: the guest that starts next would come on top of it.
        if (plan === undefined && machine.memoryBytes() > MOST_BYTES) refuse(TOO_LARGE)
      },
      now: () => 0,
      dice: new Uint8Array(DICE_BYTES).fill(1),
      result() {},
      callHost: () => refuse(CALLS_HOST)
    },
    limits,
    { imaging: { strip, beginName: `coffer:begin/${mark}`, mostBytes: MOST_BYTES, plan }, reuse }
  )
  try {
    machine.direct?.bind(functionsOf(grants))
    machine.dispatch(beginMessage(new Writer(WIRE), limits, grants))
    machine.evaluate(source, name, linkedAs(grants, options))
    if (!ready) return { reason: 'it waits for something' }
    started = true
    return machine
  } catch (error) {
    if (reason !== undefined) return { reason }
    if (error instanceof CofferError) return { reason: error.message }
    throw error
  } finally {
    if (!started) machine.destroy()
  }
}

/** As they are linked: what is imported by name alone under a specifier that the program does not know. */
const linkedAs = (
  grants: readonly ModuleGrant[],
  { byName = [], mark }: ImagingOptions
): ReadonlyMap<string, readonly string[]> =>
  new Map(
    [...linksOf(grants)].map(([module, exports]) => [
      byName.includes(module) ? aliasOf(module, mark) : module,
      exports
    ])
  )

/** The specifier under which the source that an image is made of imports a module by name. */
export const aliasOf = (module: string, mark: string): string => `${module}/${mark}`

const TOO_LARGE = `its memory reaches further than ${MOST_MIB} MiB`
const CALLS_HOST = 'it calls a function of the host'
const THROWS = 'it throws, or leaves a rejection unhandled'

/** By message: what no image can hold. */
const REASONS: Partial<Record<number, string>> = {
  [TO_HOST.failed]: THROWS,
  [TO_HOST.ask]: CALLS_HOST,
  [TO_HOST.request]: CALLS_HOST,
  [TO_HOST.wake]: 'it sets a timer',
  [TO_HOST.print]: 'it writes',
  [TO_HOST.random]: 'it asks for chance',
  [TO_HOST.clock]: 'it asks for the time or sets a timer',
  [TO_HOST.uncaught]: THROWS,
  [TO_HOST.rejected]: THROWS,
  [TO_HOST.pressure]: 'it asks for its limits'
}
