/**
 * The second thread of a SES guest's process. It watches the clock that the main thread sets before it lets the guest
 * compute, and the memory of the whole process, and ends the process where a limit is passed: nothing that V8 does on
 * the main thread can keep it from that. While the guest rests it watches what the process computes all the same, against
 * code of the guest's that V8 or Node would run of their own accord.
 */
import { writeSync } from 'node:fs'
import { parentPort } from 'node:worker_threads'
import { monotonicMs } from '../clock.js'
import { FD, verdict, WATCHED } from './pipes.js'

/** What both threads see. */
export interface Watched {
  /** Date.now() by which the guest must have stopped computing, and when that is near: at HARD and SOFT. Infinity while it
   * rests. */
  readonly deadlines: Float64Array
  /** Bytes of the process past which its memory is used up, and nearly so. */
  readonly memory: Float64Array
  /** Milliseconds that the guest may compute, and that the process may while it rests. Infinity before there is a guest. */
  readonly computing: Float64Array
  /** By the places below. */
  readonly flags: Int32Array
}

/** The number of the limit that the deadline stands for. */
export const HARD = 0
export const SOFT = 1
/** Places in what may be computed. */
export const COMPUTING = 0
export const RESTING = 1
/** Turns 1 when the watchdog is awake. */
export const AWAKE = 2
/** Changes when the guest begins to compute, and when it stops. */
export const CHANGED = 3
/** From here on by the number of a limit: 1 once somebody has told that it is nearly used up. */
export const TOLD = 4

/** While the guest computes; a guest fills some 2 MB in a millisecond. */
const BUSY_CHECK_MS = 4
/** While it rests. */
const IDLE_CHECK_MS = 100
/** What of the time at rest may be spent on computing: more than waiting costs. */
const IDLE_SHARE = 0.25

export function watchProcess({ deadlines, memory, computing, flags }: Watched): void {
  const parent = process.ppid
  const rest = new Rest()
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
    const mayMs = computing[RESTING]!
    const restMs = rest.computedMs(busy || mayMs === Infinity, seen)
    if (restMs > mayMs) end(CPU, restMs - computing[COMPUTING]!)
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
const CPU = WATCHED.indexOf('cpuMs')

/** What the process computes in one rest of the guest's. */
class Rest {
  #turn = NaN
  #lookedMs = 0
  #usedMs = 0
  #computedMs = 0

  /**
   * All threads of the process count, for Node knows no other's: who takes this for a limit leaves room for V8's own.
   *
   * @param none - It does not rest.
   * @param turn - Another number since the guest last computed.
   * @returns Milliseconds of the processor's so far, without {@link IDLE_SHARE} of the time.
   */
  computedMs(none: boolean, turn: number): number {
    const nowMs = monotonicMs()
    const { user, system } = process.cpuUsage()
    const usedMs = (user + system) / 1000
    const moreMs = usedMs - this.#usedMs - (nowMs - this.#lookedMs) * IDLE_SHARE
    this.#computedMs = none || turn !== this.#turn ? 0 : Math.max(this.#computedMs + moreMs, 0)
    this.#turn = turn
    this.#lookedMs = nowMs
    this.#usedMs = usedMs
    return this.#computedMs
  }
}

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
