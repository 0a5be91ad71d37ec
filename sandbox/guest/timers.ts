/**
 * setTimeout, setInterval and queueMicrotask. The waiting timers stand here, inside the guest's own memory and on
 * its own CPU account; the host knows one thing only, when to wake the guest next.
 *
 * A binary heap by due time, then by the order of asking. Each timer knows its place, so that clearing is quick.
 */
import {
  PromiseOf,
  TypeErrorOf,
  apply,
  bareList,
  defineProperty,
  floor,
  mapDelete,
  mapGet,
  mapSet,
  promiseThen
} from '../primordials.js'
import { TO_HOST } from '../protocol.js'
import type { Clock } from './clock.js'
import { installGlobals } from './globals.js'
import type { Link } from './link.js'

interface Timer {
  readonly id: number
  readonly run: (...args: unknown[]) => unknown
  readonly args: unknown[]
  /** Milliseconds on the guest's clock. */
  due: number
  /** Breaks ties. */
  order: number
  /** Milliseconds between runs; undefined runs once. */
  readonly every: number | undefined
  place: number
}

export interface Timers {
  /** Run the first timer if it is due, and say when the next one is. */
  wake(): void
  /** Timers that may wait at one time. */
  limit: number
}

const MAX_DELAY_MS = 2 ** 31 - 1

export function installTimers(link: Link, clock: Clock, report: (thrown: unknown) => void): Timers {
  const heap = bareList<Timer>()
  const byId = new Map<number, Timer>()
  let lastId = 0
  let lastOrder = 0
  /** What the host was last asked for; -1 when nothing. */
  let asked = -1

  /**
   * Move a timer to where it belongs among the first `size`, starting from a place that is free. It calls nothing: where a
   * program has used up its stack this fails before anything has moved, or not at all.
   */
  const sift = (timer: Timer, place: number, size: number) => {
    const { due, order } = timer
    while (place > 0) {
      const parent = heap[(place - 1) >> 1]!
      if (parent.due < due || (parent.due === due && parent.order < order)) break
      const above = parent.place
      heap[place] = parent
      parent.place = place
      place = above
    }
    for (let at = 2 * place + 1; at < size; at = 2 * place + 1) {
      let child = heap[at]!
      const other = heap[at + 1]
      if (
        at + 1 < size &&
        (other!.due < child.due || (other!.due === child.due && other!.order < child.order))
      )
        child = other!
      if (due < child.due || (due === child.due && order < child.order)) break
      const below = child.place
      heap[place] = child
      child.place = place
      place = below
    }
    heap[place] = timer
    timer.place = place
  }

  const add = (timer: Timer) => {
    if (heap.length >= timers.limit) {
      link.begin(TO_HOST.flooded)
      link.send()
    }
    sift(timer, heap.length, heap.length)
    mapSet(byId, timer.id, timer)
  }

  const remove = (timer: Timer) => {
    mapDelete(byId, timer.id)
    const size = heap.length - 1
    const last = heap[size]!
    if (last !== timer) sift(last, timer.place, size)
    heap.length = size
  }

  /** Tell the host when the first timer is due, where that changed. */
  const ask = () => {
    const due = heap.length === 0 ? -1 : heap[0]!.due
    if (due === asked) return
    const wait = due - clock.elapsed()
    link.begin(TO_HOST.wake).value(due < 0 ? -1 : wait > 0 ? wait : 0)
    link.send()
    asked = due // known to the host only now: the stack may end on the way
  }

  const start = (run: unknown, delay: unknown, repeat: boolean, args: unknown[]): number => {
    if (typeof run !== 'function') throw new TypeErrorOf('The callback of a timer must be a function')
    let ms = +(delay as number)
    ms = ms >= 1 && ms <= MAX_DELAY_MS ? floor(ms) : 1
    const timer = {
      id: ++lastId,
      run: run as Timer['run'],
      args,
      due: clock.elapsed() + ms,
      order: ++lastOrder,
      every: repeat ? ms : undefined,
      place: 0
    }
    add(timer)
    ask()
    return timer.id
  }

  const clear = (id?: unknown): void => {
    const timer = mapGet(byId, +(id as number))
    if (timer === undefined) return
    remove(timer)
    ask()
  }

  const timers: Timers = {
    limit: Infinity,
    wake() {
      const timer = heap[0]
      asked = -1
      if (timer === undefined) return
      if (timer.due > clock.elapsed()) return ask()
      remove(timer)
      if (timer.every !== undefined) {
        timer.due = clock.elapsed() + timer.every
        timer.order = ++lastOrder
        add(timer)
      }
      guard(() => apply(timer.run, undefined, timer.args))
      ask()
    }
  }

  /** Run a callback; what it throws is nobody's to catch. */
  const guard = (run: () => unknown) => {
    try {
      run()
    } catch (thrown) {
      report(thrown)
    }
  }

  const settled = PromiseOf.resolve()
  // `then` looks for a species here; without this it would ask what the program may have rewritten.
  defineProperty(settled, 'constructor', { __proto__: null, value: undefined } as never)

  installGlobals({
    setTimeout: (run: unknown, delay?: unknown, ...args: unknown[]) => start(run, delay, false, args),
    setInterval: (run: unknown, delay?: unknown, ...args: unknown[]) => start(run, delay, true, args),
    clearTimeout: (id?: unknown) => clear(id),
    clearInterval: (id?: unknown) => clear(id),
    queueMicrotask(run: unknown) {
      if (typeof run !== 'function')
        throw new TypeErrorOf('The argument of queueMicrotask must be a function')
      promiseThen(settled, () => guard(run as () => unknown))
    }
  })
  return timers
}
