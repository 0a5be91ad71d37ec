/** ReadableStream (Streams) as far as bodies need it: a queue that is filled when it is asked for. No BYOB readers. */
import { tag } from '../globals.js'

export interface Source<T> {
  start?(controller: Controller<T>): unknown
  pull?(controller: Controller<T>): unknown
  cancel?(reason: unknown): unknown
}

export interface Controller<T> {
  readonly desiredSize: number | null
  enqueue(chunk: T): void
  close(): void
  error(reason?: unknown): void
}

interface Waiting<T> {
  resolve(result: ReadableStreamReadResult<T>): void
  reject(reason: unknown): void
}

type ReadableStreamReadResult<T> = { done: false; value: T } | { done: true; value: undefined }

const SETTLE = Symbol('settle')

export class ReadableStream<T = unknown> {
  #source: Source<T>
  readonly #highWater: number
  readonly #queue: T[] = []
  readonly #waiting: Waiting<T>[] = []
  #state: 'readable' | 'closing' | 'closed' | 'errored' = 'readable'
  #reason: unknown
  #reader: Reader<T> | undefined
  #started = false
  #pulling = false
  #pullAgain = false
  readonly #controller: Controller<T>

  constructor(source: Source<T> = {}, { highWaterMark = 1 }: { highWaterMark?: number } = {}) {
    this.#source = source
    this.#highWater = highWaterMark
    const desiredSize = () => this.#desiredSize()
    this.#controller = {
      get desiredSize() {
        return desiredSize()
      },
      enqueue: chunk => this.#enqueue(chunk),
      close: () => this.#close(),
      error: reason => this.#error(reason)
    }
    const started = source.start?.(this.#controller)
    Promise.resolve(started).then(
      () => {
        this.#started = true
        this.#pull()
      },
      reason => this.#error(reason)
    )
  }

  static from<T>(items: Iterable<T> | AsyncIterable<T>): ReadableStream<T> {
    const iterator: AsyncIterator<T> | Iterator<T> =
      Symbol.asyncIterator in items ? items[Symbol.asyncIterator]() : items[Symbol.iterator]()
    return new ReadableStream<T>(
      {
        async pull(controller) {
          const { done, value } = await iterator.next()
          if (done === true) controller.close()
          else controller.enqueue(value)
        },
        cancel: async reason => void (await iterator.return?.(reason))
      },
      { highWaterMark: 0 }
    )
  }

  get locked(): boolean {
    return this.#reader !== undefined
  }

