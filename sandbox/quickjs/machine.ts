/**
 * The QuickJS machine: one guest in the caller's thread, started from a memory image and bounded by metering.
 *
 * Memory is bounded by the WebAssembly.Memory itself, time by `poll()`, which interpreter and native loops both ask.
 * Whatever unwinds through the engine, a limit, a trap or the end of V8's own stack, leaves its C state torn: the
 * machine is dead from then on, and its memory is never believed again.
 *
 * Nothing here touches files, clock or randomness: they are handed in (node.ts, session.ts).
 */
import { equalBytes } from '../../formats/bytes.js'
import { CofferError } from '../../formats/errors.js'
import { limitReached } from '../failures.js'
import type { Limits, Value } from '../guest.js'
import { WIRE, flattenHostError } from '../host-wire.js'
import {
  type Direct,
  HostRefusal,
  LATER,
  type Machine,
  type MachinePort,
  PROMISE,
  UNCALLED,
  UNTOLD
} from '../machine.js'
import type { FlatError } from '../protocol.js'
import { MalformedMessage, Reader, UnsupportedValue } from '../wire.js'
import {
  DRIVE,
  EVAL_MODULE,
  FUNCTION,
  MAILBOX_BYTES,
  MAX_DIRECT_ARGUMENTS,
  MAX_GUEST_STACK_BYTES,
  MAX_PAGES,
  TAG_OBJECT,
  PAGE_BYTES,
  SCRATCH,
  STACK_BYTES,
  STRIP_SOURCE,
  type Pointer
} from './abi.js'
import { decodeImage, decodeTitleImage, fittingState, type Image } from './image.js'
import { engineFailed, type Hooks, Instance } from './instance.js'
import { CLASS, TAG } from './layout.js'
import { Pristine } from './pristine.js'
import { COMPILED, linkedModule, Program } from './program.js'
import { UNCLEAR, ValueReader, ValueWriter, writePrimitive } from './values.js'

export interface QuickjsSource {
  /** The metered engine, as the build writes it. Not kept. */
  readonly wasm: Uint8Array
  /** The image made for exactly that wasm; the caller has compared the hash. Kept. */
  readonly image: Uint8Array
  readonly sha256: (bytes: Uint8Array) => Uint8Array
  /** A way to compile the wasm, where there is a faster one than V8's. */
  readonly compile?: (wasm: Uint8Array) => WebAssembly.Module
}

