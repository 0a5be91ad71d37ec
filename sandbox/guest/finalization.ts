/**
 * FinalizationRegistry for a realm whose engine calls back by itself. V8 does it in a task of its own, after the guest's
 * turn and on nobody's account: here its callback only notes what was held, and asks the host for a turn, in which the
 * program's own callbacks run.
 */
import { TypeErrorOf, apply, bareList, construct, defineProperty } from '../primordials.js'
import { TO_HOST } from '../protocol.js'
import { installGlobals } from './globals.js'
import type { Link } from './link.js'

type Cleanup = (held: unknown) => unknown

/**
 * Before the realm's FinalizationRegistry is frozen: its prototype leads to this one too.
 *
 * @param report - Told of what a callback throws, which is nobody's to catch.
 * @returns Runs the callbacks that are due, in a turn of the guest's.
 */
export function installFinalization(link: Link, report: (thrown: unknown) => void): () => void {
  const Native = FinalizationRegistry
  let due = bareList<readonly [Cleanup, unknown]>()

  const note = (cleanup: Cleanup, held: unknown) => {
    due[due.length] = [cleanup, held]
    if (due.length > 1) return
    link.begin(TO_HOST.collected)
    link.send()
  }

  const Registry = function (this: unknown, cleanup: unknown) {
    if (new.target === undefined)
      throw new TypeErrorOf("Class constructor FinalizationRegistry cannot be invoked without 'new'")
    if (typeof cleanup !== 'function')
      throw new TypeErrorOf('The callback of a FinalizationRegistry must be a function')
    return construct(Native, [(held: unknown) => note(cleanup as Cleanup, held)], new.target)
  }
  defineProperty(Registry, 'prototype', { value: Native.prototype, writable: false })
  defineProperty(Native.prototype, 'constructor', {
    value: Registry,
    writable: true,
    configurable: true
  })
  installGlobals({ FinalizationRegistry: Registry })

  return () => {
    const now = due
    due = bareList()
    for (let i = 0; i < now.length; i++) {
      try {
        apply(now[i]![0], undefined, [now[i]![1]])
      } catch (thrown) {
        report(thrown)
      }
    }
  }
}
