/**
 * The QuickJS machine: one guest in the caller's thread, started from a memory image and bounded by metering.
 *
 * Memory is bounded by the WebAssembly.Memory itself, time by `poll()`, which interpreter and native loops both ask.
 * Whatever unwinds through the engine, a limit, a trap or the end of V8's own stack, leaves its C state torn: the
 * machine is dead from then on, and its memory is never believed again (entry.ts).
 *
 * Nothing here touches files, clock or randomness: they are handed in (node.ts, session.ts).
 */
import { equalBytes } from '../../formats/bytes.js'
import { limitReached } from '../failures.js'
import type { Limits } from '../guest.js'
import type { Grounds, Machine, MachinePort } from '../machine.js'
import {
  DRIVE,
  MAX_GUEST_STACK_BYTES,
  MAX_PAGES,
  TAG_OBJECT,
  PAGE_BYTES,
  STACK_BYTES,
  STRIP_SOURCE,
  type Pointer
} from './abi.js'
import { Calls, type Places } from './calls.js'
import { type End, Entry } from './entry.js'
import { HostCalls } from './host-calls.js'
import { decodeTitleImage, fittingState, type ImageFields } from './image.js'
import { type Hooks, Instance, RESTING } from './instance.js'
import type { Kept } from './kept.js'
import { Linker } from './linking.js'
import { Passing } from './passing.js'
import { frozenMemory, Placing, type Plan, plannedBytes } from './placing.js'
import { clearStack, Pristine } from './pristine.js'
import { type Awake, Resting, type Sleeper } from './resting.js'
import { COMPILED, Program } from './program.js'
import { dropStatements } from './started.js'
import { ValueReader } from './values.js'

/** A machine as those see it who press titles. */
export interface PressingMachine extends Machine, Sleeper {
  /**
   * Compile an ES module and look up its imports; nothing of it runs, and which exports the modules have is not
   * asked. The machine is spent afterwards.
   *
   * @param modules - The modules that it may import are the keys.
   * @throws CofferError COFFER_PROGRAM_INVALID with line and column.
   */
  compile(source: Uint8Array, name: string, modules: ReadonlyMap<string, readonly string[]>): void
  /** What this start of the program tells the next one, if it can (placing.ts). */
  plan(): Plan | undefined
  /** The start went as the plan said; true without one. */
  readonly isPlanned: boolean
  /**
   * Memory as it is between two calls, with what is free in it overwritten. The machine is spent afterwards.
   *
   * @returns undefined when the guest has looked at clock or dice, which the next one will not have the same.
   */
  freeze(): Uint8Array | undefined
}

/** What becomes of a guest's program, for those who make an image of it. */
export interface Imaging {
  /** The memory is not to hold the text of the program's functions. */
  readonly strip: boolean
  /** Name of a module that the program cannot know; otherwise one by chance, which would make every image another. */
  readonly beginName: string
  /** How far the heap of a program with an image may reach behind the engine's share; a multiple of a page. */
  readonly mostBytes: number
  /** Of an earlier start of the same program: the heap is to have no holes. */
  readonly plan?: Plan | undefined
}

/** Instances that serve guest after guest of one program. */
export interface Reuse {
  /** As the next guest is to find them. */
  readonly idle: Instance[]
  /** What guests start from, once one was restored from the program's image; the engine's own image before. */
  begun?: Begun | undefined
  /** That image may be made by hand: what the memory says of itself is believed of no guest. */
  readonly foreign?: boolean
  /** Where guests that nobody calls are to rest without an instance. */
  readonly awake?: Awake
}

/** A program from an image, after it was told what it is granted: the next that is told the same would do the same. */
interface Begun {
  readonly pristine: Pristine
  readonly image: Uint8Array
  readonly begin: Uint8Array
  readonly places: Places
  /** What it said to that. */
  readonly told: readonly Uint8Array[]
}

/** The compiled engine and the image that all guests start from. */
export interface EngineParts {
  readonly module: WebAssembly.Module
  readonly fields: ImageFields
  readonly base: Pristine
  readonly kept: Kept
  readonly baseHash: () => Uint8Array
}

/** How far memory may grow. The image is the engine's share; what the guest allocates comes on top. */
export const maxPages = ({ pages }: ImageFields, { memoryBytes }: Limits): number =>
  Math.min(MAX_PAGES, pages + Math.ceil(memoryBytes / PAGE_BYTES))