/** A machine as those see it who press titles. */
export interface PressingMachine extends Machine {
  /**
   * Compile an ES module and look up its imports; nothing of it runs, and which exports the modules have is not
   * asked. The machine is spent afterwards.
   *
   * @param modules - The modules that it may import are the keys.
   * @throws CofferError COFFER_PROGRAM_INVALID with line and column.
   */
  compile(source: Uint8Array, name: string, modules: ReadonlyMap<string, readonly string[]>): void
  /**
   * Memory as it is between two calls, with what is free in it overwritten.
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
}

/** Instances that serve guest after guest of one program. */
export interface Reuse {
  /** As the next guest is to find them. */
  readonly idle: Instance[]
  /** What guests start from: the engine's own image, or the program's once a guest was restored from it. */
  pristine?: Pristine | undefined
  /** The image that is in `pristine`, where that is a program. */
  restored?: Uint8Array | undefined
}

export interface QuickjsFactory {
  (port: MachinePort, limits: Limits, how?: { imaging?: Imaging; reuse?: Reuse }): PressingMachine
  /** SHA-256 of the base image, which names its wasm: what a title image belongs to. */
  baseHash(): Uint8Array
  /** Memory of a fresh guest. */
  baseMemory(): Uint8Array
}

/**
 * Compile the engine; once per process is enough.
 *
 * @throws CofferError COFFER_ENGINE_FAILED when its files are damaged.
 */
export function loadQuickjs(source: QuickjsSource): QuickjsFactory {
  const { wasm, compile = compileWasm } = source
  const image = decodeImage(source.image)
  let module: WebAssembly.Module
  try {
    module = compile(wasm)
  } catch (cause) {
    throw engineFailed('its wasm does not compile', cause)
  }
  const engine: Engine = { module, image, baseHash: lazily(() => source.sha256(source.image)) }
  return Object.assign(
    (port: MachinePort, limits: Limits, how = {}) => new QuickjsMachine(engine, port, limits, how),
    {
      baseHash: engine.baseHash,
      baseMemory() {
        const memory = new Uint8Array(image.fields.pages * PAGE_BYTES)
        for (const { offset, bytes } of image.parts) memory.set(bytes, offset)
        return memory
      }
    }
  )
}

const compileWasm = (wasm: Uint8Array): WebAssembly.Module =>
  new WebAssembly.Module(wasm as Uint8Array<ArrayBuffer>)

interface Engine {
  readonly module: WebAssembly.Module
  readonly image: Image
  readonly baseHash: () => Uint8Array
}

class QuickjsMachine implements PressingMachine, Direct {
  readonly direct = this
  private readonly engine: Engine
  private readonly image: Image
  private readonly port: MachinePort
  private readonly reuse: Reuse | undefined
  private readonly imaging: Imaging | undefined
  private readonly stackBytes: number
  private readonly limits: Limits
  private polls = 0
  /** Undefined once the guest has ended, in whatever way. */
  private instance: Instance | undefined
  private busy = false
  /** Something unwound through the engine: what its memory says is not to be believed. */
  private torn = false
  private askedClock = false
  private program: Program | undefined
  /** What the program may import. */
  private modules: ReadonlyMap<string, readonly string[]> = new Map()
  private readonly reader: ValueReader
  private readonly writer = new ValueWriter()
  /** Variables of the program's exports, by name: found when first called. */
  private readonly variables = new Map<string, Pointer>()
  private lastRequest = 0
  /** Values made for a call, to be let go of after it. */
  private readonly owned: Pointer[] = []
  /** Where what the last call came to waits to be told. */
  private untold: { readonly operation: number; readonly value: Pointer } | undefined

  constructor(
    engine: Engine,
    port: MachinePort,
    limits: Limits,
    { imaging, reuse }: { imaging?: Imaging; reuse?: Reuse }
  ) {
    this.engine = engine
    this.image = engine.image
    this.port = port
    this.limits = limits
    this.imaging = imaging
    this.reuse = reuse
    this.stackBytes = Math.min(limits.stackBytes, MAX_GUEST_STACK_BYTES)
    const { fields, parts } = engine.image
    const hooks: Hooks = {
      poll: () => this.poll(),
      call: (argument, toText) => this.answer(argument, toText),
      result: pair => this.result(pair),
      host: (index, self, count, args) => this.callHost(index, self, count, args),
      load: name => this.load(name),
      rejection: (pair, handled) => this.rejection(pair, handled),
      now: () => {
        this.askedClock = true
        return port.now()
      },
      outOfMemory: needed => limitReached('memoryBytes', limits, needed - this.ownShare)
    }
    const idle = reuse?.idle.pop()
    if (idle !== undefined) {
      idle.hooks = hooks
      this.instance = idle
    } else {
      // The image is the engine's share; what the guest allocates comes on top.
      const maxPages = Math.min(MAX_PAGES, fields.pages + Math.ceil(limits.memoryBytes / PAGE_BYTES))
      const pages = (reuse?.pristine?.lengthBytes ?? this.ownShare) / PAGE_BYTES
      this.instance = new Instance(engine.module, pages, maxPages, hooks)
      if (reuse?.pristine !== undefined) reuse.pristine.copyTo(this.instance)
      else for (const { offset, bytes } of parts) this.instance.bytes.set(bytes, offset)
      if (reuse !== undefined) reuse.pristine ??= new Pristine(this.instance, fields)
    }
    this.personalize(this.instance)
    this.reader = new ValueReader(this.instance, fields.names, limits)
  }

