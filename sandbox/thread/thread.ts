/** A worker thread with QuickJS, so that the caller is never kept waiting. */
import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads'
import type { CofferError } from '../../formats/errors.js'
import { engineFailed } from '../failures.js'
import type { Limits, Program } from '../guest.js'
import { DISPOSE } from '../remote/frames.js'
import type { NearChannel, NearEvents } from '../remote/near.js'
import { threadStart } from '../resources.js'
import { Lookout } from './lookout.js'
import { type Mailbox, mailboxMemory, Outbox } from './mailbox.js'

/** What the worker is given at its start. */
export interface ThreadData {
  readonly toHost: Mailbox
  readonly toWorker: Mailbox
  /** To what the worker asks, and waits for. */
  readonly answers: Mailbox
  /** Of all its guests; undefined where each comes with its own. */
  readonly program: Program | undefined
  /** @see Reuse */
  readonly foreign: boolean
}

/** The engine's own stack is bounded below V8's; a recursion must meet that bound first. */
const STACK_RATIO = 4

export const stackMiB = ({ stackBytes }: Limits): number => Math.ceil((stackBytes * STACK_RATIO) / 2 ** 20)

const LETTING_GO_MS = 200

/** A worker, and the guest that it serves; when that has gone in good order or at a limit that the worker told of, the next. */
export class Thread {
  /** Of the worker's own stack. */
  readonly stackMiB: number
  readonly #worker: Worker
  readonly #frames: Outbox
  readonly #answers: Outbox
  readonly #lookout: Lookout
  readonly #ports: readonly MessagePort[]
  readonly #hasProgram: boolean
  #events: NearEvents | undefined
  /** The guest was told to go. */
  #leaving = false
  /** For how long it is waited for. */
  #patience: NodeJS.Timeout | undefined
  /** Told when the guest is no more and the worker is. */
  #onFree: (() => void) | undefined
  #ending = false
  #ended = false

  /**
   * @param program - The worker keeps it, for all its guests. Undefined where each comes with its own.
   * @param foreign - Its image was not made here.
   * @throws CofferError COFFER_ENGINE_FAILED where the system, or Node's permissions, let no thread start.
   */
  constructor(limits: Limits, program?: Program, foreign = false) {
    const frames = new MessageChannel()
    const answers = new MessageChannel()
    const memory = { toHost: mailboxMemory(), toWorker: mailboxMemory(), answers: mailboxMemory() }
    this.#frames = new Outbox({ memory: memory.toWorker, port: frames.port1 })
    this.#answers = new Outbox({ memory: memory.answers, port: answers.port1 })
    this.#ports = [frames.port1, answers.port1]
    this.#hasProgram = program !== undefined
    this.stackMiB = stackMiB(limits)
    const { url, argv } = threadStart('thread-worker.cjs')
    try {
      this.#worker = new Worker(url, {
        argv,
        workerData: {
          toHost: { memory: memory.toHost, port: frames.port2 },
          toWorker: { memory: memory.toWorker, port: frames.port2 },
          answers: { memory: memory.answers, port: answers.port2 },
          program,
          foreign
        } satisfies ThreadData,
        transferList: [frames.port2, answers.port2],
        env: {},
        execArgv: [],
        stdin: false,
        resourceLimits: { stackSizeMb: this.stackMiB }
      })
    } catch (cause) {
      for (const port of this.#ports) port.close()
      throw engineFailed('its thread does not start', cause)
    }
    this.#lookout = new Lookout(
      { memory: memory.toHost, port: frames.port1 },
      frame => {
        if (frame.length === 0) this.#free()
        else this.#events?.frame(frame)
      },
      cause => {
        this.#close(engineFailed('it sent what it never sends', cause))
        void this.end()
      }
    )
    this.#worker.on('error', error => this.#close(engineFailed('its thread failed', error)))
    this.#worker.on('exit', () => this.#close())
  }

  /**
   * @param onFree - Called once the worker can serve another guest; never, where it ended with this one.
   * @param graceMs - How long a worker that is to stay may take to let go of a guest that is to be gone at once.
   */
  serve(events: NearEvents, onFree: () => void, graceMs = LETTING_GO_MS): NearChannel {
    this.#events = events
    this.#onFree = onFree
    return {
      post: frame => this.#post(this.#frames, frame),
      answer: frame => this.#post(this.#answers, frame),
      settle: frame => this.#post(this.#frames, frame, true),
      untakenBytes: () => this.#frames.untakenBytes,
      hold: held => {
        if (this.#events !== events) return
        if (held) this.#worker.ref()
        else this.#worker.unref()
      },
      kill: told => {
        if (this.#events !== events) return
        if (told !== true && !this.#hasProgram) void this.end()
        else if (!this.#leaving) this.#letGo(graceMs)
      }
    }
  }

  #post(box: Outbox, frame: Uint8Array, counts?: boolean): void {
    this.#lookout.expect()
    box.post(frame, counts)
  }

  isAlive(): boolean {
    return !this.#ending && !this.#ended
  }

  /** Its guest may say that it is gone while this is under way: nobody may have the thread then. */
  async end(): Promise<void> {
    this.#ending = true
    this.#onFree = undefined
    for (const port of this.#ports) port.close()
    await this.#worker.terminate()
  }

  /** The guest is to go and the worker to stay, if it hears of it soon. */
  #letGo(graceMs: number): void {
    this.#leaving = true
    this.#post(this.#frames, DISPOSE)
    this.#patience = setTimeout(() => {
      this.#onFree = undefined
      void this.end()
    }, graceMs)
  }

  #free(): void {
    const [events, onFree] = [this.#events, this.#onFree]
    this.#events = undefined
    this.#onFree = undefined
    this.#leaving = false
    clearTimeout(this.#patience)
    this.#worker.unref()
    events?.closed()
    if (!this.#ended) onFree?.()
  }

  #close(reason?: CofferError): void {
    if (this.#ended) return
    this.#ended = true
    clearTimeout(this.#patience)
    this.#lookout.drain()
    const events = this.#events
    this.#events = undefined
    events?.closed(reason)
  }
}
