/**
 * The one interface behind which both engines stand. It knows bytes, calls and limits; licenses are the loader's.
 *
 * @see docs/spec.md §7
 */

import type { CofferError, LimitUse } from '../formats/errors.js'
import type { GuestStream, Outcome } from './stream.js'
import type { Value } from './value.js'

export type { Value } from './value.js'

export type Engine = 'quickjs' | 'ses'

/**
 * Where a QuickJS guest runs. `inline`: in the caller's thread, bounded by metering; calls are fastest, and a call
 * keeps the thread until it ends or reaches its limit. `thread`: in a worker, so that the caller is never kept
 * waiting. A SES guest always has a process of its own and ignores this.
 */
export type Isolation = 'inline' | 'thread'

/**
 * Hard bounds of a guest. Time limits count per call from the host (starting the title counts as one call), all the
 * jobs and timers that run until its result settles included; a title started by `run` is one call, so there they
 * bound the whole run. What runs while no call waits, such as a timer left over, counts together until the next call.
 * Memory and output count for the guest's whole life.
 */
export interface Limits {
  /** Memory of the guest with everything it allocates. Past it: COFFER_LIMIT_MEMORY. */
  readonly memoryBytes: number
  /**
   * Time spent computing: milliseconds on the wall while the guest has the thread, the host's own functions left out. Past
   * it: COFFER_LIMIT_CPU.
   */
  readonly cpuMs: number
  /** Time on the wall, waiting included. Past it: COFFER_LIMIT_WALL. Infinity: none. */
  readonly wallMs: number
  /** Native stack of the engine. Past it the guest itself sees a RangeError or InternalError. */
  readonly stackBytes: number
  /** Bytes written by console and `coffer:terminal` together. Past it: COFFER_LIMIT_OUTPUT. */
  readonly outputBytes: number
  /** Jobs, timers and requests to the host waiting at one time. Past it: COFFER_LIMIT_JOBS. */
  readonly pendingJobs: number
  /** Calls of the host's functions, counted as time is. Past it: COFFER_LIMIT_CALLS. */
  readonly hostCalls: number
  /**
   * Size of one value on its way out: a result, or the arguments of a host function. A result past it rejects its
   * call with COFFER_LIMIT_VALUE, arguments past it throw a TypeError in the guest; the guest lives on.
   */
  readonly valueBytes: number
  /** The same for the values in it, itself and the keys of objects included. Bytes and text count as one. */
  readonly valueItems: number
  /** The same for how deep arrays and objects may nest. */
  readonly valueDepth: number
}

export const DEFAULT_LIMITS: Limits = {
  memoryBytes: 64 * 1024 * 1024,
  cpuMs: 10_000,
  wallMs: Infinity,
  stackBytes: 448 * 1024,
  outputBytes: 64 * 1024 * 1024,
  pendingJobs: 100_000,
  hostCalls: 1_000_000,
  valueBytes: 32 * 1024 * 1024,
  valueItems: 200_000,
  valueDepth: 64
}

export const DEFAULT_SOFT_SHARE = 0.8

/** A key press, as `coffer:terminal` hands it to a title. */
export interface Key {
  /** 'a', 'A', '1', 'space', 'enter', 'escape', 'tab', 'backspace', 'delete', 'up', 'down', 'left', 'right', 'home',
   * 'end', 'pageup', 'pagedown', 'insert', 'f1' to 'f12'. */
  readonly name: string
  /** What the key would type; '' for keys that type nothing. */
  readonly text: string
  readonly ctrl: boolean
  readonly alt: boolean
  readonly shift: boolean
}

/** What the host offers behind `coffer:terminal`. Every method may be called at any time; order is kept. */
export interface TerminalHost {
  readonly interactive: boolean
  size(): { columns: number; rows: number }
  /** Text is written as it is, escape sequences included. */
  write(text: string): void
  /** The next key; null when input has ended. */
  readKey(): Promise<Key | null>
}