  /** What differs from guest to guest of one image. */
  private personalize(instance: Instance): void {
    const { randomState, runtime, stripFlags } = this.image.fields
    // Every guest would roll the same dice.
    instance.bytes.set(this.port.dice, randomState)
    instance.engine.QTS_RuntimeSetMaxStackSize(runtime, this.stackBytes)
    // That the interpreter asks is nothing an image decides.
    instance.engine.QTS_RuntimeEnableInterruptHandler(runtime)
    instance.bytes[stripFlags] = this.imaging?.strip === true ? STRIP_SOURCE : 0
  }

  evaluate(source: Uint8Array, name: string, modules: ReadonlyMap<string, readonly string[]>): void {
    this.run(instance => {
      const { context } = this.image.fields
      const value = this.start(instance, source, new Program(instance, source, name, modules, this.imaging))
      const error = instance.engine.QTS_ResolveException(context, value)
      if (error === 0) this.drive(DRIVE.started, value)
      else this.drive(DRIVE.failed, error)
      instance.engine.QTS_FreeValuePointer(context, error === 0 ? value : error)
      this.runJobs(instance)
    })
  }

  compile(source: Uint8Array, name: string, modules: ReadonlyMap<string, readonly string[]>): void {
    try {
      this.run(instance => {
        this.start(instance, source, new Program(instance, source, name, modules, { compileOnly: true }))
      })
    } catch (outcome) {
      if (outcome !== COMPILED) throw outcome
    }
  }

  restore(
    image: Uint8Array,
    modules: ReadonlyMap<string, readonly string[]>,
    constants: ReadonlyMap<string, Uint8Array>
  ): boolean {
    const { reuse } = this
    this.modules = modules
    if (reuse?.restored === image) return true
    const title = decodeTitleImage(image, this.engine.baseHash())
    const state = title && fittingState(title, modules, constants)
    if (title === undefined || state === undefined) return false
    this.run(instance => {
      instance.reach(title.pages * PAGE_BYTES)
      for (const { offset, bytes } of title.states[0]!.parts) instance.bytes.set(bytes, offset)
      if (state !== title.states[0])
        for (const { offset, bytes } of state.parts) instance.bytes.set(bytes, offset)
      if (reuse !== undefined) {
        reuse.pristine = new Pristine(instance, this.image.fields)
        reuse.restored = image
      }
      this.personalize(instance)
    })
    return true
  }

  freeze(): Uint8Array | undefined {
    let memory: Uint8Array | undefined
    this.run(instance => {
      const { randomState, heapEnd, stackTop, stripFlags } = this.image.fields
      const dice = instance.bytes.subarray(randomState, randomState + this.port.dice.length)
      if (this.askedClock || !equalBytes(dice, this.port.dice)) return
      instance.bytes[stripFlags] = 0
      instance.scrubHeap()
      instance.bytes.fill(0, stackTop - STACK_BYTES, stackTop)
      const end = instance.view.getUint32(heapEnd, true)
      memory = instance.bytes.slice(0, Math.ceil(end / PAGE_BYTES) * PAGE_BYTES)
    })
    return memory
  }

  /** @returns what the program's first run came to, as QTS_Eval tells it. */
  private start(instance: Instance, source: Uint8Array, program: Program): Pointer {
    if (this.program !== undefined) throw new Error('internal: a machine takes one program')
    this.program = program
    this.modules = program.modules
    const { context, undefinedPointer } = this.image.fields
    const { engine } = instance
    const label = instance.newText(program.name)
    this.drive(DRIVE.link, undefinedPointer)
    const value = engine.QTS_Eval(context, program.start, program.lengthBytes, label, 0, EVAL_MODULE)
    if (!program.begun) throw this.invalid(program, source, engine.QTS_ResolveException(context, value))
    engine.free(program.start)
    engine.free(label)
    return value
  }

  dispatch(message: Uint8Array): void {
    this.run(instance => {
      const { context } = this.image.fields
      const buffer = instance.newArrayBuffer(context, message)
      this.drive(DRIVE.receive, buffer)
      instance.engine.QTS_FreeValuePointer(context, buffer)
      this.runJobs(instance)
    })
  }

