/**
 * The QuickJS machine: one guest in the caller's thread, started from a memory image and bounded by metering.
 *
 * Memory is bounded by the WebAssembly.Memory itself, time by `poll()`, which interpreter and native loops both ask.
 * Whatever unwinds through the engine, a limit, a trap or V8's own stack limit, leaves its C state torn: the
 * machine is dead from then on, and its memory is never read again.
 *
 * This file and what it imports touch no file, clock or randomness: they are handed in.
 */
import { CofferError } from '../../formats/errors.js'
import type { Limits } from '../guest.js'
import type { Machine, MachinePort } from '../machine.js'
import { DRIVE, EVAL_COMPILE_ONLY, EVAL_MODULE, MAX_PAGES, PAGE_BYTES, type Pointer } from './abi.js'
import { decodeImage, type Image } from './image.js'
import { engineFailed, Instance } from './instance.js'

export interface QuickjsSource {
  /** The metered engine, as the build writes it. Not kept. */
  readonly wasm: Uint8Array
  /** The image made for exactly that wasm; the caller has compared the hash. Kept. */
  readonly image: Uint8Array
  /** Fresh random bytes, for the guest's Math.random. */
  readonly randomBytes: (length: number) => Uint8Array
  /** Milliseconds since 1970, for the guest's Date. */
  readonly now: () => number
}

/** A machine that can also compile a program without running it: for those who press titles. */
export interface CompilingMachine extends Machine {
  /**
   * Compile an ES module and resolve its imports; nothing of it runs. The machine is spent afterwards.
   *
   * @param modules - Names of the modules that it may import.
   * @throws CofferError COFFER_PROGRAM_INVALID with line and column.
   */
  compile(source: Uint8Array, name: string, modules: ReadonlyMap<string, readonly string[]>): void
}

export type QuickjsFactory = (port: MachinePort, limits: Limits) => CompilingMachine

/**
 * Compile the engine, once per process.
 *
 * @throws CofferError COFFER_ENGINE_FAILED when its files are damaged.
 */
export function loadQuickjs(source: QuickjsSource): QuickjsFactory {
  const image = decodeImage(source.image)
  let module: WebAssembly.Module
  try {
    module = new WebAssembly.Module(source.wasm as Uint8Array<ArrayBuffer>)
  } catch (cause) {
    throw engineFailed('its wasm does not compile', cause)
  }
  return (port, limits) => new QuickjsMachine(module, image, source, port, limits)
}

/** Imported at the end of every program, so it runs before it; the guest cannot name it. */
const BEGIN = 'coffer:begin'

class QuickjsMachine implements CompilingMachine {
  private readonly image: Image
  private readonly port: MachinePort
  private instance: Instance | undefined
  private busy = false
  private granted: ReadonlyMap<string, readonly string[]> = new Map()
  /** Copy of the program in the engine's memory, until it is compiled. */
  private sourceStart: Pointer = 0
  private sourceLength = 0
  private name = ''
  private refusedImport: string | undefined

  constructor(
    module: WebAssembly.Module,
    image: Image,
    source: QuickjsSource,
    port: MachinePort,
    limits: Limits
  ) {
    this.image = image
    this.port = port
    const { fields, parts } = image
    const maxPages = Math.min(MAX_PAGES, fields.pages + Math.ceil(limits.memoryBytes / PAGE_BYTES))
    const instance = new Instance(module, fields.pages, maxPages, {
      poll: () => this.poll(),
      call: (_id, argument) => this.call(argument),
      load: name => this.load(name),
      now: source.now
    })
    for (const { offset, bytes } of parts) instance.bytes.set(bytes, offset)
    // Every guest from one image would roll the same dice. Zero is the one state the generator never leaves.
    const random = source.randomBytes(8)
    random[0]! |= 1
    instance.bytes.set(random, fields.randomState)
    instance.undefinedPointer = fields.undefinedPointer
    instance.engine.QTS_RuntimeSetMaxStackSize(fields.runtime, limits.stackBytes)
    this.instance = instance
  }

  evaluate(source: Uint8Array, name: string, modules: ReadonlyMap<string, readonly string[]>): void {
    this.granted = modules
    this.name = name
    this.run(instance => {
      const { context } = this.image.fields
      const suffix = encoder.encode(`\nimport ${JSON.stringify(BEGIN)}`)
      this.sourceLength = source.length
      this.sourceStart = instance.allocate(source.length + suffix.length + 1)
      instance.bytes.set(source, this.sourceStart)
      instance.bytes.set(suffix, this.sourceStart + source.length)
      instance.bytes[this.sourceStart + source.length + suffix.length] = 0
      const label = instance.newText(name)
      this.drive(DRIVE.link, this.image.fields.undefinedPointer)
      const value = instance.engine.QTS_Eval(
        context,
        this.sourceStart,
        source.length + suffix.length,
        label,
        0,
        EVAL_MODULE
      )
      const begun = this.sourceStart === 0
      instance.engine.free(label)
      if (!instance.isException(value)) this.drive(DRIVE.started, value)
      else {
        const error = instance.engine.QTS_ResolveException(context, value)
        if (!begun) throw this.invalidProgram(error)
        this.drive(DRIVE.failed, error)
        instance.engine.QTS_FreeValuePointer(context, error)
      }
      instance.engine.QTS_FreeValuePointer(context, value)
      this.runJobs(instance)
    })
  }

