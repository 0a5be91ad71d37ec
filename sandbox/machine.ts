/**
 * What an engine is to the rest of the sandbox: a place that evaluates one program and passes byte messages to and
 * from the SDK that runs inside it (sandbox/guest). Everything above bytes, such as calls, timers, console and
 * capabilities, is the protocol between the SDK and the session (sandbox/session.ts), the same for both engines.
 */
import type { Limits, Value } from './guest.js'
import type { FlatError } from './protocol.js'

/** What an engine asks of its session while guest code runs. All synchronous. */
export interface MachinePort {
  /**
   * A message from the SDK, such as "print" or "call host function 3".
   *
   * @param message - Valid during the call only; copied by whoever keeps it.
   * @returns The answer to hand to the SDK; undefined for none.
   */
  receive(message: Uint8Array): Uint8Array | undefined
  /**
   * Asked again and again while guest code runs, native loops included, at least every few milliseconds.
   *
   * @throws CofferError COFFER_LIMIT_CPU and the like, to end the guest where it stands.
   */
  poll(): void
  /** Milliseconds since 1970, as the guest is to see them. */
  now(): number
  /** What the guest's Math.random starts from: 8 bytes, not all zero. */
  readonly dice: Uint8Array
  /** A call under this number came to this value (engines with {@link Direct} calls). */
  result(id: number, value: Value): void
  /**
   * A granted function was called without a message.
   *
   * @param index - Its place among those that are bound.
   * @param id - Under which to answer later.
   * @returns what the guest gets at once, or LATER for a promise.
   * @throws HostRefusal for what the guest is to see; everything else ends the guest.
   */
  callHost(index: number, id: number, args: Value[]): unknown
}

/** The answer to a call of the host comes by `resolve` or `reject`. */
export const LATER = Symbol('later')

/** What a function of the host's threw, for the guest. */
export class HostRefusal {
  readonly error: FlatError

  constructor(error: FlatError) {
    this.error = error
  }
}

/** A call came to what only the SDK can tell of: a promise; an error, or a value that the host does not read. */
export const PROMISE = Symbol('promise')
export const UNTOLD = Symbol('untold')
/** Nothing was called: only a message can do it, or say what is wrong. */
export const UNCALLED = Symbol('uncalled')

/** Calls without messages, in an engine whose values the host can read and write. */
export interface Direct {
  /**
   * Give the guest these functions of the host's, by module and name, beyond those that it has from its image. Before
   * the message `begin`, by which it learns what it may use.
   *
   * @returns all that it has, in the order of their numbers.
   */
  bind(names: readonly string[]): readonly string[]
  /**
   * Call an export, and run all jobs that are due, unless the result is PROMISE or UNTOLD: then one of the next two
   * methods must follow.
   *
   * @throws UnsupportedValue for arguments that cannot cross; the guest knows nothing of it.
   */
  call(name: string, args: readonly unknown[]): Value | typeof PROMISE | typeof UNTOLD | typeof UNCALLED
  /** Let the SDK tell under this number what the last call came to. */
  tell(id: number): void
  /** Forget what the last call came to. */
  drop(): void
  /** Answer a request. @throws UnsupportedValue, with nothing answered. */
  resolve(id: number, value: unknown): void
  reject(id: number, error: FlatError): void
}

/** What a program is linked with, and what it is told before it begins. */
export interface Grounds {
  /** What it may import, as for {@link Machine.evaluate}. */
  modules(): ReadonlyMap<string, readonly string[]>
  /** What exports of those modules are that are no functions, as bytes. */
  constants(): ReadonlyMap<string, Uint8Array>
  /** For {@link Direct.bind}. */
  readonly functions: readonly string[]
  /** The message by which the SDK learns of all this. Valid during the call only. */
  readonly begin: Uint8Array
}

/** One guest's engine in this thread. After any method has thrown a CofferError the machine is dead. */
export interface Machine {
  /**
   * Evaluate an ES module and hand its namespace to the SDK.
   *
   * @param source - UTF-8. Copied; the copy is wiped once compiled. The caller wipes its own.
   * @param modules - Each granted `coffer:` module with the names that it exports.
   * @throws CofferError COFFER_PROGRAM_INVALID with line and column for what does not compile or link, and
   *   COFFER_LIMIT_*. What the program throws while it starts arrives as a protocol message.
   */
  evaluate(source: Uint8Array, name: string, modules: ReadonlyMap<string, readonly string[]>): void
  /**
   * In place of `bind`, `begin` and `evaluate`: have the program as it was once it had started, out of an image of that
   * moment, and tell its SDK what has changed since.
   *
   * @param image - Of a verified title. Copied; the caller wipes its own.
   * @param grounds - What is granted now.
   * @returns false where the image does not fit, since it was made for another build of the engine or linked otherwise:
   *   nothing was told then.
   * @throws CofferError COFFER_PACKAGE_DAMAGED, COFFER_LIMIT_*.
   */
  restore?(image: Uint8Array, grounds: Grounds): boolean
  /** Hand a message to the SDK and run all jobs that are due. */
  dispatch(message: Uint8Array): void
  /**
   * For an engine whose jobs run by themselves once its caller has returned: call back when none is due any more.
   * Absent: `evaluate` and `dispatch` have run them all.
   */
  whenIdle?(resume: () => void): void
  /** Absent in an engine whose values are out of the host's reach. */
  readonly direct?: Direct
  /** Bytes the guest occupies now. */
  memoryBytes(): number
  /**
   * Overwrite the guest's memory and let go of it. Idempotent, and allowed in any state.
   *
   * @param inGoodOrder - Its host had no more need of it, and nothing else was wrong: another guest may have the memory.
   */
  destroy(inGoodOrder?: boolean): void
}

/** Make a machine. Engines with files to load (wasm, image) load them once per process. */
export type MachineFactory = (port: MachinePort, limits: Limits) => Machine
