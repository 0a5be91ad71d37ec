/** The entry of a thread that helps with payloads, one after the other. */
import { parentPort, workerData } from 'node:worker_threads'
import { Blocks, type BlockWork } from './blocks.js'
import { releaseAtOnce } from './release.js'

releaseAtOnce()
const port = parentPort!
const idleMs = workerData as number
const end = () => port.close()

let idle = setTimeout(end, idleMs)
port.on('message', (work: BlockWork) => {
  clearTimeout(idle)
  try {
    const blocks = new Blocks(work)
    blocks.help()
    blocks.wipe()
  } catch {
    // It was through before this began: its keys are wiped.
  }
  idle = setTimeout(end, idleMs)
})
