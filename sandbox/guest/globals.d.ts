/**
 * The web-standard globals that every title finds, the same on both engines. What browsers and servers have beyond
 * these (fetch, streams, crypto.subtle, Intl, WebAssembly, workers, a DOM) is left out because it is not there.
 *
 * Only for titles: the host's own code has these names from @types/node, so the project's tsconfig leaves this file
 * out.
 */

declare var self: typeof globalThis

interface Console {
  assert(condition?: unknown, ...data: unknown[]): void
  /** Does nothing: a program's output is no screen of its own. */
  clear(): void
  count(label?: string): void
  countReset(label?: string): void
  debug(...data: unknown[]): void
  dir(value?: unknown): void
  dirxml(...data: unknown[]): void
  /** Written to standard error, as `warn`, `trace` and `assert` are; everything else to standard output. */
  error(...data: unknown[]): void
  group(...label: unknown[]): void
  groupCollapsed(...label: unknown[]): void
  groupEnd(): void
  info(...data: unknown[]): void
  log(...data: unknown[]): void
  /** Written as `log` writes it. */
  table(...data: unknown[]): void
  time(label?: string): void
  timeEnd(label?: string): void
  timeLog(label?: string, ...data: unknown[]): void
  trace(...data: unknown[]): void
  warn(...data: unknown[]): void
}
declare var console: Console

declare function setTimeout(callback: (...args: any[]) => void, delayMs?: number, ...args: any[]): number
declare function clearTimeout(id?: number): void
declare function setInterval(callback: (...args: any[]) => void, periodMs?: number, ...args: any[]): number
declare function clearInterval(id?: number): void
declare function queueMicrotask(callback: () => void): void
declare function structuredClone<T>(value: T, options?: { transfer?: readonly ArrayBuffer[] }): T
declare function atob(data: string): string
declare function btoa(data: string): string
declare function reportError(error: unknown): void

interface TextEncoder {
  readonly encoding: 'utf-8'
  encode(input?: string): Uint8Array<ArrayBuffer>
  encodeInto(source: string, destination: Uint8Array): { read: number; written: number }
}
declare var TextEncoder: { prototype: TextEncoder; new (): TextEncoder }

interface TextDecoder {
  readonly encoding: string
  readonly fatal: boolean
  readonly ignoreBOM: boolean
  decode(input?: ArrayBufferView | ArrayBuffer, options?: { stream?: boolean }): string
}
declare var TextDecoder: {
  prototype: TextDecoder
  new (label?: string, options?: { fatal?: boolean; ignoreBOM?: boolean }): TextDecoder
}

interface URLSearchParams extends Iterable<[string, string]> {
  readonly size: number
  append(name: string, value: string): void
  delete(name: string, value?: string): void
  get(name: string): string | null
  getAll(name: string): string[]
  has(name: string, value?: string): boolean
  set(name: string, value: string): void
  sort(): void
  toString(): string
  forEach(callback: (value: string, name: string, parent: URLSearchParams) => void): void
  keys(): IterableIterator<string>
  values(): IterableIterator<string>
  entries(): IterableIterator<[string, string]>
}
declare var URLSearchParams: {
  prototype: URLSearchParams
  new (init?: string | Iterable<readonly [string, string]> | Record<string, string>): URLSearchParams
}

interface URL {
  hash: string
  host: string
  hostname: string
  href: string
  readonly origin: string
  password: string
  pathname: string
  port: string
  protocol: string
  search: string
  readonly searchParams: URLSearchParams
  username: string
  toJSON(): string
  toString(): string
}
declare var URL: {
  prototype: URL
  new (url: string | URL, base?: string | URL): URL
  canParse(url: string | URL, base?: string | URL): boolean
  /** null where there is none. */
  parse(url: string | URL, base?: string | URL): URL | null
}

