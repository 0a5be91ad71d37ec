/** Compile the engine, and make machines of it. */
import { decodeImage } from './image.js'
import { engineFailed } from './instance.js'
import type { Limits } from '../guest.js'
import type { MachinePort } from '../machine.js'
import { PAGE_BYTES, STACK_BYTES, type Pointer } from './abi.js'
import {
  type EngineParts,
  type Imaging,
  maxPages,
  newInstance,
  type PressingMachine,
  QuickjsMachine,
  type Reuse
} from './machine.js'
import { Kept } from './kept.js'
import { Pristine } from './pristine.js'

export interface QuickjsSource {
  /** The metered engine, as the build writes it. Not kept. */
  readonly wasm: Uint8Array
  /** The image made for exactly that wasm; the caller has compared the hash. Kept. */
  readonly image: Uint8Array
  readonly sha256: (bytes: Uint8Array) => Uint8Array
  /** A way to compile the wasm, where there is a faster one than V8's. */
  readonly compile?: (wasm: Uint8Array) => WebAssembly.Module
  /** How long an instance waits for the next guest. */
  readonly keptMs?: number
}

export interface QuickjsFactory {
  (port: MachinePort, limits: Limits, how?: { imaging?: Imaging; reuse?: Reuse }): PressingMachine
  /** SHA-256 of the base image, which names its wasm: what a title image belongs to. */
  baseHash(): Uint8Array
  /** Have an instance wait for the next guest where none does. */
  spare(limits: Limits, reuse: Reuse): void
  /** Memory of a fresh guest. */
  baseMemory(): Uint8Array
  /** Where the stack begins, growing down by STACK_BYTES at most. */
  readonly stackTop: Pointer
  /** Overwrite what a machine froze; its stack is empty. */
  wipe(memory: Uint8Array): void
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
  const { fields, parts } = image
  const base = new Pristine(fields, fields.pages * PAGE_BYTES, parts)
  const engine: EngineParts = {
    module,
    fields,
    base,
    kept: new Kept(base, fields, source.keptMs),
    baseHash: lazily(() => source.sha256(source.image))
  }
  return Object.assign(
    (port: MachinePort, limits: Limits, how = {}) => new QuickjsMachine(engine, port, limits, how),
    {
      baseHash: engine.baseHash,
      spare(limits: Limits, { idle, begun }: Reuse) {
        if (idle.length === 0) idle.push(newInstance(engine, maxPages(fields, limits), begun?.pristine))
      },
      baseMemory() {
        const memory = new Uint8Array(base.lengthBytes)
        base.copyTo(memory)
        return memory
      },
      stackTop: fields.stackTop,
      wipe(memory: Uint8Array) {
        const { stackTop } = fields
        memory.fill(0, 0, stackTop - STACK_BYTES).fill(0, stackTop)
      }
    }
  )
}

const compileWasm = (wasm: Uint8Array): WebAssembly.Module =>
  new WebAssembly.Module(wasm as Uint8Array<ArrayBuffer>)

const lazily = <T>(make: () => T): (() => T) => {
  let made: T | undefined
  return () => (made ??= make())
}