  compile(source: Uint8Array, name: string, modules: ReadonlyMap<string, readonly string[]>): void {
    this.granted = modules
    this.name = name
    this.run(instance => {
      const { context } = this.image.fields
      this.sourceLength = source.length
      this.sourceStart = instance.allocate(source.length + 1)
      instance.bytes.set(source, this.sourceStart)
      instance.bytes[this.sourceStart + source.length] = 0
      const label = instance.newText(name)
      const flags = EVAL_MODULE | EVAL_COMPILE_ONLY
      const value = instance.engine.QTS_Eval(context, this.sourceStart, source.length, label, 0, flags)
      if (instance.isException(value)) throw this.invalidProgram(instance.engine.QTS_ResolveException(context, value))
    })
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

  memoryBytes(): number {
    if (this.instance === undefined) return 0
    return this.instance.memory.buffer.byteLength - this.image.fields.pages * PAGE_BYTES
  }

  destroy(): void {
    this.instance?.bytes.fill(0)
    this.instance = undefined
  }

  /** Everything that enters the engine does so through here. */
  private run(work: (instance: Instance) => void): void {
    const instance = this.instance
    if (instance === undefined) {
      throw new CofferError('COFFER_GUEST_GONE', 'The guest has ended: it can be called no more.', {
        hint: 'Launch it again.'
      })
    }
    if (this.busy) throw new Error('internal: the machine was called from inside itself')
    this.busy = true
    try {
      work(instance)
    } catch (error) {
      this.destroy()
      throw translate(error)
    } finally {
      this.busy = false
    }
  }

  private poll(): void {
    this.port.poll()
    this.checkAlive()
  }

  /** The port may have ended the machine while the engine's frames are still on the stack: do not go back to them. */
  private checkAlive(): Instance {
    if (this.instance === undefined) {
      throw new CofferError('COFFER_GUEST_GONE', 'The guest was ended while it ran.')
    }
    return this.instance
  }

  /** Call the driver. What it throws is a fault of the SDK: guest code it runs cannot throw through it. */
  private drive(operation: number, value: Pointer): Pointer {
    const instance = this.checkAlive()
    const { context, driver, undefinedPointer, scratch } = this.image.fields
    const { view, engine } = instance
    // An integer's JSValue: its value below, a tag of zero above.
    view.setUint32(scratch + 8, operation, true)
    view.setUint32(scratch + 12, 0, true)
    view.setUint32(scratch, scratch + 8, true)
    view.setUint32(scratch + 4, value, true)
    const result = engine.QTS_Call(context, driver, undefinedPointer, 2, scratch)
    if (!instance.isException(result)) return result
    throw engineFailed('the SDK threw')
  }

  /** The guest's side calls: with a message, or with nothing when a program is about to begin. */
  private call(argument: Pointer): Pointer {
    const instance = this.checkAlive()
    const { context, typedArrayClass, undefinedPointer } = this.image.fields
    if (argument === undefinedPointer) {
      instance.bytes.fill(0, this.sourceStart, this.sourceStart + this.sourceLength)
      this.sourceStart = 0
      return 0
    }
    const answer = this.port.receive(instance.typedArray(argument, typedArrayClass))
    this.checkAlive()
    return answer === undefined ? 0 : instance.newArrayBuffer(context, answer)
  }

  /** Source of a module that is being linked. */
  private load(name: string): string | undefined {
    const exports = this.granted.get(name)
    if (name === BEGIN && this.sourceStart !== 0) return this.beginModule()
    if (exports !== undefined && this.sourceStart !== 0) return linkedModule(name, exports)
    this.refusedImport ??= name
    const instance = this.checkAlive()
    const { context } = this.image.fields
    const text = instance.newText(name)
    const value = instance.engine.QTS_NewString(context, text)
    instance.engine.QTS_Throw(context, this.drive(DRIVE.refuse, value))
    return undefined
  }

  /** Loads every granted module, so that a later `import()` finds them, and then lets the program begin. */
  private beginModule(): string {
    const imports = [...this.granted.keys()].map(name => `import ${JSON.stringify(name)};`)
    return `${imports.join('')}import * as n from ${JSON.stringify(this.name)};__coffer.begin(n)`
  }

  /** Run what is due. A job that throws has rejected its own promise already; the SDK hears of that. */
  private runJobs(instance: Instance): void {
    const { runtime, context, scratch } = this.image.fields
    while (instance.engine.QTS_IsJobPending(runtime) !== 0) {
      this.poll()
      const result = instance.engine.QTS_ExecutePendingJob(runtime, 1, scratch)
      instance.engine.QTS_FreeValuePointer(context, result)
    }
  }

  private invalidProgram(error: Pointer): CofferError {
    const instance = this.checkAlive()
    if (this.refusedImport !== undefined) {
      return new CofferError(
        'COFFER_PROGRAM_INVALID',
        `The program imports '${this.refusedImport}', which it may not.`
      )
    }
    const text = this.drive(DRIVE.describe, error)
    const pointer = instance.engine.QTS_GetString(this.image.fields.context, text)
    const [line, column, ...message] = instance.text(pointer).split(' ')
    return new CofferError('COFFER_PROGRAM_INVALID', `${line} ${column} ${message.join(' ')}`)
  }
}

const encoder = new TextEncoder()

/** A module whose exports are those that the SDK made for it. */
function linkedModule(name: string, exports: readonly string[]): string {
  const short = JSON.stringify(name.replace(/^coffer:/, ''))
  const constants = exports.map((key, i) => `const x${i}=m[${JSON.stringify(key)}];`)
  const list = exports.map((key, i) => `x${i} as ${JSON.stringify(key)}`)
  return `const m=__coffer.modules[${short}];${constants.join('')}export{${list.join()}}`
}

/** What came out of the engine, as one of our errors. What the port threw, other than those, is the host's own. */
function translate(error: unknown): unknown {
  if (error instanceof WebAssembly.RuntimeError) return engineFailed('its code trapped', error)
  if (error instanceof RangeError) return engineFailed('the native stack is used up', error)
  return error
}