  /** What the guest's memory has grown by: 0 to the limit, like the limit without the engine's share. */
  memoryBytes(): number {
    if (this.instance === undefined) return 0
    const end = this.instance.view.getUint32(this.image.fields.heapEnd, true)
    return Math.max(Math.ceil(end / PAGE_BYTES) * PAGE_BYTES - this.ownShare, 0)
  }

  private get ownShare(): number {
    return this.image.fields.pages * PAGE_BYTES
  }

  destroy(): void {
    const instance = this.instance
    this.instance = undefined
    if (instance === undefined) return
    const { reuse } = this
    // What still runs in it would go on in the next guest's memory.
    if (reuse?.pristine !== undefined && !this.busy) {
      if (reuse.pristine.heal(instance, this.stackBytes, this.torn)) reuse.idle.push(instance)
      return
    }
    // The C stack is mostly memory that nobody ever touched, and to write there costs a page each: it is wiped as deep
    // as the guest may have gone, and from there on as long as anything is found.
    const { stackTop } = this.image.fields
    const { bytes } = instance
    bytes.fill(0, stackTop)
    const bottom = stackTop - STACK_BYTES
    let end = stackTop - this.stackBytes - PAGE_BYTES
    bytes.fill(0, end, stackTop)
    while (end > bottom) {
      const start = Math.max(bottom, end - PAGE_BYTES)
      if (!new Uint32Array(bytes.buffer, start, (end - start) / 4).some(word => word !== 0)) break
      bytes.fill(0, start, end)
      end -= PAGE_BYTES
    }
    bytes.fill(0, 0, bottom)
  }

  /** Everything that enters the engine does so through here. */
  private run(work: (instance: Instance) => void): void {
    if (this.busy) throw new Error('internal: the machine was called from inside itself')
    const instance = this.alive()
    this.busy = true
    try {
      work(instance)
    } catch (error) {
      this.torn = true
      this.busy = false
      this.destroy()
      throw translate(error)
    } finally {
      this.busy = false
    }
  }

  private poll(): void {
    this.port.poll()
    const instance = this.alive()
    // Counting walks a list: often enough when done now and then, and what hides between two counts costs memory.
    if (++this.polls % 64 !== 0) return
    const { pendingJobs } = this.limits
    const jobs = instance.listLength(this.image.fields.jobList, pendingJobs + 1)
    if (jobs > pendingJobs) throw limitReached('pendingJobs', this.limits, jobs)
  }

  /** Asked before each step back into the engine too: the port may have ended the guest meanwhile. */
  private alive(): Instance {
    if (this.instance !== undefined) return this.instance
    throw new CofferError('COFFER_GUEST_GONE', 'The guest has ended: it can be called no more.', {
      hint: 'Launch it again.'
    })
  }

  /**
   * Call the driver inside the guest (boot.ts) with a number and the JSValues at these places.
   *
   * @returns where its result stands until the next call; 0 when it failed, which takes a guest that is at the end of
   *   its stack.
   */
  private tryDrive(operation: number, ...values: Pointer[]): Pointer {
    const instance = this.alive()
    const { context } = this.image.fields
    const result = this.driveInto(instance, operation, values)
    const error = instance.engine.QTS_ResolveException(context, result)
    if (error === 0) return result
    instance.engine.QTS_FreeValuePointer(context, error)
    return 0
  }