/** What the host offers behind `coffer:assets`. Paths use '/', have no leading one, and are compared exactly. */
export interface AssetSource {
  list(): readonly { readonly path: string; readonly sizeBytes: number }[]
  /**
   * Fresh bytes, which the sandbox copies and wipes.
   *
   * @param range - A part of it, within its size. Absent: all of it.
   * @throws CofferError COFFER_FILE_MISSING
   */
  read(path: string, range?: AssetRange): Uint8Array | Promise<Uint8Array>
}

export interface AssetRange {
  readonly offsetBytes: number
  readonly lengthBytes: number
}

/** One slot's new contents; undefined removes it. */
export interface SaveChange {
  readonly slot: string
  readonly bytes: Uint8Array | undefined
}

/** What the host offers behind `coffer:save`. Slots are named by `[A-Za-z0-9._-]{1,64}`, checked by the sandbox. */
export interface SaveStore {
  list(): readonly string[] | Promise<readonly string[]>
  read(slot: string): Uint8Array | undefined | Promise<Uint8Array | undefined>
  /**
   * Make all of these changes or none. Resolves when they would survive a pulled plug.
   *
   * @param basis - The revision that they were decided on. Absent: whatever is there.
   * @throws CofferError COFFER_BUSY when there is a newer revision than `basis`, COFFER_SAVE_QUOTA.
   */
  commit(changes: readonly SaveChange[], basis?: number): void | Promise<void>
  /** A number that each commit changes, whoever made it. */
  revision(): number | Promise<number>
}

/** What `coffer:license` tells a title: values, fixed when it starts. */
export interface LicenseTerms {
  readonly kind: 'perpetual' | 'expiring' | 'trial' | 'lease'
  /** What was bought beyond the title itself. */
  readonly features: readonly string[]
  /** Milliseconds since 1970; null: never. */
  readonly expires: number | null
}

/** What the host lets a guest reach behind `coffer:net`. */
export interface NetGrant {
  /**
   * Hosts: `api.example.org`, `api.example.org:8443`, `*.example.org` for any name below it. https, unless `http://`
   * stands in front. An IP address names itself, a private one too.
   */
  readonly allow: readonly string[]
  /**
   * Where a name may lead beside the public internet: addresses and ranges such as `127.0.0.1`, `10.0.0.0/8`, `::1`.
   * Default: nowhere.
   */
  readonly addresses?: readonly string[]
  /** Bytes of one body sent. Default 16 MiB. */
  readonly maxRequestBytes?: number
  /** Bytes of one body received, decompressed. Default 64 MiB. */
  readonly maxResponseBytes?: number
  /** From asking to the last byte of the answer. Default 60 000. */
  readonly timeoutMs?: number
  /** Requests at one time, answers that are not read to their end included. Default 16. */
  readonly maxRequests?: number
  /** Addresses of a name. Default: the system's. */
  readonly resolve?: (host: string) => Promise<readonly string[]>
  /** PEM of the certificates to trust instead of Node's. */
  readonly ca?: string
}

/** A request as the guest describes it. Anything may be in it. */
export interface NetRequest {
  readonly url: string
  readonly method: string
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly body: Uint8Array | null
  readonly redirect: 'follow' | 'error' | 'manual'
}

export interface NetResponse {
  readonly status: number
  readonly statusText: string
  /** Of the last hop. */
  readonly url: string
  readonly redirected: boolean
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly hasBody: boolean
}

/** What the host offers behind `coffer:net`: the client that a {@link NetGrant} stands for. */
export interface NetHost {
  /** The guest's half: text that makes its module of these functions. */
  readonly script: string
  /** For one guest. */
  connect(): NetConnection
}

/** Requests of one guest. */
export interface NetConnection {
  /** @param id - The guest's own number for it. */
  open(id: number, request: NetRequest): Promise<NetResponse>
  /** The next part of the body; null at its end. */
  read(id: number): Promise<Uint8Array | null>
  /** Give it up. */
  close(id: number): void
  /** The guest has ended. */
  end(): void
}

