/** A guest as its host has it, of one as a way to run it gives it: what is a value, what a stream, and by which names. */
import { notStreamed, streamed } from './failures.js'
import type { Argument, EngineGuest, Guest } from './guest.js'
import { DONE, GuestStream, type Outcome, streamOf } from './stream.js'
import type { TypedGuest } from './typed.js'
import type { Value } from './value.js'

/**
 * A guest as its host sees it.
 *
 * @param args - What `run` passes when it is given nothing.
 * @param release - Called once, when the guest has been disposed of.
 * @param check - Called when a call has settled: what it throws is the outcome, whatever the guest made of it.
 */
export function guestFor<Api>(
  guest: EngineGuest,
  {
    args,
    release,
    check
  }: {
    readonly args?: readonly string[] | undefined
    readonly release?: () => void
    readonly check?: () => void
  }
): TypedGuest<Api> {
  let ended: Promise<void> | undefined
  const dispose = () => (ended ??= guest.dispose().finally(release))
  const checked = async <T, R>(outcome: T | Promise<T>, then: (value: T) => R): Promise<R> => {
    try {
      return then(outcome instanceof Promise ? await outcome : outcome)
    } finally {
      check?.()
    }
  }
  const call = (name: string, values: readonly Argument[]): Promise<Outcome> =>
    checked(guest.call(name, ...values), outcome =>
      outcome instanceof GuestStream && check !== undefined ? checkedStream(outcome, check) : outcome
    )
  const api = new Proxy(Object.create(null) as object, {
    // A proxy that had a `then` would be taken for a promise.
    get: (_, name) =>
      typeof name === 'string' && name !== 'then'
        ? (...values: Argument[]) => iterable(call(name, values))
        : undefined
  })
  const hosted: Guest & { readonly api: object } = {
    engine: guest.engine,
    exports: guest.exports,
    ended: guest.ended,
    api,
    call: (name, ...values) => checked(guest.call(name, ...values), valueOnly),
    iterate: (name, ...values) => streamOf(call(name, values), notStreamed),
    callSync(name, ...values) {
      try {
        return guest.callSync(name, ...values)
      } finally {
        check?.()
      }
    },
    run: (given = args) => checked(guest.run(given), code => code),
    usage: () => guest.usage(),
    dispose,
    [Symbol.asyncDispose]: dispose
  }
  return hosted as unknown as TypedGuest<Api>
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

const checkedStream = (stream: GuestStream, check: () => void): GuestStream =>
  new GuestStream(async ending => {
    try {
      const { done, value } = await (ending ? stream.return() : stream.next())
      return done === true ? DONE : value
    } finally {
      check()
    }
  })
