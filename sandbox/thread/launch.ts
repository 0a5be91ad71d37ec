/** QuickJS in a worker thread, so that the caller is never kept waiting. */
import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads'
import { engineFailed } from '../failures.js'
import type { Guest, LaunchOptions, Program } from '../guest.js'
import { startRemote } from '../remote.js'
import { resource } from '../resources.js'

/** What the worker is given at its start. */
export interface ThreadData {
  /** Answers to what the worker asks and waits for. */
  readonly answers: MessagePort
  /** One Int32: the number of answers sent so far, which the worker waits on. */
  readonly answered: Int32Array
}

/** The engine's own stack is bounded below V8's; a recursion must meet that bound first. */
const STACK_RATIO = 4

export function launchThread(program: Program, options: LaunchOptions): Promise<Guest> {
  return startRemote('quickjs', program, options, (events, limits) => {
    const { port1: answers, port2 } = new MessageChannel()
    const answered = new Int32Array(new SharedArrayBuffer(4))
    const worker = new Worker(resource('thread-worker.js'), {
      workerData: { answers: port2, answered } satisfies ThreadData,
      transferList: [port2],
      env: {},
      execArgv: [],
      stdin: false,
      resourceLimits: { stackSizeMb: Math.ceil((limits.stackBytes * STACK_RATIO) / 2 ** 20) }
    })
    worker.on('message', (frame: Uint8Array) => events.frame(frame))
    worker.on('error', error => events.closed(engineFailed('its thread failed', error)))
    worker.on('exit', () => events.closed())
    answers.unref()
    return {
      post: frame => worker.postMessage(frame.slice()),
      answer(frame) {
        answers.postMessage(frame.slice())
        Atomics.add(answered, 0, 1)
        Atomics.notify(answered, 0)
      },
      hold: held => (held ? worker.ref() : worker.unref()),
      kill() {
        void worker.terminate()
        answers.close()
      }
    }
  })
}
