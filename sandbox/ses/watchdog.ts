/**
 * The second thread of a SES guest's process. It watches the clock that the main thread sets before it lets the guest
 * compute, and the memory of the whole process, and ends the process where a limit is passed: nothing that V8 does on
 * the main thread can keep it from that.
 */
import { writeSync } from 'node:fs'
import { parentPort } from 'node:worker_threads'
import { FD, verdict, WATCHED } from './pipes.js'

/** What both threads see. */
export interface Watched {
  /** Date.now() by which the guest must have stopped computing, and when that is near: at HARD and SOFT. Infinity while it
   * rests. */
  readonly deadlines: Float64Array
  /** Bytes of the process past which its memory is used up, and nearly so. */
  readonly memory: Float64Array
  /** By the places below. */
  readonly flags: Int32Array
}

/** The number of the limit that the deadline stands for. */
export const HARD = 0
export const SOFT = 1
/** Turns 1 when the watchdog is awake. */
export const AWAKE = 2
/** Changes when the guest begins to compute, and when it stops. */
export const CHANGED = 3
/** From here on by the number of a limit: 1 once somebody has told that it is nearly used up. */
export const TOLD = 4

/** While the guest computes; a guest fills some 2 MB in a millisecond. */
const BUSY_CHECK_MS = 4
/** While it rests: only to see whether the parent is still there. */
const IDLE_CHECK_MS = 500

export function watchProcess({ deadlines, memory, flags }: Watched): void {
  const parent = process.ppid
  Atomics.store(flags, AWAKE, 1)
  Atomics.notify(flags, AWAKE)
  parentPort?.unref()
  for (;;) {
    const seen = Atomics.load(flags, CHANGED)
    const busy = deadlines[HARD] !== Infinity
    const nowMs = Date.now()
    const near = nowMs - deadlines[SOFT]!
    // In whole milliseconds, so that the guest's own thread finds the same when it looks.
    if (near > 1) tell(flags, Atomics.load(flags, SOFT), near)
    const late = nowMs - deadlines[HARD]!
    if (late > 0) end(Atomics.load(flags, HARD), late)
    const rssBytes = process.memoryUsage.rss()
    const nearBytes = rssBytes - memory[SOFT]!
    if (nearBytes > 0) tell(flags, MEMORY, nearBytes)
    const excess = rssBytes - memory[HARD]!
    if (excess > 0) end(MEMORY, excess)
    if (process.ppid !== parent) process.kill(process.pid, 'SIGKILL')
    Atomics.wait(flags, CHANGED, seen, busy ? BUSY_CHECK_MS : IDLE_CHECK_MS)
  }
}

const MEMORY = WATCHED.indexOf('memoryBytes')

/** Once, whichever of the two threads is first. */
function tell(flags: Int32Array, limit: number, excess: number): void {
  if (Atomics.exchange(flags, TOLD + limit, 1) === 0)
    writeSync(FD.verdict, verdict({ limit, excess, soft: true }))
}

function end(limit: number, excess: number): void {
  try {
    writeSync(FD.verdict, verdict({ limit, excess, soft: false }))
  } finally {
    process.kill(process.pid, 'SIGKILL')
  }
}