/** An instance with the memory that guests start from. */
export function newInstance(
  { module, base }: EngineParts,
  maxPages: number,
  pristine = base,
  ceilingPages = maxPages
): Instance {
  const instance = new Instance(module, pristine.lengthBytes / PAGE_BYTES, maxPages, RESTING, ceilingPages)
  pristine.copyTo(instance.bytes)
  return instance
}

/**
 * How much of the stack that it is allowed a guest gets. V8 14, of Node 26, inlines functions on a guess, and where it has
 * guessed wrong puts larger frames in their place: with a tenth less the engine's bound came before the end of V8's stack
 * again (scripts/frames.ts says why it must).
 */
const STACK_SHARE = Number.parseInt(process.versions.v8) < 14 ? 1 : 7 / 8

export class QuickjsMachine implements PressingMachine {
  readonly direct: Calls
  private readonly engine: EngineParts
  private readonly fields: ImageFields
  private readonly port: MachinePort
  private reuse: Reuse | undefined
  /** Where its instance may come from, and wait for the next guest; undefined where that is of its own kind. */
  private readonly kept: Kept | undefined
  private readonly imaging: Imaging | undefined
  private readonly stackBytes: number
  /** How far its memory may grow, in pages. */
  private readonly maxPages: number
  /** WebAssembly's own bound of an instance that is made for it. */
  private readonly ceilingPages: number
  private readonly entry: Entry
  private readonly hooks: Hooks
  /** It has changed too much to rest, and was not entered since: nobody need look again. */
  private isLarge = false
  private readonly reader: ValueReader
  private readonly linker: Linker
  private readonly placing: Placing | undefined
  /** The guest asked the host for something, and the next one might be answered otherwise. */
  private asked = false
  /** It has a program out of an image. */
  private restored = false
  /** What it told the host, while that is noted. */
  private told: Uint8Array[] | undefined

  constructor(
    engine: EngineParts,
    port: MachinePort,
    limits: Limits,
    { imaging, reuse }: { imaging?: Imaging; reuse?: Reuse }
  ) {
    this.engine = engine
    this.fields = engine.fields
    this.port = port
    this.imaging = imaging
    this.reuse = reuse
    if (reuse === undefined && imaging === undefined) this.kept = engine.kept
    this.stackBytes = Math.min(Math.floor(limits.stackBytes * STACK_SHARE), MAX_GUEST_STACK_BYTES)
    const { fields } = engine
    const entry = new Entry(fields, port, limits, {
      release: (instance, end) => this.release(instance, end),
      wake: resting => this.wake(resting)
    })
    this.entry = entry
    const plannedPages = imaging && fields.pages + plannedBytes(imaging.mostBytes) / PAGE_BYTES
    const isPlanned = imaging?.plan !== undefined
    this.maxPages = isPlanned ? plannedPages! : maxPages(fields, limits)
    // The next start of the same program may need more than this one.
    this.ceilingPages = Math.max(this.maxPages, plannedPages ?? 0)
    this.linker = new Linker(entry)
    const hooks: Hooks = {
      poll: () => entry.poll(),
      call: (argument, toText) => this.answer(argument, toText),
      result: pair => {
        this.asked = true
        return hostCalls.result(pair)
      },
      host: (index, self, count, args) => {
        this.asked = true
        return hostCalls.call(index, self, count, args)
      },
      load: name => this.linker.load(name),
      rejection: (pair, handled) => {
        // At the end of its stack a guest loses this notice; it has an overflow to deal with.
        entry.tryDrive(handled ? DRIVE.handled : DRIVE.rejected, pair, pair + 8)
      },
      now: () => {
        this.asked = true
        return port.now()
      },
      outOfMemory: needed => limitReached('memoryBytes', limits, needed - this.ownShare)
    }
    this.hooks = hooks
    const instance = this.takeInstance()
    entry.open(instance)
    this.personalize(instance)
    if (imaging !== undefined)
      this.placing = new Placing(instance, fields.runtime, fields.stackTop, imaging.plan)
    const reader = (this.reader = new ValueReader(instance, fields.names, limits))
    const passing = new Passing(entry)
    const hostCalls = new HostCalls(entry, reader, passing)
    this.direct = new Calls(entry, reader, passing)
  }

  /** One that an earlier guest left, or a new one; with the memory that guests start from. */
  private takeInstance(): Instance {
    const { ceilingPages, engine, maxPages, reuse } = this
    reuse?.awake?.add(this)
    const instance =
      reuse?.idle.pop() ??
      this.kept?.take(maxPages) ??
      newInstance(engine, maxPages, reuse?.begun?.pristine, ceilingPages)
    instance.maxPages = maxPages
    instance.hooks = this.hooks
    return instance
  }

