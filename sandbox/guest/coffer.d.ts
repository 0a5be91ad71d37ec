/**
 * What a title is written against, beside the web-standard globals. Reference it from a title's source with
 * `/// <reference types="coffer/guest" />` or through `"types": ["coffer/guest"]`.
 *
 * Each module exists only where it was granted: `permissions` in the manifest asks for it. A title's own assets and
 * what its license says, `coffer:assets` and `coffer:license`, are always there, and so is `coffer:limits`.
 */

declare module 'coffer:terminal' {
  export interface Key {
    readonly name: string
    readonly text: string
    readonly ctrl: boolean
    readonly alt: boolean
    readonly shift: boolean
  }
  /** False when output is a pipe or file. */
  export const interactive: boolean
  export function size(): { columns: number; rows: number }
  /** Write text as it is, escape sequences included. */
  export function write(text: string): void
  /** The next key; null when input has ended. */
  export function readKey(): Promise<Key | null>
  /** A line of input without its newline, echoed where a person types; null when input has ended. */
  export function readLine(prompt?: string): Promise<string | null>
}

declare module 'coffer:assets' {
  export interface Asset {
    readonly path: string
    readonly sizeBytes: number
  }
  /** A part of an asset; what lies beyond its end is left out. */
  export interface Range {
    /** Default 0. */
    readonly offsetBytes?: number
    /** Default: to its end. */
    readonly lengthBytes?: number
  }
  export function list(): readonly Asset[]
  export function read(path: string, range?: Range): Promise<Uint8Array>
  export function readText(path: string): Promise<string>
  /** An asset to read in parts, or from its beginning to its end: `for await (const part of open(path))`. */
  export function open(path: string): Asset &
    AsyncIterable<Uint8Array> & {
      read(range?: Range): Promise<Uint8Array>
    }
}

declare module 'coffer:save' {
  /** Slots are named by 1 to 64 of A-Z a-z 0-9 . _ - */
  export function list(): Promise<string[]>
  export function read(slot: string): Promise<Uint8Array | null>
  export function readText(slot: string): Promise<string | null>
  /**
   * Resolves when the save would survive a pulled plug. Rejects with an error whose `code` is `COFFER_SAVE_QUOTA` when
   * there is no space left for it; what was there before stays.
   */
  export function write(slot: string, data: Uint8Array | string): Promise<void>
  export function remove(slot: string): Promise<void>

  /** The saves as a transaction sees them: as they were when it began, with its own changes. */
  export interface Saves {
    list(): Promise<string[]>
    read(slot: string): Promise<Uint8Array | null>
    readText(slot: string): Promise<string | null>
    write(slot: string, data: Uint8Array | string): void
    remove(slot: string): void
  }
  /**
   * Change several slots, all of them or none, whatever happens meanwhile. What `work` throws leaves everything as it
   * was. Where another run of the same title has saved meanwhile, `work` is called again.
   */
  export function transaction<T>(work: (saves: Saves) => T | Promise<T>): Promise<T>
}

declare module 'coffer:license' {
  /** For good, to an end, to try it once, or to an end that renewals move. */
  export const kind: 'perpetual' | 'expiring' | 'trial' | 'lease'
  /** What was bought beyond the title itself. */
  export const features: readonly string[]
  /** Milliseconds since 1970; null: never. */
  export const expires: number | null
}

declare module 'coffer:limits' {
  /** Why the signal is aborted: `code` is what the title would be ended with. */
  export interface SoftLimitError extends Error {
    readonly code: `COFFER_LIMIT_${string}`
    readonly limit: {
      readonly name: 'cpuMs' | 'wallMs' | 'hostCalls' | 'memoryBytes' | 'outputBytes'
      readonly value: number
      readonly used: number
    }
  }
  /**
   * A signal that is aborted, with a {@link SoftLimitError} as its reason, once one of the title's limits is nearly used up
   * (its host says what that is; four fifths by default): time to come to an end, past the limit itself there is none. To ask is
   * cheap, and a loop that gives nobody else a turn has to: `if (softLimit().aborted) return soFar`. Where a call that
   * used up its own time is over, the next to ask gets a new signal.
   */
  export function softLimit(): AbortSignal
}

/**
 * The network, as far as it was granted: `permissions` asks for `net`, and the manifest's `net` names the hosts. The
 * classes are the web's, without forms, without caches, cookies and credentials.
 */
