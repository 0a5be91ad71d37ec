/**
 * A pool's guests in processes: one each, since a realm that a guest has been in is not to be believed again. A spare
 * process is started ahead, locked down and waiting, so that the next guest finds one.
 */
import { imageUnfit } from '../failures.js'
import type { EngineGuest, GuestSource, LaunchOptions, Program } from '../guest.js'
import { startRemote } from '../remote/near.js'
import { withDefaults } from '../limits.js'
import { type Child, startChild } from './launch.js'

export function openProcesses({ source: given }: Program, options: LaunchOptions): GuestSource {
  if (given === undefined) throw imageUnfit()
  const source = given.slice()
  const limits = withDefaults(options.limits)
  const spawn = () => startChild(limits, source.length)
  const ahead = (): Child | undefined => {
    try {
      return spawn()
    } catch {
      // The next guest starts its own, or says why not.
      return undefined
    }
  }
  let spare = ahead()
  return {
    start(): Promise<EngineGuest> {
      return startRemote('ses', { source }, options, events => {
        const child = spare?.isAlive() === true ? spare : spawn()
        spare = ahead()
        return child.serve(events)
      })
    },
    close() {
      spare?.kill()
      spare = undefined
      source.fill(0)
    }
  }
}
