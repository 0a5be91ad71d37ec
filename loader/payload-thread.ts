/** The entry of a thread that helps with a payload. */
import { workerData } from 'node:worker_threads'
import { Blocks, type BlockWork } from './blocks.js'
import { releaseAtOnce } from './helpers.js'

releaseAtOnce()
const blocks = new Blocks(workerData as BlockWork)
blocks.help()
blocks.wipe()
