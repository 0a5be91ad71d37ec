/** A pool's guests in threads: a worker stays, and serves one guest after the other. */
import type { EngineGuest, GuestSource, LaunchOptions, Program } from '../guest.js'
import { startable } from '../quickjs/source.js'
import { startRemote } from '../remote/near.js'
import { Thread } from './thread.js'

export function openThreads(given: Program, options: LaunchOptions): GuestSource {
  const program = startable(given, options)
  const idle: Thread[] = []
  return {
    start(): Promise<EngineGuest> {
      // The worker has the program, from its own start.
      return startRemote('quickjs', {}, options, (events, limits) => {
        let thread = idle.pop()
        while (thread?.isAlive() === false) thread = idle.pop()
        thread ??= new Thread(limits, program, given.image !== undefined)
        return thread.serve(events, () => idle.push(thread))
      })
    },
    async close() {
      await Promise.all(idle.splice(0).map(thread => thread.end()))
      program.source?.fill(0)
      program.image?.fill(0)
    }
  }
}