  /** @returns where its result stands, which may be an exception. */
  private driveInto(instance: Instance, operation: number, values: readonly Pointer[]): Pointer {
    const { context, driver, scratch } = this.image.fields
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

  private drive(operation: number, ...values: Pointer[]): Pointer {
    const result = this.tryDrive(operation, ...values)
    if (result === 0) throw engineFailed('the SDK threw')
    return result
  }

  /** Drive with a number of a call or request in front of a value, then run what became due. */
  private driveFor(id: number, operation: number, value: Pointer): void {
    const instance = this.alive()
    const { scratch } = this.image.fields
    // Where the arguments of a call stand, which is over.
    const number = scratch + SCRATCH.arguments
    instance.words[number >> 2] = id
    instance.words[(number >> 2) + 1] = TAG.integer
    this.drive(operation, number, value)
    this.runJobs(instance)
  }

  /**
   * The driver calls: with a message of the SDK's, with text that is to become bytes or bytes that are to become text,
   * or with nothing when the program is about to begin.
   */
  private answer(argument: Pointer | undefined, toText: boolean): Pointer {
    const instance = this.alive()
    if (argument === undefined) {
      this.program?.begin(instance)
      return 0
    }
    const { context } = this.image.fields
    if (instance.tag(argument) !== TAG_OBJECT) return instance.encodeText(context, argument)
    const bytes = instance.typedArray(argument)
    if (toText) return instance.decodeText(context, bytes)
    const answer = this.port.receive(bytes)
    this.alive()
    return answer === undefined ? 0 : instance.newArrayBuffer(context, answer)
  }

  /** The engine asks for a module that it has not seen. */
  private load(name: string): string | undefined {
    const source = this.program?.linked(name) ?? this.linkedLate(name)
    if (source !== undefined) return source
    const instance = this.alive()
    const { context } = this.image.fields
    const text = instance.newText(name)
    const value = instance.engine.QTS_NewString(context, text)
    const error = this.tryDrive(DRIVE.refuse, value)
    // It keeps a reference of its own, and answers with a block that says so.
    instance.engine.free(instance.engine.QTS_Throw(context, error === 0 ? value : error))
    instance.engine.QTS_FreeValuePointer(context, value)
    if (error !== 0) instance.engine.freeInPlace(context, error)
    instance.engine.free(text)
    return undefined
  }

  /**
   * A granted module that the program did not import before it began, for its `import()`. Nothing of the program runs
   * between here and the module's last statement.
   */
  private linkedLate(name: string): string | undefined {
    const exports = this.modules.get(name)
    if (exports === undefined || this.program?.begun === false) return undefined
    // A program that has closed its global object to new names has closed this way too.
    if (this.tryDrive(DRIVE.link, this.image.fields.undefinedPointer) === 0) return undefined
    return `${linkedModule(name, exports)};__coffer.close()`
  }

  private rejection(pair: Pointer, handled: boolean): void {
    // At the end of its stack a guest loses this notice; it has an overflow to deal with.
    this.tryDrive(handled ? DRIVE.handled : DRIVE.rejected, pair, pair + 8)
  }

  // Calls without messages

  bind(names: readonly string[]): readonly string[] {
    let bound: string[] = []
    this.run(instance => {
      const { context, scratch } = this.image.fields
      const { engine } = instance
      bound = this.reader.read(this.drive(DRIVE.bound)) as string[]
      engine.freeInPlace(context, scratch + SCRATCH.driven)
      for (const name of names) {
        if (bound.includes(name)) continue
        const text = instance.newText(name.replace(/^.*\./, ''))
        const made = engine.QTS_NewFunction(context, text, 0, 0, FUNCTION.host + bound.length)
        const key = this.make(instance, name)
        this.drive(DRIVE.bind, made, key)
        for (const value of [made, key]) engine.QTS_FreeValuePointer(context, value)
        engine.free(text)
        bound.push(name)
      }
    })
    return bound
  }

  call(name: string, args: readonly unknown[]): Value | typeof PROMISE | typeof UNTOLD | typeof UNCALLED {
    const instance = this.enter()
    try {
      const { context, scratch, jobList } = this.image.fields
      const callee = args.length > MAX_DIRECT_ARGUMENTS ? 0 : this.callable(instance, name)
      if (callee === 0) return UNCALLED
      const values = scratch + SCRATCH.arguments
      for (let i = 0; i < args.length; i++) {
        if (!writePrimitive(instance, values + 8 * i, args[i])) this.pass(instance, values + 8 * i, args[i])
      }
      instance.engine.callInPlace(context, callee, args.length, values, scratch + SCRATCH.result)
      if (this.owned.length > 0) this.letGo(instance)
      const outcome = this.outcome(instance, scratch + SCRATCH.result)
      if (this.untold === undefined && instance.words[(jobList >> 2) + 1] !== jobList) this.runJobs(instance)
      return outcome
    } catch (error) {
      throw this.leave(instance, error)
    } finally {
      this.busy = false
    }
  }

  tell(id: number): void {
    const { operation, value } = this.untold!
    this.untold = undefined
    this.run(instance => {
      this.driveFor(id, operation, value)
      this.forget(instance, operation, value)
    })
  }

  drop(): void {
    const { operation, value } = this.untold!
    this.untold = undefined
    this.run(instance => {
      this.forget(instance, operation, value)
      this.runJobs(instance)
    })
  }

  resolve(id: number, value: unknown): void {
    this.settle(id, DRIVE.resolve, value)
  }

  reject(id: number, { name, message }: FlatError): void {
    this.settle(id, DRIVE.reject, [name, message])
  }

  private settle(id: number, operation: number, value: unknown): void {
    const instance = this.enter()
    try {
      const at = this.image.fields.scratch + SCRATCH.result
      if (!writePrimitive(instance, at, value)) this.pass(instance, at, value)
      this.driveFor(id, operation, at)
      this.letGo(instance)
    } catch (error) {
      throw this.leave(instance, error)
    } finally {
      this.busy = false
      this.writer.wipe()
    }
  }

  private enter(): Instance {
    if (this.busy) throw new Error('internal: the machine was called from inside itself')
    const instance = this.alive()
    this.busy = true
    return instance
  }

  /** What a caller is to be told. Anything but a value that cannot cross ends the guest. */
  private leave(instance: Instance, error: unknown): unknown {
    if (error instanceof UnsupportedValue && this.instance !== undefined) {
      this.letGo(instance)
      return error
    }
    this.torn = true
    this.busy = false
    this.destroy()
    return translate(error)
  }

  /** Where the export's value stands, if it is a function that can be called as it is; else 0. */
  private callable(instance: Instance, name: string): Pointer {
    let variable = this.variables.get(name)
    if (variable === undefined) {
      variable = this.reader.variable(this.drive(DRIVE.namespace), name)
      instance.engine.freeInPlace(this.image.fields.context, this.image.fields.scratch + SCRATCH.driven)
      if (variable === 0) return 0
      this.variables.set(name, variable)
    }
    return this.reader.callable(variable)
  }

  /** Make a value of the host's one of the guest's, at `at`, and note it as ours to let go of. */
  private pass(instance: Instance, at: Pointer, value: unknown): void {
    const made = this.make(instance, value)
    this.owned.push(made)
    instance.words[at >> 2] = instance.words[made >> 2]!
    instance.words[(at >> 2) + 1] = instance.words[(made >> 2) + 1]!
  }

  /** @returns a JSValue from malloc. */
  private make(instance: Instance, value: unknown): Pointer {
    const made = this.tryMake(instance, value)
    if (made === 0) throw engineFailed('it does not read what the host wrote')
    return made
  }

  /** @returns a JSValue from malloc; 0 with the engine's exception pending, which takes a guest at the end of its stack. */
  private tryMake(instance: Instance, value: unknown): Pointer {
    const { engine } = instance
    const { context, mailbox, mailboxValue } = this.image.fields
    if (value instanceof Uint8Array && value.length > MAILBOX_BYTES) {
      // Large bytes are copied once.
      const buffer = instance.newArrayBuffer(context, value)
      const array = this.driveInto(instance, DRIVE.bytes, [buffer])
      if (instance.isException(array)) {
        engine.QTS_FreeValuePointer(context, buffer)
        return 0
      }
      const { words } = instance
      // The block that held the buffer holds the array, and the buffer belongs to that.
      engine.freeInPlace(context, buffer)
      words[buffer >> 2] = words[array >> 2]!
      words[(buffer >> 2) + 1] = words[(array >> 2) + 1]!
      return buffer
    }
    const [head, body] = this.writer.write(value)
    const length = head.length + body.length
    let made: Pointer
    if (length <= MAILBOX_BYTES) {
      instance.bytes.set(head, mailbox)
      instance.bytes.set(body, mailbox + head.length)
      made = engine.QTS_bjson_decode(context, mailboxValue)
    } else {
      const start = instance.allocate(length)
      instance.bytes.set(head, start)
      instance.bytes.set(body, start + head.length)
      const buffer = engine.QTS_NewArrayBuffer(context, start, length)
      made = engine.QTS_bjson_decode(context, buffer)
      engine.QTS_FreeValuePointer(context, buffer)
    }
    if (!instance.isException(made)) return made
    engine.free(made)
    return 0
  }

  private letGo(instance: Instance): void {
    for (let made = this.owned.pop(); made !== undefined; made = this.owned.pop())
      instance.engine.QTS_FreeValuePointer(this.image.fields.context, made)
  }

  /** What a call came to, read; or noted as untold. */
  private outcome(instance: Instance, at: Pointer): Value | typeof PROMISE | typeof UNTOLD {
    const { context } = this.image.fields
    const tag = instance.words[(at >> 2) + 1]! | 0
    if (tag === TAG.exception) {
      this.untold = { operation: DRIVE.threw, value: instance.engine.QTS_ResolveException(context, at) }
      return UNTOLD
    }
    try {
      const value = this.reader.read(at)
      if (tag < TAG.integer && tag >= TAG.first) instance.engine.freeInPlace(context, at)
      return value
    } catch (reason) {
      if (reason !== UNCLEAR) throw reason
    }
    this.untold = { operation: DRIVE.answer, value: at }
    return tag === TAG.object && instance.objectClass(at) === CLASS.promise ? PROMISE : UNTOLD
  }

  private forget(instance: Instance, operation: number, value: Pointer): void {
    const { context } = this.image.fields
    if (operation === DRIVE.threw) instance.engine.QTS_FreeValuePointer(context, value)
    else instance.engine.freeInPlace(context, value)
  }

  private result(pair: Pointer): boolean {
    const instance = this.alive()
    try {
      const value = this.reader.read(pair + 8)
      this.port.result(instance.words[pair >> 2]!, value)
    } catch (reason) {
      if (reason !== UNCLEAR) throw reason
      return false
    }
    this.alive()
    return true
  }

  private callHost(index: number, self: Pointer, count: number, at: Pointer): Pointer {
    const instance = this.alive()
    const { context } = this.image.fields
    let args: Value[]
    try {
      args = this.reader.readList(at, count)
    } catch (reason) {
      if (reason !== UNCLEAR) throw reason
      // Its own words say what cannot cross.
      const encoded = this.encode(instance, at, count)
      if (encoded === undefined) return pending(instance, self)
      args = encoded
    }
    try {
      const id = (this.lastRequest = (this.lastRequest + 1) & 0x7fffffff)
      const answer = this.port.callHost(index, id, args)
      this.alive()
      if (answer === LATER) return this.expect(instance, id, self)
      if (writePrimitive(instance, self, answer)) return self
      return this.tryMake(instance, answer) || pending(instance, self)
    } catch (error) {
      const refusal = error instanceof UnsupportedValue ? new HostRefusal(flattenHostError(error)) : error
      if (!(refusal instanceof HostRefusal)) throw error
      const fields = this.tryMake(this.alive(), [refusal.error.name, refusal.error.message])
      if (fields === 0) return pending(instance, self)
      const made = this.driveInto(instance, DRIVE.error, [fields])
      if (instance.isException(made)) {
        instance.engine.QTS_FreeValuePointer(context, fields)
        return pending(instance, self)
      }
      const thrown = instance.engine.QTS_Throw(context, made)
      instance.engine.freeInPlace(context, made)
      instance.engine.QTS_FreeValuePointer(context, fields)
      return thrown
    }
  }

  /** Answer with the promise of a request. A guest at the end of its stack has none, and is told so by the engine. */
  private expect(instance: Instance, id: number, self: Pointer): Pointer {
    const number = this.image.fields.scratch + SCRATCH.arguments
    instance.words[number >> 2] = id
    instance.words[(number >> 2) + 1] = TAG.integer
    const promise = this.driveInto(instance, DRIVE.expect, [number])
    if (instance.isException(promise)) return pending(instance, self)
    instance.words[self >> 2] = instance.words[promise >> 2]!
    instance.words[(self >> 2) + 1] = instance.words[(promise >> 2) + 1]!
    return self
  }

  /** Values that the host does not read, by way of the SDK's encoder; undefined when it threw. */
  private encode(instance: Instance, at: Pointer, count: number): Value[] | undefined {
    const { context } = this.image.fields
    const values = Array.from({ length: count }, (_, i) => at + 8 * i)
    const result = this.driveInto(instance, DRIVE.encode, values)
    if (instance.isException(result)) return undefined
    const reader = new Reader(instance.typedArray(result).slice(1), WIRE)
    instance.engine.freeInPlace(context, result)
    try {
      return reader.list()
    } catch (error) {
      throw error instanceof MalformedMessage ? engineFailed(error.message) : error
    }
  }

  /** Run what is due. A job that throws has rejected its own promise already. */
  private runJobs(instance: Instance): void {
    const { runtime, context, scratch } = this.image.fields
    while (instance.engine.QTS_IsJobPending(runtime) !== 0) {
      this.poll()
      const result = instance.engine.QTS_ExecutePendingJob(runtime, 1, scratch)
      instance.engine.QTS_FreeValuePointer(context, result)
    }
  }

  /** What is wrong with a program that did not begin. `error` is what the engine threw. */
  private invalid(program: Program, source: Uint8Array, error: Pointer): CofferError {
    const instance = this.alive()
    const { refused } = program
    if (refused !== undefined) {
      return new CofferError(
        'COFFER_PROGRAM_INVALID',
        `Cannot link the program: it imports '${brief(refused)}', which it was not granted.`,
        {
          hint: "Bundle it with the program, or ask for it under the manifest's permissions if it is a coffer: module."
        }
      )
    }
    const description = this.drive(DRIVE.describe, error)
    const text = instance.text(instance.engine.QTS_GetString(this.image.fields.context, description))
    const [line, column, message] = /^(\d+|undefined) (\d+|undefined) (.*)$/s.exec(text)?.slice(1) ?? []
    const told = message === undefined ? 'it is not a module' : brief(withoutNames(message))
    if (line === undefined || line === 'undefined') {
      return new CofferError('COFFER_PROGRAM_INVALID', `Cannot link the program: ${told}.`)
    }
    const lines = source.reduce((count, byte) => (byte === 10 ? count + 1 : count), 1)
    const beyond = Number(line) > lines
    const what = beyond && /^(expecting|unexpected)/.test(told) ? 'the program ends too early' : told
    const where = beyond ? `at the end of line ${lines}` : `line ${line}, column ${column}`
    return new CofferError('COFFER_PROGRAM_INVALID', `Cannot compile the program: ${where}: ${what}.`)
  }
}

/** Answer a call of the host's by the engine's pending exception. */
function pending(instance: Instance, self: Pointer): Pointer {
  instance.words[(self >> 2) + 1] = TAG.exception
  return self
}

const lazily = <T>(make: () => T): (() => T) => {
  let made: T | undefined
  return () => (made ??= make())
}

/** The engine quotes what it stumbles over. Punctuation and missing exports may be told; a title's words stay in it. */
const withoutNames = (message: string): string =>
  message.startsWith('Could not find export') ? message : message.replace(/:? '[^']{3,}'?/g, '').trimEnd()

/** A program's own text in a message: one line of it, and not without end. */
const brief = (text: string): string => {
  const line = text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, '?')
  return line.length > 200 ? `${line.slice(0, 200)}...` : line
}

/** What came out of the engine, as an error of ours. What the port threw passes as it is. */
function translate(error: unknown): unknown {
  if (error instanceof WebAssembly.RuntimeError) return engineFailed('its code trapped', error)
  if (error instanceof RangeError && /call stack/.test(error.message)) {
    return engineFailed('the native stack is used up', error)
  }
  return error
}
