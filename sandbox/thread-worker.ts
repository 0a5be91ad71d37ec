/** The far side of a guest in a thread: a worker's entry. */
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads'
import { quickjs } from './quickjs/node.js'
import { serveRemote } from './remote.js'
import type { ThreadData } from './thread/launch.js'

const { answers, answered } = workerData as ThreadData
let seen = 0

const receive = serveRemote(
  { engine: 'quickjs', prepare: quickjs },
  {
    post: frame => parentPort!.postMessage(frame.slice()),
    ask(frame) {
      parentPort!.postMessage(frame.slice())
      while (Atomics.load(answered, 0) === seen) Atomics.wait(answered, 0, seen)
      seen++
      return receiveMessageOnPort(answers)!.message as Uint8Array
    },
    close: () => parentPort!.close()
  }
)
parentPort!.on('message', receive)
