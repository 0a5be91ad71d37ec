/** QuickJS in a worker thread, so that the caller is never kept waiting. */
import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads'
import type { CofferError } from '../../formats/errors.js'
import { engineFailed } from '../failures.js'
import type { EngineGuest, LaunchOptions, Limits, Program } from '../guest.js'
import { DISPOSE } from '../remote/frames.js'
import { type NearChannel, type NearEvents, startRemote } from '../remote/near.js'
import { threadStart } from '../resources.js'
import { postFrame } from './post.js'

/** What the worker is given at its start. */
export interface ThreadData {
  /** Answers to what the worker asks and waits for. */
  readonly answers: MessagePort
  /** One Int32: the number of answers sent so far, which the worker waits on. */
  readonly answered: Int32Array
  /** Of a worker that serves guest after guest: their program. */
  readonly program: Program | undefined
  /** @see Reuse */
  readonly foreign: boolean
}

/** The engine's own stack is bounded below V8's; a recursion must meet that bound first. */
const STACK_RATIO = 4

export const launchThread = (program: Program, options: LaunchOptions): Promise<EngineGuest> =>
  startRemote('quickjs', program, options, (events, limits) => new Thread(limits).serve(events))

/** How long a worker that is to serve another guest may take to let go of one. */
const LETTING_GO_MS = 200

/** A worker, and the guest that it serves. */
export class Thread {
  readonly #worker: Worker
  readonly #answers: MessagePort
  readonly #answered = new Int32Array(new SharedArrayBuffer(4))
  readonly #stays: boolean
  #events: NearEvents | undefined
  /** Told when the guest is no more and the worker is. */
  #onFree: (() => void) | undefined
  #ended = false

  /**
   * @param program - The worker keeps it, and serves guest after guest of it.
   * @param foreign - Its image was not made here.
   */
  constructor(limits: Limits, program?: Program, foreign = false) {
    const { port1, port2 } = new MessageChannel()
    this.#answers = port1
    this.#stays = program !== undefined
    const { url, argv } = threadStart('thread-worker.js')
    this.#worker = new Worker(url, {
      argv,
      workerData: { answers: port2, answered: this.#answered, program, foreign } satisfies ThreadData,
      transferList: [port2],
      env: {},
      execArgv: [],
      stdin: false,
      resourceLimits: { stackSizeMb: Math.ceil((limits.stackBytes * STACK_RATIO) / 2 ** 20) }
    })
    this.#worker.on('message', (frame: Uint8Array | null) => {
      if (frame === null) this.#free()
      else this.#events?.frame(frame)
    })
    this.#worker.on('error', error => this.#close(engineFailed('its thread failed', error)))
    this.#worker.on('exit', () => this.#close())
    this.#answers.unref()
  }

  /** @param onFree - Called once the worker can serve another guest; never, where it ended with this one. */
  serve(events: NearEvents, onFree?: () => void): NearChannel {
    this.#events = events
    this.#onFree = onFree
    return {
      post: frame => postFrame(this.#worker, frame),
      answer: frame => {
        postFrame(this.#answers, frame)
        Atomics.add(this.#answered, 0, 1)
        Atomics.notify(this.#answered, 0)
      },
      hold: held => (held ? this.#worker.ref() : this.#worker.unref()),
      kill: () => {
        if (!this.#stays) void this.end()
        else if (this.#events === events) this.#letGo()
      }
    }
  }

  async end(): Promise<void> {
    this.#answers.close()
    await this.#worker.terminate()
  }

  /** The guest is to go and the worker to stay, if it hears of it soon. */
  #letGo(): void {
    this.#events = undefined
    this.#worker.postMessage(DISPOSE)
    const timer = setTimeout(() => void this.end(), LETTING_GO_MS)
    const onFree = this.#onFree
    this.#onFree = () => {
      clearTimeout(timer)
      onFree?.()
    }
  }

  #free(): void {
    const [events, onFree] = [this.#events, this.#onFree]
    this.#events = undefined
    this.#onFree = undefined
    this.#worker.unref()
    events?.closed()
    onFree?.()
  }

  #close(reason?: CofferError): void {
    if (this.#ended) return
    this.#ended = true
    this.#events?.closed(reason)
  }
}
