/** Event, CustomEvent, EventTarget (DOM), AbortController and AbortSignal. */
import { DOMException } from './exception.js'
import { tag } from './globals.js'

/** What dispatching knows about an event and its listeners do not change. */
let internals: (event: Event) => Internals

interface Internals {
  target: EventTarget | null
  dispatching: boolean
  canceled: boolean
  stopped: boolean
  stoppedNow: boolean
  passive: boolean
}

interface EventInit {
  bubbles?: boolean
  cancelable?: boolean
  composed?: boolean
}

export class Event {
  static readonly NONE = 0
  static readonly CAPTURING_PHASE = 1
  static readonly AT_TARGET = 2
  static readonly BUBBLING_PHASE = 3

  readonly #type: string
  readonly #bubbles: boolean
  readonly #cancelable: boolean
  readonly #composed: boolean
  readonly #timeStamp = performance.now()
  readonly #internals: Internals = {
    target: null,
    dispatching: false,
    canceled: false,
    stopped: false,
    stoppedNow: false,
    passive: false
  }

  static {
    internals = event => event.#internals
  }

  constructor(type: unknown, init: EventInit = {}) {
    if (arguments.length === 0) throw new TypeError('An event needs a type')
    this.#type = `${type}`
    this.#bubbles = !!init.bubbles
    this.#cancelable = !!init.cancelable
    this.#composed = !!init.composed
  }

  get type(): string {
    return this.#type
  }
  get bubbles(): boolean {
    return this.#bubbles
  }
  get cancelable(): boolean {
    return this.#cancelable
  }
  get composed(): boolean {
    return this.#composed
  }
  get timeStamp(): number {
    return this.#timeStamp
  }
  get isTrusted(): boolean {
    return false
  }
  get target(): EventTarget | null {
    return this.#internals.target
  }
  get srcElement(): EventTarget | null {
    return this.#internals.target
  }
  get currentTarget(): EventTarget | null {
    return this.#internals.dispatching ? this.#internals.target : null
  }
  get eventPhase(): number {
    return this.#internals.dispatching ? Event.AT_TARGET : Event.NONE
  }
  get defaultPrevented(): boolean {
    return this.#internals.canceled
  }
  get returnValue(): boolean {
    return !this.#internals.canceled
  }
  get cancelBubble(): boolean {
    return this.#internals.stopped
  }
  set cancelBubble(value: boolean) {
    if (value) this.stopPropagation()
  }

  composedPath(): EventTarget[] {
    return this.#internals.dispatching ? [this.#internals.target!] : []
  }
  preventDefault(): void {
    if (this.#cancelable && !this.#internals.passive) this.#internals.canceled = true
  }
  stopPropagation(): void {
    this.#internals.stopped = true
  }
  stopImmediatePropagation(): void {
    this.#internals.stopped = true
    this.#internals.stoppedNow = true
  }
}
tag(Event, 'Event')

export class CustomEvent extends Event {
  readonly #detail: unknown

  constructor(type: unknown, init: EventInit & { detail?: unknown } = {}) {
    super(type, init)
    this.#detail = init.detail ?? null
  }

  get detail(): unknown {
    return this.#detail
  }
}
tag(CustomEvent, 'CustomEvent')

type Callback = ((event: Event) => unknown) | { handleEvent(event: Event): unknown }

interface Listener {
  readonly type: string
  readonly callback: Callback
  readonly capture: boolean
  readonly once: boolean
  readonly passive: boolean
  removed: boolean
}

interface ListenerOptions {
  capture?: boolean
  once?: boolean
  passive?: boolean
  signal?: AbortSignal
}

const captures = (options: ListenerOptions | boolean | undefined): boolean =>
  typeof options === 'object' && options !== null ? !!options.capture : !!options

export class EventTarget {
  #listeners: Listener[] = []

