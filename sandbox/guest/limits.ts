/** `coffer:limits`: how a program hears that it is about to be ended. */
import { readError, TO_HOST } from '../protocol.js'
import type { Reader } from '../wire.js'
import { AbortController, type AbortSignal } from './events.js'
import { define } from './globals.js'
import { type Link, revive } from './link.js'

export interface OwnLimits {
  /** One of the program's functions: a signal that is aborted once a limit is nearly used up. */
  softLimit(): AbortSignal
  /** A `pressed` message. */
  pressed(reader: Reader): void
}

export function makeLimits(link: Link): OwnLimits {
  let controller = new AbortController()

  const pressed = (reader: Reader) => {
    const error = revive(readError(reader))
    define(error, 'limit', { name: reader.text(), value: reader.number(), used: reader.number() })
    controller.abort(error)
  }

  return {
    softLimit() {
      link.begin(TO_HOST.pressure)
      const reader = link.reader(link.send()!)
      if (reader.boolean()) pressed(reader)
      // The call that was pressed is over.
      else if (controller.signal.aborted) controller = new AbortController()
      return controller.signal
    },
    pressed
  }
}
