/**
 * A second thread for an instance that sells much: it makes what was decided (center/orders/make.ts) while this one reads, decides
 * and writes. It opens the vault for itself, by the same interface and from the same files. Nobody needs it: what it has not
 * made is made under the lock.
 */
import { Worker } from 'node:worker_threads'
import type { FileUnlock } from '../keys/keyfiles.js'
import type { Decision, Ground, Made, Order } from './make.js'

export interface Decided {
  readonly order: Order
  readonly decision: Decision
}

/** What {@link Aside.make} sends to the thread (center/orders/aside-thread.ts). */
export interface Batch {
  readonly ground: Ground
  readonly decided: readonly Decided[]
}

/** What the thread is started with. */
export interface AsideData {
  readonly centerId: Uint8Array
  /** Of the vault. */
  readonly folder: string
  readonly unlock: FileUnlock | undefined
}

export interface Aside {
  /** Whether the thread is there. It starts when this is asked for the first time. */
  isReady(): boolean
  /** @returns As many as were decided; undefined for what the thread could not make. */
  make(ground: Ground, decided: readonly Decided[]): Promise<readonly (Made | undefined)[]>
  /** End the thread, its keys wiped; it starts again when it is asked for. */
  close(): Promise<void>
}

export function openAside(data: AsideData): Aside {
  let thread: Thread | undefined
  return {
    isReady: () => (thread ??= new Thread(data)).isReady,
    make: async (ground, decided) => (await thread?.make({ ground, decided })) ?? [],
    async close() {
      const ending = thread
      thread = undefined
      await ending?.end()
    }
  }
}

type Answer = readonly (Made | undefined)[]

class Thread {
  readonly #worker: Worker
  readonly #ended: Promise<void>
  #isReady = false
  #isEnding = false
  /** By what waits for it: answers come in the order of what was asked. */
  readonly #waiting: ((answer: Answer) => void)[] = []

  constructor(data: AsideData) {
    const worker = new Worker(new URL('./aside-thread.js', import.meta.url), {
      workerData: data,
      execArgv: []
    })
    this.#worker = worker
    this.#ended = new Promise(resolve => {
      worker.once('exit', () => {
        this.#isReady = false
        for (const tell of this.#waiting.splice(0)) tell([])
        resolve()
      })
    })
    worker.on('error', () => {}) // it has ended then, and what it would have made is made here
    worker.on('message', (answer: Answer | 'ready') => {
      if (answer === 'ready') this.#isReady = true
      else this.#waiting.shift()!(answer)
      if (this.#waiting.length === 0 && !this.#isEnding) worker.unref()
    })
    worker.unref()
  }

  get isReady(): boolean {
    return this.#isReady
  }

  make(batch: Batch): Promise<Answer> {
    if (!this.#isReady) return Promise.resolve([])
    return new Promise(resolve => {
      this.#waiting.push(resolve)
      this.#worker.ref()
      this.#worker.postMessage(batch)
    })
  }

  end(): Promise<void> {
    this.#isEnding = true // a process with nothing else to do would be gone before the keys are wiped and the books closed
    this.#worker.ref()
    this.#worker.postMessage(undefined)
    return this.#ended
  }
}
