/**
 * Threads that help with a large payload. They start within some 40 ms, work on blocks as long as there are any, and are
 * needed by nobody: whoever passes a payload goes on alone until they are there, where there can be none, and after one
 * that died at its work.
 */
import type { Worker } from 'node:worker_threads'
import { threadStart } from '../sandbox/resources.js'
import { blockMemory, cleared, type BlockMemory, type BlockWork } from './blocks.js'
import type { Helpers } from './pass.js'

/** Where a thread pays for its start. */
const LARGE_BYTES = 48 * 1024 * 1024
/** Reading, hashing and writing stay with one thread; more than this would wait for it. */
const MAX_HELPERS = 2

/** From when its last payload was through: long enough to flush a large copy before it is read back. */
const IDLE_MS = 60_000

let kept: HelperThreads | undefined

/** What to pass a payload of that size with. */
export function helpersFor(payloadBytes: number): Helpers | undefined {
  if (payloadBytes < LARGE_BYTES) return undefined
  const { availableParallelism } = process.getBuiltinModule('node:os')
  const count = Math.min(MAX_HELPERS, availableParallelism() - 1)
  return count < 1 ? undefined : (kept ??= new HelperThreads(count))
}

/** Threads that go on to the next payload: what they have compiled by then does it in half the time. */
export class HelperThreads implements Helpers {
  readonly count: number
  readonly #idleMs: number
  readonly #threads = new Set<Worker>()
  #memory: BlockMemory | undefined

  /** @param idleMs - How long they wait for another payload. They keep no process from its end. */
  constructor(count: number, idleMs = IDLE_MS) {
    this.count = count
    this.#idleMs = idleMs
  }

  memory(): BlockMemory {
    if (this.#memory === undefined || !cleared(this.#memory)) this.#memory = blockMemory(1 + this.count)
    return this.#memory
  }

  start(work: BlockWork): void {
    try {
      while (this.#threads.size < this.count) this.#threads.add(this.#begun())
    } catch {
      // What cannot be begun, as under Node's permissions, is done without.
    }
    for (const thread of this.#threads) thread.postMessage(work)
  }

  #begun(): Worker {
    const { Worker } = process.getBuiltinModule('node:worker_threads')
    const { url, argv } = threadStart('payload-thread.cjs', import.meta.dirname)
    const worker = new Worker(url, { argv, workerData: this.#idleMs, env: {}, execArgv: [], stdin: false })
    // What a thread cannot do is done without it.
    worker.on('error', () => {})
    worker.once('exit', () => this.#threads.delete(worker))
    worker.unref()
    return worker
  }
}