/** A function of the embedding app behind `coffer:host`; made synchronous for the guest by {@link sync}. */
export type HostFunction = (...args: never[]) => unknown

/** What a guest may reach: one key per `coffer:` module. A module without a key does not exist for the guest. */
export interface Capabilities {
  readonly terminal?: TerminalHost
  readonly assets?: AssetSource
  readonly save?: SaveStore
  readonly license?: LicenseTerms
  /** What it may reach, or a client of the host's own. */
  readonly net?: NetGrant | NetHost
  readonly host?: Readonly<Record<string, HostFunction>>
}

/**
 * A program in one or both of its forms. The image is taken where it fits, since it starts sooner; the source otherwise.
 */
export interface Program {
  /** UTF-8 of one ES module, whose only imports are `coffer:` modules. */
  readonly source?: Uint8Array | undefined
  /** What pressing made of it for QuickJS. Code, and taken as such: only from a title that was verified. */
  readonly image?: Uint8Array | undefined
}

/**
 * Where a place in a program comes from.
 *
 * @param line - From 1, as is the column.
 * @returns a text such as `src/main.ts:3:9`; undefined where that is not known.
 */
export type SourcePlace = (line: number, column: number) => string | undefined

/** What can end a guest from outside: an AbortSignal is one. */
export interface StopSignal {
  readonly aborted: boolean
  addEventListener(type: 'abort', listener: () => void, options?: { once: boolean }): void
  removeEventListener(type: 'abort', listener: () => void): void
}

export interface LaunchOptions {
  readonly engine?: Engine | undefined
  readonly isolation?: Isolation | undefined
  readonly limits?: Partial<Limits> | undefined
  readonly capabilities?: Capabilities | undefined
  /** What `run` passes to the program when it is called without arguments. Default: none. */
  readonly args?: readonly string[] | undefined
  /** Name of the program in guest stack traces. Default 'title.js'. */
  readonly name?: string | undefined
  /** Where the program's places come from, for stacks of its errors: asked when there is an error to tell. */
  readonly locate?: SourcePlace | undefined
  /** Where console.log and console.error go. Default: nowhere. Bytes belong to the receiver. */
  readonly stdout?: ((bytes: Uint8Array) => void) | undefined
  readonly stderr?: ((bytes: Uint8Array) => void) | undefined
  /** Ends the guest when aborted: calls reject with COFFER_INTERRUPTED. */
  readonly signal?: StopSignal | undefined
  /**
   * The share of a limit past which it is nearly used up, from 0 to 1; 1: none is. Told to the guest, where it asks
   * (`coffer:limits`), and to `onSoftLimit`: of `cpuMs`, `wallMs`, `hostCalls`, `memoryBytes` and `outputBytes`, past
   * which it ends. Default {@link DEFAULT_SOFT_SHARE}.
   */
  readonly softShare?: number | undefined
  /**
   * Told of a limit that is nearly used up: once for each account that it counts for, a call or the guest's life. The guest
   * may be computing; where it does so in this thread, it goes on when this returns. What it throws is lost.
   */
  readonly onSoftLimit?: ((use: LimitUse) => void) | undefined
  /** A guest with a seed sees a clock that starts at 0 and moves only by its timers, and randomness from the seed:
   * the same calls give the same bytes. */
  readonly seed?: number | undefined
}

export interface Usage {
  /**
   * Time that the guest had the thread for, on the wall: no less than its processor time, and more where the machine has
   * too much to do. Of calls that end within a few milliseconds, estimated.
   */
  readonly cpuMs: number
  /** Since it was started. */
  readonly wallMs: number
  readonly memoryBytes: number
  readonly outputBytes: number
  readonly calls: number
}

/** An AbortSignal stands for itself, as an argument of its own. */
export type Argument = Value | AbortSignal

