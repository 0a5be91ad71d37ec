/**
 * The second thread of a SES guest's process. It watches the clock that the main thread sets before it lets the guest
 * compute, and the memory of the whole process, and ends the process where a limit is passed: nothing that V8 does on
 * the main thread can keep it from that.
 */
import { writeSync } from 'node:fs'
import { parentPort } from 'node:worker_threads'
import { FD, verdict, WATCHED } from './pipes.js'

/** What both threads see. */
export interface Watch {
  /** [0] Date.now() by which the guest must have stopped computing, Infinity while it rests; [1] bytes of the process
   * past which its memory is used up. */
  readonly numbers: Float64Array
  /** [0] the number of the limit that the deadline stands for; [1] turns 1 when the watchdog is awake; [2] changes when
   * the guest begins to compute. */
  readonly flags: Int32Array
}

/** While the guest computes; a guest fills some 2 MB in a millisecond. */
const BUSY_CHECK_MS = 4
/** While it rests: only to see whether the parent is still there. */
const IDLE_CHECK_MS = 500

export function watchProcess({ numbers, flags }: Watch): void {
  const parent = process.ppid
  Atomics.store(flags, 1, 1)
  Atomics.notify(flags, 1)
  parentPort?.unref()
  for (;;) {
    const seen = Atomics.load(flags, 2)
    const busy = numbers[0] !== Infinity
    const late = Date.now() - numbers[0]!
    if (late > 0) end(Atomics.load(flags, 0), late)
    const excess = process.memoryUsage.rss() - numbers[1]!
    if (excess > 0) end(MEMORY, excess)
    if (process.ppid !== parent) process.kill(process.pid, 'SIGKILL')
    Atomics.wait(flags, 2, seen, busy ? BUSY_CHECK_MS : IDLE_CHECK_MS)
  }
}

const MEMORY = WATCHED.indexOf('memoryBytes')

function end(limit: number, excess: number): void {
  try {
    writeSync(FD.verdict, verdict(limit, excess))
  } finally {
    process.kill(process.pid, 'SIGKILL')
  }
}
