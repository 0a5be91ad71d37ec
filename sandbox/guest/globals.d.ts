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
  debug(...data: unknown[]): void
  /** Written to standard error; `log`, `info` and `debug` to standard output. */
  error(...data: unknown[]): void
  info(...data: unknown[]): void
  log(...data: unknown[]): void
  warn(...data: unknown[]): void
}
declare var console: Console

declare function setTimeout(callback: (...args: any[]) => void, delayMs?: number, ...args: any[]): number
declare function clearTimeout(id?: number): void
declare function setInterval(callback: (...args: any[]) => void, periodMs?: number, ...args: any[]): number
declare function clearInterval(id?: number): void
declare function queueMicrotask(callback: () => void): void
declare function structuredClone<T>(value: T): T
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
}

interface Event {
  readonly bubbles: boolean
  readonly cancelable: boolean
  readonly currentTarget: EventTarget | null
  readonly defaultPrevented: boolean
  readonly target: EventTarget | null
  readonly timeStamp: number
  readonly type: string
  preventDefault(): void
  stopImmediatePropagation(): void
  stopPropagation(): void
}
interface EventInit {
  bubbles?: boolean
  cancelable?: boolean
}
declare var Event: { prototype: Event; new (type: string, init?: EventInit): Event }

interface CustomEvent<T = unknown> extends Event {
  readonly detail: T
}
declare var CustomEvent: {
  prototype: CustomEvent
  new <T>(type: string, init?: EventInit & { detail?: T }): CustomEvent<T>
}

type EventListener = ((event: Event) => void) | { handleEvent(event: Event): void }
interface EventTarget {
  addEventListener(
    type: string,
    listener: EventListener | null,
    options?: boolean | { once?: boolean; signal?: AbortSignal }
  ): void
  dispatchEvent(event: Event): boolean
  removeEventListener(type: string, listener: EventListener | null): void
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

interface DOMException extends Error {
  readonly code: number
}
declare var DOMException: { prototype: DOMException; new (message?: string, name?: string): DOMException }

interface Performance {
  readonly timeOrigin: number
  now(): number
}
declare var performance: Performance

interface Crypto {
  getRandomValues<T extends ArrayBufferView>(array: T): T
  randomUUID(): `${string}-${string}-${string}-${string}-${string}`
}
declare var crypto: Crypto

declare var navigator: { readonly userAgent: string }