export interface Guest extends AsyncDisposable {
  readonly engine: Engine
  /** Names of the program's exports, 'default' among them. */
  readonly exports: readonly string[]
  /**
   * Why the guest ended, once it has: COFFER_LIMIT_*, whose `limit` says which one and by how much it was passed,
   * COFFER_INTERRUPTED, COFFER_ENGINE_FAILED, or COFFER_GUEST_GONE after `dispose()`. Never rejects.
   */
  readonly ended: Promise<CofferError>
  /**
   * Call an export. Arguments and result cross by copy. An AbortSignal among the arguments arrives as one of the
   * guest's own, which follows it for as long as the call lasts; what the guest makes of it is its own affair.
   *
   * @throws CofferError COFFER_EXPORT_MISSING, COFFER_VALUE_UNSUPPORTED, COFFER_LIMIT_*, COFFER_INTERRUPTED,
   *   COFFER_GUEST_GONE; GuestError for what the guest itself throws.
   */
  call(name: string, ...args: readonly Argument[]): Promise<Value>
  /**
   * The same at once, for a guest in this thread: a fraction of a microsecond where few and small values cross.
   *
   * @throws as `call` rejects; TypeError for a guest in a thread or process of its own, for an export that answers with
   *   a promise, and from a function that the guest itself waits for.
   */
  callSync(name: string, ...args: readonly Value[]): Value
  /**
   * Go through what an export gives as an async iterator: an async generator, a ReadableStream, anything with
   * `Symbol.asyncIterator`. The export is called at once, as `call` does; of the iterator nothing runs but by `next()`
   * and `return()`. Take it to its end, or leave the loop: what is left open stays in the guest's memory. An
   * AbortSignal among the arguments is followed for as long as the stream lasts.
   *
   * Its `next()` rejects as `call` does, and with COFFER_VALUE_UNSUPPORTED where the export gives no such thing.
   */
  iterate(name: string, ...args: readonly Argument[]): GuestStream
  /** Start the default export as a program, with `args` of the launch unless given; resolves with its exit code (0 to 63). */
  run(args?: readonly string[]): Promise<number>
  usage(): Usage
  /** End the guest and overwrite its memory. Idempotent; pending calls reject with COFFER_GUEST_GONE. */
  dispose(): Promise<void>
}

/** Called when a call begins; what it gives is called when that has settled, and what that throws is its outcome. */
export type CallWatch = () => () => void

/** A guest as a way to run one gives it; guestFor (hosted.ts) makes of it what hosts see. */
export interface EngineGuest extends Omit<Guest, 'call' | 'iterate'> {
  /** What is there at once comes at once: a promise more takes longer than a short call. Errors come by a promise always. */
  call(name: string, ...args: readonly Argument[]): Outcome | Promise<Outcome>
  /** Of every call, where whoever runs it has one. */
  readonly watch?: CallWatch
}

/** Where the guests of a pool come from: what is kept of one for the next. */
export interface GuestSource {
  /** A fresh guest, started. */
  start(): Promise<EngineGuest>
  /** Let go of what is kept. Nothing that it started is in use any more. */
  close(): Promise<void> | void
}

/** What a guest threw, with its own name and message and a stack of guest frames only. */
export class GuestError extends Error {
  override readonly name: string
  readonly guestStack: string

  constructor(name: string, message: string, guestStack: string) {
    super(message)
    this.name = name
    this.guestStack = guestStack
    // The host's frames say nothing about the guest, and engines put source lines into stacks.
    this.stack = `${name}: ${message}\n${guestStack}`
  }
}

const SYNC = Symbol('coffer.sync')

/** What {@link sync} has made of a function. */
export interface Synchronous {
  readonly [SYNC]: HostFunction
}

/** Make a host function synchronous for the guest: it gets the result itself, not a promise of it. `fn` stays as it is. */
export function sync<F extends HostFunction>(fn: F): F & Synchronous {
  const wrapped = (...args: never[]) => fn(...args)
  return Object.defineProperty(wrapped, SYNC, { value: fn }) as unknown as F & Synchronous
}

/** The function that was made synchronous; undefined for one that was not. */
export const syncOf = (fn: HostFunction): HostFunction | undefined => (fn as Partial<Synchronous>)[SYNC]
