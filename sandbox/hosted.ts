/** A guest as its host has it, of one as a way to run it gives it: what is a value, what a stream, and by which names. */
import { exportMissing, notStreamed, streamed } from './failures.js'
import type { Argument, CallWatch, EngineGuest, Guest } from './guest.js'
import { DONE, GuestStream, type Outcome, streamOf } from './stream.js'
import type { TypedGuest } from './typed.js'
import type { Value } from './value.js'

/**
 * A guest as its host sees it.
 *
 * @param args - What `run` passes when it is given nothing.
 * @param release - Called once, when the guest has been disposed of.
 */
export function guestFor<Api>(
  guest: EngineGuest,
  {
    args,
    release,
    watch
  }: {
    readonly args?: readonly string[] | undefined
    readonly release?: () => void
    readonly watch?: CallWatch | undefined
  }
): TypedGuest<Api> {
  let ended: Promise<void> | undefined
  const dispose = () => (ended ??= guest.dispose().finally(release))
  /** @param settled - Of a watch that began before the call did. */
  const watched = async <T, R>(
    settled: (() => void) | undefined,
    outcome: T | Promise<T>,
    then: (value: T) => R
  ): Promise<R> => {
    try {
      return then(outcome instanceof Promise ? await outcome : outcome)
    } finally {
      settled?.()
    }
  }
  const ask = (name: string, values: readonly Argument[]): Outcome | Promise<Outcome> =>
    typeof name === 'string' ? guest.call(name, ...values) : Promise.reject(exportMissing(guest.exports))
  const call = (name: string, values: readonly Argument[]): Promise<Outcome> =>
    watched(watch?.(), ask(name, values), outcome =>
      outcome instanceof GuestStream && watch !== undefined ? watchedStream(outcome, watch) : outcome
    )
  let api: object | undefined
  const hosted: Guest & { readonly api: object } = {
    engine: guest.engine,
    exports: guest.exports,
    ended: guest.ended,
    get api() {
      return (api ??= byName(guest.exports, (name, values) => iterable(call(name, values))))
    },
    // Not by ask: to spread the arguments twice is a tenth of a call.
    call: (name, ...values) =>
      typeof name === 'string'
        ? watched(watch?.(), guest.call(name, ...values), valueOnly)
        : Promise.reject(exportMissing(guest.exports)),
    iterate: (name, ...values) => streamOf(call(name, values), notStreamed),
    callSync(name, ...values) {
      if (typeof name !== 'string') throw exportMissing(guest.exports)
      const settled = watch?.()
      try {
        return guest.callSync(name, ...values)
      } finally {
        settled?.()
      }
    },
    run: (given = args) => watched(watch?.(), guest.run(given), code => code),
    usage: () => guest.usage(),
    dispose,
    [Symbol.asyncDispose]: dispose
  }
  return hosted as unknown as TypedGuest<Api>
}

/** Names that JavaScript itself asks for: whoever awaits, logs or joins a guest must not call it. */
const ASKED_FOR: ReadonlySet<string> = new Set(['then', 'toJSON', 'toString', 'valueOf'])

/** As the namespace of a module is: no prototype, and fixed. */
function byName<T>(
  exports: readonly string[],
  call: (name: string, values: readonly Argument[]) => T
): Readonly<Record<string, (...values: Argument[]) => T>> {
  const api = Object.create(null) as Record<string, (...values: Argument[]) => T>
  for (const name of exports)
    if (!ASKED_FOR.has(name)) api[name] = (...values: Argument[]) => call(name, values)
  return Object.freeze(api)
}

/** Refuse a stream where a value is asked for, and let the guest let go of it. */
export function valueOnly(outcome: Outcome): Value {
  if (!(outcome instanceof GuestStream)) return outcome
  outcome.return().catch(() => {})
  throw streamed()
}

/** What is called by its type is one or the other: a promise, and for who goes through it a stream. */
const iterable = (outcome: Promise<Outcome>): Promise<Outcome> & AsyncIterable<Value> =>
  Object.assign(outcome, { [Symbol.asyncIterator]: () => streamOf(outcome, notStreamed) })

const watchedStream = (stream: GuestStream, watch: CallWatch): GuestStream =>
  new GuestStream(async ending => {
    const settled = watch()
    try {
      const { done, value } = await (ending ? stream.return() : stream.next())
      return done === true ? DONE : value
    } finally {
      settled()
    }
  })
