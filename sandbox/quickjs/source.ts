/**
 * A pool's guests in this thread: the memories of a few instances, put back after each guest (pristine.ts). One more is
 * made ahead, when this thread has nothing else to do, so that whoever takes a guest after one that cannot be put back
 * does not wait for it.
 */
import { hex } from '../../formats/bytes.js'
import { grantTable } from '../capabilities.js'
import { fillRandom } from '../chance.js'
import type { GuestSource, LaunchOptions, Program } from '../guest.js'
import { makeTitleImage } from '../imaging.js'
import { withDefaults } from '../limits.js'
import type { MachinePort } from '../machine.js'
import { startSession } from '../session.js'
import type { Reuse } from './machine.js'
import { quickjs } from './node.js'
import { Awake } from './resting.js'

/** @param awake - How many guests have memory of their own at one time. */
export async function openInline(
  given: Program,
  options: LaunchOptions,
  awake: number
): Promise<GuestSource> {
  const factory = quickjs()
  const program = startable(given, options)
  // The program may have computed for as long as it may, and its guest's start may again.
  await new Promise(resolve => setImmediate(resolve))
  const reuse: Reuse = { idle: [], foreign: given.image !== undefined, awake: new Awake(awake) }
  const limits = withDefaults(options.limits)
  let sparing: NodeJS.Immediate | undefined
  const spare = () => {
    sparing = undefined
    try {
      factory.spare(limits, reuse)
    } catch {
      // Who needs one is told why there is none.
    }
  }
  return {
    async start() {
      const make = (port: MachinePort) => factory(port, limits, { reuse })
      const guest = await startSession('quickjs', make, program, options, { random: fillRandom })
      if (reuse.idle.length === 0) sparing ??= setImmediate(spare).unref()
      return guest
    },
    close() {
      clearImmediate(sparing)
      const pristine = reuse.begun?.pristine
      for (const instance of reuse.idle.splice(0)) pristine?.erase(instance)
      pristine?.wipe()
      program.source?.fill(0)
      program.image?.fill(0)
    }
  }
}

/**
 * A program as guests of a pool start it: from an image where there can be one, made here if it has to be, since its
 * grants are known. Bytes of its own.
 */
export function startable({ source, image }: Program, options: LaunchOptions): Program {
  if (image !== undefined || source === undefined) return { source: source?.slice(), image: image?.slice() }
  const made = makeTitleImage(quickjs(), source, {
    name: options.name ?? 'title.js',
    grants: [grantTable(options.capabilities ?? {}).modules],
    limits: withDefaults(options.limits),
    mark: hex(crypto.getRandomValues(new Uint8Array(16)))
  })
  // The source stays for guests that are granted something else later.
  return made instanceof Uint8Array ? { source: source.slice(), image: made } : { source: source.slice() }
}