  /** What guests of this program start from. */
  private get pristine(): Pristine {
    return this.reuse?.begun?.pristine ?? this.engine.base
  }

  wasEntered(): boolean {
    const { entry } = this
    const was = entry.wasEntered
    entry.wasEntered = false
    if (was) this.isLarge = false
    return was
  }

  rest(): boolean {
    const { entry, reuse, pristine } = this
    return (
      reuse !== undefined &&
      !this.isLarge &&
      entry.rest(instance => {
        if (!pristine.hasRoom(instance, reuse.idle)) return undefined
        const resting = Resting.of(instance, pristine, this.memoryOf(instance))
        if (resting !== undefined) this.putBack(instance, reuse, false)
        else this.isLarge = true
        return resting
      })
    )
  }

  /** Give the guest an instance again. */
  private wake(resting: Resting): Instance {
    const { engine, maxPages, reuse } = this
    reuse!.awake!.add(this)
    const waiting = resting.pristine === this.pristine ? reuse!.idle.pop() : undefined
    const instance = waiting ?? newInstance(engine, maxPages, resting.pristine)
    resting.wake(instance)
    instance.hooks = this.hooks
    this.reader.follow(instance)
    return instance
  }

  /** What differs from guest to guest of one image. */
  private personalize(instance: Instance): void {
    const { randomState, runtime, stripFlags } = this.fields
    // Every guest would roll the same dice.
    instance.bytes.set(this.port.dice, randomState)
    instance.engine.QTS_RuntimeSetMaxStackSize(runtime, this.stackBytes)
    instance.bytes[stripFlags] = this.imaging?.strip === true ? STRIP_SOURCE : 0
  }

  evaluate(source: Uint8Array, name: string, modules: ReadonlyMap<string, readonly string[]>): void {
    this.entry.run(instance => {
      const { context } = this.fields
      const program = new Program(instance, source, name, modules, this.imaging)
      const value = this.linker.start(instance, source, program)
      dropStatements(instance, this.fields)
      const error = instance.engine.QTS_ResolveException(context, value)
      if (error === 0) this.entry.drive(DRIVE.started, value)
      else this.entry.drive(DRIVE.failed, error)
      instance.engine.QTS_FreeValuePointer(context, error === 0 ? value : error)
      this.entry.runJobs(instance)
    })
  }

  compile(source: Uint8Array, name: string, modules: ReadonlyMap<string, readonly string[]>): void {
    try {
      this.entry.run(instance => {
        const program = new Program(instance, source, name, modules, { compileOnly: true })
        this.linker.start(instance, source, program)
      })
    } catch (outcome) {
      if (outcome !== COMPILED) throw outcome
    }
  }

  restore(image: Uint8Array, grounds: Grounds): boolean {
    this.linker.grant(grounds.modules)
    const begun = this.reuse?.begun
    if (begun !== undefined) {
      if (begun.image === image && equalBytes(begun.begin, grounds.begin)) {
        this.direct.know(begun.places)
        for (const message of begun.told) this.port.receive(message)
        return true
      }
      this.startOver()
    }
    const title = decodeTitleImage(image, this.engine.baseHash())
    const state = title && fittingState(title, grounds.modules(), grounds.constants())
    if (title === undefined || state === undefined) return false
    this.restored = true
    this.entry.run(instance => {
      instance.reach(title.pages * PAGE_BYTES)
      for (const { offset, bytes } of title.states[0]!.parts) instance.bytes.set(bytes, offset)
      if (state !== title.states[0])
        for (const { offset, bytes } of state.parts) instance.bytes.set(bytes, offset)
      this.personalize(instance)
    })
    this.begin(image, grounds)
    return true
  }

  /** Tell a restored program what it is granted, and keep it as it is then for those that are told the same. */
  private begin(image: Uint8Array, { functions, begin }: Grounds): void {
    const { reuse, direct } = this
    const told: Uint8Array[] = []
    const copy = begin.slice()
    this.asked = false
    this.told = told
    direct.bind(functions)
    this.dispatch(begin)
    this.told = undefined
    if (reuse === undefined) return
    const places = direct.places()
    this.entry.run(instance => {
      if (this.asked || !this.hasItsDice(instance)) return
      const { fields } = this
      instance.bytes.fill(0, fields.randomState, fields.randomState + this.port.dice.length)
      // They have the engine's own image.
      reuse.idle.length = 0
      reuse.begun = { pristine: Pristine.of(instance, fields), image, begin: copy, places, told }
      this.personalize(instance)
    })
  }

