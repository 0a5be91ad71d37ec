/** QuickJS in a worker thread of its own, or in one whose guest is gone: to start one takes ten times as long. */
import type { EngineGuest, LaunchOptions, Limits, Program } from '../guest.js'
import { startRemote } from '../remote/near.js'
import { stackMiB, Thread } from './thread.js'

const MOST_KEPT = 4
const KEPT_MS = 10_000

/** Threads that let go of their guest; they keep no process from its end. Each ends by its timer. */
const kept = new Map<Thread, NodeJS.Timeout>()

export const launchThread = (program: Program, options: LaunchOptions): Promise<EngineGuest> =>
  startRemote('quickjs', program, options, (events, limits) => {
    const thread = takeKept(limits) ?? new Thread(limits)
    return thread.serve(events, () => keep(thread))
  })

function takeKept(limits: Limits): Thread | undefined {
  for (const [thread, timer] of kept) {
    if (thread.stackMiB !== stackMiB(limits) || !thread.isAlive()) continue
    clearTimeout(timer)
    kept.delete(thread)
    return thread
  }
  return undefined
}

function keep(thread: Thread): void {
  if (kept.size >= MOST_KEPT) return void thread.end()
  const drop = () => {
    kept.delete(thread)
    void thread.end()
  }
  kept.set(thread, setTimeout(drop, KEPT_MS).unref())
}