declare module 'coffer:net' {
  export type HeadersInit = Headers | Iterable<readonly [string, string]> | Record<string, string>
  export class Headers {
    constructor(init?: HeadersInit | null)
    append(name: string, value: string): void
    delete(name: string): void
    get(name: string): string | null
    getSetCookie(): string[]
    has(name: string): boolean
    set(name: string, value: string): void
    forEach(callback: (value: string, name: string, parent: Headers) => void, self?: unknown): void
    entries(): IterableIterator<[string, string]>
    keys(): IterableIterator<string>
    values(): IterableIterator<string>
    [Symbol.iterator](): IterableIterator<[string, string]>
  }

  export class Blob {
    constructor(parts?: Iterable<Blob | ArrayBuffer | ArrayBufferView | string>, options?: { type?: string })
    readonly size: number
    readonly type: string
    slice(start?: number, end?: number, type?: string): Blob
    bytes(): Promise<Uint8Array>
    arrayBuffer(): Promise<ArrayBuffer>
    text(): Promise<string>
    stream(): ReadableStream<Uint8Array>
  }

  export interface ReadableStreamController<T> {
    readonly desiredSize: number | null
    enqueue(chunk: T): void
    close(): void
    error(reason?: unknown): void
  }
  export interface ReadableStreamReader<T> {
    readonly closed: Promise<void>
    read(): Promise<{ done: false; value: T } | { done: true; value: undefined }>
    cancel(reason?: unknown): Promise<void>
    releaseLock(): void
  }
  export class ReadableStream<T = unknown> implements AsyncIterable<T> {
    constructor(
      source?: {
        start?(controller: ReadableStreamController<T>): unknown
        pull?(controller: ReadableStreamController<T>): unknown
        cancel?(reason: unknown): unknown
      },
      strategy?: { highWaterMark?: number }
    )
    static from<T>(items: Iterable<T> | AsyncIterable<T>): ReadableStream<T>
    readonly locked: boolean
    getReader(): ReadableStreamReader<T>
    cancel(reason?: unknown): Promise<void>
    tee(): [ReadableStream<T>, ReadableStream<T>]
    values(options?: { preventCancel?: boolean }): AsyncGenerator<T, void, undefined>
    [Symbol.asyncIterator](): AsyncGenerator<T, void, undefined>
  }

  export type BodyInit =
    ReadableStream<Uint8Array> | Blob | ArrayBuffer | ArrayBufferView | URLSearchParams | string
  interface Body {
    readonly body: ReadableStream<Uint8Array> | null
    readonly bodyUsed: boolean
    bytes(): Promise<Uint8Array>
    arrayBuffer(): Promise<ArrayBuffer>
    blob(): Promise<Blob>
    text(): Promise<string>
    json(): Promise<any>
  }

  export interface RequestInit {
    method?: string
    headers?: HeadersInit
    /** A stream is read to its end before it is sent. */
    body?: BodyInit | null
    redirect?: 'follow' | 'error' | 'manual'
    signal?: AbortSignal | null
  }
  export interface Request extends Body {
    readonly url: string
    readonly method: string
    readonly headers: Headers
    readonly redirect: 'follow' | 'error' | 'manual'
    readonly signal: AbortSignal
    clone(): Request
  }
  export const Request: {
    prototype: Request
    new (input: Request | URL | string, init?: RequestInit): Request
  }

  export interface ResponseInit {
    status?: number
    statusText?: string
    headers?: HeadersInit
  }
  export interface Response extends Body {
    readonly status: number
    readonly statusText: string
    readonly ok: boolean
    readonly headers: Headers
    readonly url: string
    readonly redirected: boolean
    readonly type: 'default' | 'basic' | 'error'
    clone(): Response
  }
  export const Response: {
    prototype: Response
    new (body?: BodyInit | null, init?: ResponseInit): Response
    json(data: unknown, init?: ResponseInit): Response
    error(): Response
    redirect(url: URL | string, status?: number): Response
  }

  /** Rejects with a TypeError for what is not granted, fails or is too large, and a DOMException when it is aborted. */
  export function fetch(input: Request | URL | string, init?: RequestInit): Promise<Response>
}

// `coffer:host` has whatever functions the embedding app grants, so the app's author declares them, in one file for title
// authors and for himself (`HostModule` of `coffer` holds his functions against it). What he wraps in `sync` gives its result,
// everything else a promise:
//
//   declare module 'coffer:host' {
//     export function lookUp(word: string): Promise<string>
//     export function now(): number
//   }