  getReader(): Reader<T> {
    if (this.#reader !== undefined) throw new TypeError('The stream has a reader already')
    const reader = (this.#reader = new Reader<T>({
      read: () => this.#read(),
      cancel: reason => this.#cancel(reason),
      release: () => {
        this.#reader = undefined
        const released = new TypeError('The reader was released')
        for (const { reject } of this.#waiting.splice(0)) reject(released)
      }
    }))
    if (this.#state === 'closed') reader[SETTLE]()
    if (this.#state === 'errored') reader[SETTLE](this.#reason)
    return reader
  }

  async cancel(reason?: unknown): Promise<void> {
    if (this.locked) throw new TypeError('The stream is locked to a reader')
    return this.#cancel(reason)
  }

  /** Two streams with the chunks of this one. */
  tee(): [ReadableStream<T>, ReadableStream<T>] {
    const reader = this.getReader()
    const controllers: Controller<T>[] = []
    let cancelled = 0
    let reading = false
    const pull = async () => {
      if (reading) return
      reading = true
      try {
        const { done, value } = await reader.read()
        for (const controller of controllers) {
          if (done) controller.close()
          else controller.enqueue(value)
        }
      } catch (reason) {
        for (const controller of controllers) controller.error(reason)
      } finally {
        reading = false
      }
    }
    const branch = () =>
      new ReadableStream<T>(
        {
          start: controller => void controllers.push(controller),
          pull,
          cancel: reason => (++cancelled === 2 ? reader.cancel(reason) : undefined)
        },
        { highWaterMark: 0 }
      )
    return [branch(), branch()]
  }

  async *values({ preventCancel = false } = {}): AsyncGenerator<T, void, undefined> {
    const reader = this.getReader()
    let finished = false
    try {
      for (;;) {
        const { done, value } = await reader.read()
        if (done) break
        yield value
      }
      finished = true
    } catch (reason) {
      finished = true
      throw reason
    } finally {
      if (!finished && !preventCancel) await reader.cancel()
      reader.releaseLock()
    }
  }

  [Symbol.asyncIterator](): AsyncGenerator<T, void, undefined> {
    return this.values()
  }

  #desiredSize(): number | null {
    if (this.#state === 'errored') return null
    return this.#state === 'closed' ? 0 : this.#highWater - this.#queue.length
  }

  #read(): Promise<ReadableStreamReadResult<T>> {
    return new Promise((resolve, reject) => {
      if (this.#state === 'errored') throw this.#reason
      if (this.#queue.length > 0) {
        resolve({ done: false, value: this.#queue.shift()! })
        if (this.#queue.length === 0 && this.#state === 'closing') this.#finish()
        this.#pull()
        return
      }
      if (this.#state !== 'readable') return resolve({ done: true, value: undefined })
      this.#waiting.push({ resolve, reject })
      this.#pull()
    })
  }

  #pull(): void {
    const wanted = this.#waiting.length > 0 || this.#queue.length < this.#highWater
    if (!this.#started || this.#state !== 'readable' || !wanted) return
    if (this.#pulling) {
      this.#pullAgain = true
      return
    }
    this.#pulling = true
    new Promise(resolve => resolve(this.#source.pull?.(this.#controller))).then(
      () => {
        this.#pulling = false
        if (!this.#pullAgain) return
        this.#pullAgain = false
        this.#pull()
      },
      reason => this.#error(reason)
    )
  }

  #enqueue(chunk: T): void {
    // A source that is late for a stream which was cancelled.
    if (this.#state === 'closed') return
    if (this.#state !== 'readable') throw new TypeError('The stream has ended')
    const waiting = this.#waiting.shift()
    if (waiting !== undefined) waiting.resolve({ done: false, value: chunk })
    else this.#queue.push(chunk)
    this.#pull()
  }

  #close(): void {
    if (this.#state !== 'readable') return
    this.#state = 'closing'
    if (this.#queue.length === 0) this.#finish()
  }

  #finish(): void {
    this.#state = 'closed'
    for (const { resolve } of this.#waiting.splice(0)) resolve({ done: true, value: undefined })
    this.#reader?.[SETTLE]()
  }

  #error(reason: unknown): void {
    if (this.#state === 'closed' || this.#state === 'errored') return
    this.#state = 'errored'
    this.#reason = reason
    this.#queue.length = 0
    for (const { reject } of this.#waiting.splice(0)) reject(reason)
    this.#reader?.[SETTLE](reason)
  }

  async #cancel(reason: unknown): Promise<void> {
    if (this.#state === 'errored') throw this.#reason
    if (this.#state === 'closed') return
    this.#queue.length = 0
    this.#finish()
    await this.#source.cancel?.(reason)
  }
}
tag(ReadableStream, 'ReadableStream')

/** A reader's way into its stream. */
interface Held<T> {
  read(): Promise<ReadableStreamReadResult<T>>
  cancel(reason: unknown): Promise<void>
  release(): void
}

class Reader<T> {
  #stream: Held<T> | undefined
  readonly closed: Promise<void>
  #settle!: { resolve(): void; reject(reason: unknown): void }

  constructor(stream: Held<T>) {
    this.#stream = stream
    this.closed = new Promise((resolve, reject) => (this.#settle = { resolve, reject }))
    this.closed.catch(() => {})
  }

  async read(): Promise<ReadableStreamReadResult<T>> {
    return this.#own().read()
  }

  async cancel(reason?: unknown): Promise<void> {
    return this.#own().cancel(reason)
  }

  releaseLock(): void {
    this.#stream?.release()
    this.#stream = undefined
  }

  [SETTLE](reason?: unknown): void {
    if (reason === undefined) this.#settle.resolve()
    else this.#settle.reject(reason)
  }

  #own(): Held<T> {
    if (this.#stream === undefined) throw new TypeError('The reader was released')
    return this.#stream
  }
}
