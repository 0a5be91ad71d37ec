/** QuickJS in a worker thread of its own, or in one whose guest is gone: to start one takes ten times as long. */
import type { EngineGuest, LaunchOptions, Limits, Program } from '../guest.js'
import { startRemote } from '../remote/near.js'
import { Spares } from '../spare.js'
import { stackMiB, Thread } from './thread.js'

/** Threads that let go of their guest. */
const kept = new Spares<Thread>({ most: 4, onDrop: thread => void thread.end() })

/** @param graceMs - How long a guest may take to go before its thread is ended with it. */
export const launchThread = (
  program: Program,
  options: LaunchOptions,
  graceMs?: number
): Promise<EngineGuest> =>
  startRemote(
    'quickjs',
    program,
    options,
    (events, limits) => {
      const thread = kept.take(waiting => isFor(limits, waiting)) ?? new Thread(limits)
      return thread.serve(events, () => kept.leave(thread), graceMs)
    },
    graceMs
  )

const isFor = (limits: Limits, thread: Thread): boolean =>
  thread.stackMiB === stackMiB(limits) && thread.isAlive()