  addEventListener(type: unknown, callback: Callback | null, options?: ListenerOptions | boolean): void {
    const { once, passive, signal }: ListenerOptions =
      typeof options === 'object' && options !== null ? options : {}
    if (callback === null || callback === undefined || signal?.aborted) return
    const name = `${type}`
    const capture = captures(options)
    if (
      this.#listeners.some(
        known => known.type === name && known.callback === callback && known.capture === capture
      )
    )
      return
    this.#listeners.push({ type: name, callback, capture, once: !!once, passive: !!passive, removed: false })
    signal?.addEventListener('abort', () => this.removeEventListener(name, callback, capture))
  }

  removeEventListener(type: unknown, callback: Callback | null, options?: ListenerOptions | boolean): void {
    const capture = captures(options)
    this.#listeners = this.#listeners.filter(listener => {
      const found =
        listener.type === `${type}` && listener.callback === callback && listener.capture === capture
      if (found) listener.removed = true
      return !found
    })
  }

  dispatchEvent(event: Event): boolean {
    if (!(event instanceof Event)) throw new TypeError('Only an Event can be dispatched')
    const state = internals(event)
    if (state.dispatching) throw new DOMException('The event is being dispatched', 'InvalidStateError')
    state.target = this
    state.dispatching = true
    const { type } = event
    const present = this.#listeners.filter(listener => listener.type === type)
    // There is one target, where capturing listeners come first.
    for (const capture of [true, false]) {
      for (const listener of present) {
        if (listener.capture !== capture || listener.removed) continue
        if (state.stoppedNow) break
        if (listener.once) this.removeEventListener(type, listener.callback, capture)
        state.passive = listener.passive
        this.#call(listener.callback, event)
        state.passive = false
      }
      if (state.stopped) break
    }
    state.dispatching = false
    state.stopped = false
    state.stoppedNow = false
    return !state.canceled
  }

  /** What a listener throws is reported, and does not keep the others from running. */
  #call(callback: Callback, event: Event): void {
    try {
      if (typeof callback === 'function') callback.call(this, event)
      else callback.handleEvent(event)
    } catch (error) {
      reportError(error)
    }
  }
}
tag(EventTarget, 'EventTarget')

let abort: (signal: AbortSignal, reason: unknown) => void
let makeSignal: () => AbortSignal
let mayConstruct = false

export class AbortSignal extends EventTarget {
  #aborted = false
  #reason: unknown
  #onabort: ((event: Event) => unknown) | null = null
  /** Signals that follow this one. */
  readonly #dependents: AbortSignal[] = []

  static {
    makeSignal = () => {
      mayConstruct = true
      return new AbortSignal()
    }
    abort = (signal, reason) => {
      if (signal.#aborted) return
      // All are aborted before any listener runs.
      const all = [signal, ...signal.#dependents.filter(dependent => !dependent.#aborted)]
      const why = reason === undefined ? new DOMException('This operation was aborted', 'AbortError') : reason
      for (const each of all) {
        each.#aborted = true
        each.#reason = why
      }
      for (const each of all) each.dispatchEvent(new Event('abort'))
    }
  }

  constructor() {
    if (!mayConstruct) throw new TypeError('Illegal constructor')
    mayConstruct = false
    super()
  }

  static abort(reason?: unknown): AbortSignal {
    const signal = makeSignal()
    abort(signal, reason)
    return signal
  }

  static timeout(ms: unknown): AbortSignal {
    const delay = Number(ms)
    if (!(delay >= 0 && delay <= Number.MAX_SAFE_INTEGER))
      throw new TypeError('A timeout must be a number of milliseconds')
    const signal = makeSignal()
    setTimeout(
      () => abort(signal, new DOMException('The operation was aborted due to timeout', 'TimeoutError')),
      delay
    )
    return signal
  }

  static any(signals: Iterable<AbortSignal>): AbortSignal {
    const all = [...signals]
    const signal = makeSignal()
    const first = all.find(source => source.aborted)
    if (first !== undefined) abort(signal, first.reason)
    else for (const source of all) source.#dependents.push(signal)
    return signal
  }

  get aborted(): boolean {
    return this.#aborted
  }

  get reason(): unknown {
    return this.#reason
  }

  get onabort(): ((event: Event) => unknown) | null {
    return this.#onabort
  }

  set onabort(handler: ((event: Event) => unknown) | null) {
    if (this.#onabort !== null) this.removeEventListener('abort', this.#onabort)
    this.#onabort = typeof handler === 'function' ? handler : null
    if (this.#onabort !== null) this.addEventListener('abort', this.#onabort)
  }

  throwIfAborted(): void {
    if (this.#aborted) throw this.#reason
  }
}
tag(AbortSignal, 'AbortSignal')

export class AbortController {
  readonly #signal = makeSignal()

  get signal(): AbortSignal {
    return this.#signal
  }

  abort(reason?: unknown): void {
    abort(this.#signal, reason)
  }
}
tag(AbortController, 'AbortController')

declare const performance: { now(): number }
declare function reportError(error: unknown): void
declare function setTimeout(run: () => void, ms: number): number