interface Event {
  readonly bubbles: boolean
  cancelBubble: boolean
  readonly cancelable: boolean
  readonly composed: boolean
  readonly currentTarget: EventTarget | null
  readonly defaultPrevented: boolean
  readonly eventPhase: number
  readonly isTrusted: boolean
  readonly returnValue: boolean
  readonly srcElement: EventTarget | null
  readonly target: EventTarget | null
  readonly timeStamp: number
  readonly type: string
  composedPath(): EventTarget[]
  preventDefault(): void
  stopImmediatePropagation(): void
  stopPropagation(): void
}
interface EventInit {
  bubbles?: boolean
  cancelable?: boolean
  composed?: boolean
}
interface EventPhases {
  readonly NONE: 0
  readonly CAPTURING_PHASE: 1
  readonly AT_TARGET: 2
  readonly BUBBLING_PHASE: 3
}
declare var Event: EventPhases & {
  prototype: Event
  new (type: string, init?: EventInit): Event
}

interface CustomEvent<T = unknown> extends Event {
  readonly detail: T
}
declare var CustomEvent: EventPhases & {
  prototype: CustomEvent
  new <T>(type: string, init?: EventInit & { detail?: T }): CustomEvent<T>
}

type EventListener = ((event: Event) => void) | { handleEvent(event: Event): void }
interface EventTarget {
  addEventListener(
    type: string,
    listener: EventListener | null,
    options?: boolean | { capture?: boolean; once?: boolean; passive?: boolean; signal?: AbortSignal }
  ): void
  dispatchEvent(event: Event): boolean
  removeEventListener(
    type: string,
    listener: EventListener | null,
    options?: boolean | { capture?: boolean }
  ): void
}
declare var EventTarget: { prototype: EventTarget; new (): EventTarget }

interface AbortSignal extends EventTarget {
  readonly aborted: boolean
  readonly reason: any
  onabort: ((event: Event) => void) | null
  throwIfAborted(): void
}
declare var AbortSignal: {
  prototype: AbortSignal
  abort(reason?: unknown): AbortSignal
  any(signals: Iterable<AbortSignal>): AbortSignal
  timeout(delayMs: number): AbortSignal
}

interface AbortController {
  readonly signal: AbortSignal
  abort(reason?: unknown): void
}
declare var AbortController: { prototype: AbortController; new (): AbortController }

/** Numbers of the names that have one. */
interface DOMExceptionCodes {
  readonly INDEX_SIZE_ERR: 1
  readonly HIERARCHY_REQUEST_ERR: 3
  readonly WRONG_DOCUMENT_ERR: 4
  readonly INVALID_CHARACTER_ERR: 5
  readonly NO_MODIFICATION_ALLOWED_ERR: 7
  readonly NOT_FOUND_ERR: 8
  readonly NOT_SUPPORTED_ERR: 9
  readonly IN_USE_ATTRIBUTE_ERR: 10
  readonly INVALID_STATE_ERR: 11
  readonly SYNTAX_ERR: 12
  readonly INVALID_MODIFICATION_ERR: 13
  readonly NAMESPACE_ERR: 14
  readonly INVALID_ACCESS_ERR: 15
  readonly TYPE_MISMATCH_ERR: 17
  readonly SECURITY_ERR: 18
  readonly NETWORK_ERR: 19
  readonly ABORT_ERR: 20
  readonly URL_MISMATCH_ERR: 21
  readonly QUOTA_EXCEEDED_ERR: 22
  readonly TIMEOUT_ERR: 23
  readonly INVALID_NODE_TYPE_ERR: 24
  readonly DATA_CLONE_ERR: 25
}
interface DOMException extends Error, DOMExceptionCodes {
  readonly code: number
}
declare var DOMException: DOMExceptionCodes & {
  prototype: DOMException
  new (message?: string, name?: string): DOMException
}

interface Performance {
  readonly timeOrigin: number
  now(): number
  toJSON(): { timeOrigin: number }
}
declare var performance: Performance

interface Crypto {
  getRandomValues<T extends ArrayBufferView>(array: T): T
  randomUUID(): `${string}-${string}-${string}-${string}-${string}`
}
declare var Crypto: { prototype: Crypto }
declare var crypto: Crypto

declare var navigator: { readonly userAgent: string }
