/**
 * A second thread for an instance that sells much: it drafts orders (center/orders/draft.ts) while this one decides and writes
 * others. It opens the vault for itself, by the same interface and from the same place. Nobody needs it: what it has not made is made
 * under the lock.
 */
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import type { FileUnlock } from '../keys/keyfiles.js'
import type { Decided, Draft } from './draft.js'
import type { Ground } from './make.js'

/** What the thread is started with. */
export interface AsideData {
  readonly centerId: Uint8Array
  /** Of the vault. */
  readonly folder: string
  readonly unlock: FileUnlock | undefined
}

/** What the thread is asked (center/orders/aside-thread.ts). */
export interface Asked {
  readonly ground: Ground
  readonly decided: readonly Decided[]
}

/** What {@link Aside.draft} has of the thread. */
export type Drafts = readonly (Draft | undefined)[]

export interface Aside {
  /** Whether the thread is there. It starts when this is asked for the first time. */
  isReady(): boolean
  /** @returns As many as were decided, or none; undefined for what the thread could not make. */
  draft(asked: Asked): Promise<Drafts>
  /** End the thread, its keys wiped; it starts again when it is asked for. */
  close(): Promise<void>
}

export function openAside(data: AsideData): Aside {
  let thread: Thread | undefined
  return {
    isReady: () => (thread ??= new Thread(data)).isReady,
    draft: async asked => (await thread?.draft(asked)) ?? [],
    async close() {
      const ending = thread
      thread = undefined
      await ending?.end()
    }
  }
}

class Thread {
  readonly #worker: Worker
  readonly #ended: Promise<void>
  #isReady = false
  #isEnding = false
  /** By what waits for it: answers come in the order of what was asked. */
  readonly #waiting: ((drafts: Drafts) => void)[] = []

  constructor(data: AsideData) {
    const worker = new Worker(join(import.meta.dirname, 'aside-thread.js'), {
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
    worker.on('message', (answer: Drafts | 'ready') => {
      if (answer === 'ready') this.#isReady = true
      else this.#waiting.shift()!(answer)
      if (this.#waiting.length === 0 && !this.#isEnding) worker.unref()
    })
    worker.unref()
  }

  get isReady(): boolean {
    return this.#isReady
  }

  draft(asked: Asked): Promise<Drafts> {
    if (!this.#isReady) return Promise.resolve([])
    return new Promise(resolve => {
      this.#waiting.push(resolve)
      this.#worker.ref()
      this.#worker.postMessage(asked)
    })
  }

  end(): Promise<void> {
    this.#isEnding = true // a process with nothing else to do would be gone before the keys are wiped and the books closed
    this.#worker.ref()
    this.#worker.postMessage(undefined)
    return this.#ended
  }
}
