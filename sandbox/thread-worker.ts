/** The far side of a guest in a thread: a worker's entry. */
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads'
import type { MachineFactory } from './machine.js'
import type { Reuse } from './quickjs/machine.js'
import { quickjs } from './quickjs/node.js'
import { serveRemote } from './remote/far.js'
import type { ThreadData } from './thread/launch.js'
import { postFrame } from './thread/post.js'

const { answers, answered, program, foreign } = workerData as ThreadData
const reuse: Reuse | undefined = program && { idle: [], foreign }
let seen = 0

function prepare(): MachineFactory {
  const factory = quickjs()
  return (port, limits) => factory(port, limits, reuse && { reuse })
}

function serve(): (frame: Uint8Array) => void {
  // What a guest of before says late is nobody's.
  let open = true
  return serveRemote(
    { engine: 'quickjs', prepare, program },
    {
      post(frame) {
        if (open) postFrame(parentPort!, frame)
      },
      ask(frame) {
        postFrame(parentPort!, frame)
        while (Atomics.load(answered, 0) === seen) Atomics.wait(answered, 0, seen)
        seen++
        return receiveMessageOnPort(answers)!.message as Uint8Array
      },
      close() {
        if (program === undefined) return parentPort!.close()
        open = false
        receive = serve()
        parentPort!.postMessage(null)
      }
    }
  )
}

let receive = serve()
parentPort!.on('message', frame => receive(frame))