  /** The program that guests are kept of was granted something else: have the engine's own image, and keep nothing. */
  private startOver(): void {
    const { pristine } = this.reuse!.begun!
    this.reuse!.awake?.delete(this)
    this.reuse = undefined
    this.entry.run(instance => {
      pristine.erase(instance)
      this.engine.base.copyTo(instance.bytes)
      this.personalize(instance)
    })
  }

  plan(): Plan | undefined {
    return this.placing!.plan(this.fields.heapEnd)
  }

  get isPlanned(): boolean {
    return this.placing!.isWhole(this.fields.heapEnd)
  }

  freeze(): Uint8Array | undefined {
    let memory: Uint8Array | undefined
    this.entry.run(instance => {
      if (this.asked || !this.hasItsDice(instance)) return
      instance.bytes[this.fields.stripFlags] = 0
      this.placing!.end()
      memory = frozenMemory(this.engine.module, instance, this.fields)
    })
    return memory
  }

  /** Nobody has rolled them. */
  private hasItsDice(instance: Instance): boolean {
    const { randomState } = this.fields
    return equalBytes(
      instance.bytes.subarray(randomState, randomState + this.port.dice.length),
      this.port.dice
    )
  }

  dispatch(message: Uint8Array): void {
    this.entry.run(instance => {
      const { context } = this.fields
      const buffer = instance.newArrayBuffer(context, message)
      this.entry.drive(DRIVE.receive, buffer)
      instance.engine.QTS_FreeValuePointer(context, buffer)
      this.entry.runJobs(instance)
    })
  }

  /** What the guest's memory has grown by: 0 to the limit, like the limit without the engine's share. */
  memoryBytes(): number {
    return this.entry.memoryBytes(instance => this.memoryOf(instance))
  }

  private memoryOf({ view }: Instance): number {
    const end = view.getUint32(this.fields.heapEnd, true)
    return Math.max(Math.ceil(end / PAGE_BYTES) * PAGE_BYTES - this.ownShare, 0)
  }

  private get ownShare(): number {
    return this.fields.pages * PAGE_BYTES
  }

  destroy(inGoodOrder = false): void {
    this.entry.close(inGoodOrder)
    this.reuse?.awake?.delete(this)
  }

  /** The guest has ended: its memory is put back for the next one, or overwritten with zeros. */
  private release(instance: Instance, { torn, busy, inGoodOrder }: End): void {
    const { reuse, kept, stackBytes, restored } = this
    const whole = torn || reuse?.foreign === true
    // What still runs in it would go on in the next guest's memory.
    if (!busy && reuse !== undefined && this.pristine.hasRoom(instance, reuse.idle)) {
      this.putBack(instance, reuse, torn)
    } else if (busy || !inGoodOrder || kept?.keep(instance, stackBytes, restored) !== true) {
      const { stackTop } = this.fields
      const { bytes } = instance
      const bottom = stackTop - STACK_BYTES
      bytes.fill(0, stackTop)
      clearStack(bytes, bottom, stackTop, whole ? STACK_BYTES : stackBytes)
      bytes.fill(0, 0, bottom)
    }
  }

  /** Have an instance as the next guest is to find it, and wait for that. @param torn - What its memory says is not to be believed. */
  private putBack(instance: Instance, { idle, foreign }: Reuse, torn: boolean): void {
    const whole = torn || foreign === true
    this.pristine.heal(instance, whole ? STACK_BYTES : this.stackBytes, !whole)
    instance.hooks = RESTING
    idle.push(instance)
  }

  /**
   * The driver calls: with a message of the SDK's, with text that is to become bytes or bytes that are to become text,
   * or with nothing when the program is about to begin.
   */
  private answer(argument: Pointer | undefined, toText: boolean): Pointer {
    const instance = this.entry.alive()
    if (argument === undefined) {
      this.linker.begin()
      return 0
    }
    const { context } = this.fields
    if (instance.tag(argument) !== TAG_OBJECT) return instance.encodeText(context, argument)
    const bytes = instance.typedArray(argument)
    if (toText) return instance.decodeText(context, bytes)
    this.told?.push(bytes.slice())
    const answer = this.port.receive(bytes)
    this.entry.alive()
    if (answer !== undefined) this.asked = true
    return answer === undefined ? 0 : instance.newArrayBuffer(context, answer)
  }
}
