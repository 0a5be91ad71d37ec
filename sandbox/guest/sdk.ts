/**
 * The half of the sandbox that lives inside the guest, on both engines: the web's globals, the `coffer:` modules and
 * the guest's end of the protocol. Bundled to one classic script, `guest-sdk.js`, whose completion value is
 * {@link boot}.
 *
 * @see docs/spec.md §7
 */
import {
  TypeErrorOf,
  apply,
  bareList,
  getOwnPropertyDescriptor,
  getPrototypeOf,
  hasOwn,
  isArray,
  keys,
  mapDelete,
  mapForEach,
  mapGet,
  mapSet,
  mapSize,
  promiseThen,
  setOwn,
  typedArrayKind
} from '../primordials.js'
import { TO_GUEST, TO_HOST } from '../protocol.js'
import { excessOf, isRefusal, type Reader } from '../wire.js'
import { installClock, installCrypto } from './clock.js'
import { AbortController } from './events.js'
import { installConsole } from './console.js'
import { installFinalization } from './finalization.js'
import { installGlobals } from './globals.js'
import { makeLimits } from './limits.js'
import { type Native, installProxy, isProxy, makeLink, revive, sendError } from './link.js'
import { makeModules } from './modules.js'
import { installTimers } from './timers.js'
import { installWeb } from './web.js'

/** The hidden half: what the engine keeps out of the program's reach. */
export interface Hidden {
  /** Deliver a message of the host's. */
  receive(message: Uint8Array): void
  /** The program's namespace, and the promise of its evaluation (top-level await). */
  setNamespace(namespace: object, evaluation: Promise<unknown>): void
  /** Exports of the granted `coffer:` modules, by the name behind the colon; there once `begin` was received. */
  readonly modules: Record<string, Record<string, unknown>>
  /** A call of that number came to this: its value, or what its promise settles to. */
  answer(id: number, result: unknown): void
  /** The same, with what it threw. */
  threw(id: number, thrown: unknown): void
  /** A list of values as bytes: those behind the first `skipped`. @throws TypeError for what cannot cross. */
  encode(values: ArrayLike<unknown>, skipped: number): Uint8Array
  /** The promise of a request, and what the host answers. */
  expect(id: number): Promise<unknown>
  resolve(id: number, value: unknown): void
  /** The same, with the name and message of an error. */
  reject(id: number, error: readonly [name: string, message: string]): void
  error(error: readonly [name: string, message: string]): Error
  /** The engine's rejection tracker: a promise was rejected without a handler, or got one after all. */
  rejection(promise: object, reason: unknown, handled: boolean): void
}

/** Install the globals and return the hidden half. Asks the host for nothing: its result is kept as an image. */
export function boot(native: Native): Hidden {
  installProxy()
  const link = makeLink(native)
  const uncaught = (thrown: unknown) => sendError(link, TO_HOST.uncaught, undefined, thrown)
  const clock = installClock(link, native.dice)
  const timers = installTimers(link, clock, uncaught)
  const finalize = native.dice && installFinalization(link, uncaught)
  const limits = makeLimits(link)
  const modules = makeModules(link, native.functions, { limits })
  installCrypto(link)
  installConsole(link, clock)
  installWeb(native)
  installGlobals({
    self: globalThis,
    navigator: { userAgent: 'coffer' },
    reportError: (error: unknown) => uncaught(error)
  })

  /** Rejected promises that nobody handles so far, with their reasons. */
  const rejected = new Map<object, unknown>()
  let exports: Record<string, unknown> = {}
  let started = false

  /** Of signals that the host may still abort, by the call and the place among its arguments. */
  const controllers = { __proto__: null } as unknown as Record<number, Record<number, AbortController>>

  const call = (reader: Reader) => {
    const id = reader.count()
    const name = reader.text()
    const args = reader.list() as unknown[]
    const signals = reader.list() as [place: number, aborted: boolean][]
    if (signals.length > 0) setOwn(controllers, id, { __proto__: null })
    for (let i = 0; i < signals.length; i++) {
      const controller = new AbortController()
      if (signals[i]![1]) controller.abort()
      setOwn(args, signals[i]![0], controller.signal)
      controllers[id]![signals[i]![0]] = controller
    }
    const run = hasOwn(exports, name) ? exports[name] : undefined
    if (typeof run !== 'function') {
      link.begin(TO_HOST.missing).value(id)
      link.send()
      return
    }
    let result: unknown
    try {
      result = apply(run, undefined, args)
    } catch (thrown) {
      return threw(id, thrown)
    }
    answer(id, result)
  }

  /** Async iterators that calls gave, by the call; `next` stands beside one that has begun. */
  const streams = new Map<number, Stream>()

  const step = (reader: Reader) => {
    const id = reader.count()
    const from = reader.count()
    const ending = reader.boolean()
    const stream = mapGet(streams, from)
    if (stream === undefined) return done(id)
    const close = () => {
      mapDelete(streams, from)
      delete controllers[from]
    }
    if (ending) close()
    const failed = (thrown: unknown) => {
      close()
      threw(id, thrown)
    }
    // Everything of the program's that runs for a stream runs in here.
    try {
      stream.iterator ??= begun(stream.iterable)
      const { iterator } = stream
      const method = ending ? iterator['return'] : iterator['next']
      if (ending && (method === undefined || method === null)) return done(id)
      const result = apply(method as (...args: unknown[]) => unknown, iterator, [])
      afterPromise(
        result,
        settled => {
          if (ending) return done(id)
          try {
            if (typeof settled !== 'object' || settled === null)
              throw new TypeErrorOf('An iterator answered with what is no object')
            const { done: over, value } = settled as IteratorResult<unknown>
            if (!over) return told(id, value)
            close()
            done(id)
          } catch (thrown) {
            failed(thrown)
          }
        },
        failed
      )
    } catch (thrown) {
      failed(thrown)
    }
  }

  const done = (id: number) => {
    link.begin(TO_HOST.done).value(id)
    link.send()
  }

  /** Abort a signal that a call was given. Its listeners are the program's, and what they throw is reported. */
  const abort = (reader: Reader) => {
    const controller = controllers[reader.count()]?.[reader.count()]
    try {
      controller?.abort()
    } catch (thrown) {
      uncaught(thrown)
    }
  }

  const pressed = (reader: Reader) => {
    try {
      limits.pressed(reader)
    } catch (thrown) {
      uncaught(thrown)
    }
  }

  const threw = (id: number, thrown: unknown) => {
    delete controllers[id]
    sendError(link, TO_HOST.threw, id, thrown)
  }

  const answer = (id: number, result: unknown) =>
    afterPromise(
      result,
      value => {
        if (isIterable(value)) {
          mapSet(streams, id, { iterable: value })
          link.begin(TO_HOST.stream).value(id)
          link.send()
          return
        }
        delete controllers[id]
        told(id, value)
      },
      thrown => threw(id, thrown)
    )

  /** Tell a value, or why it cannot be told. */
  const told = (id: number, value: unknown) => {
    if (native.result?.(id, value)) return
    try {
      link.begin(TO_HOST.result).value(id).within(link.bounds).value(value)
    } catch (refusal) {
      if (!isRefusal(refusal)) return sendError(link, TO_HOST.threw, id, refusal)
      const excess = excessOf(refusal)
      if (excess !== undefined) link.begin(TO_HOST.excess).value(id).value(excess.limit).value(excess.used)
      else link.begin(TO_HOST.unsupported).value(id).value(refusal.message)
    }
    link.send()
  }

  const error = (fields: readonly [name: string, message: string]) =>
    revive({ name: fields[0], message: fields[1] })

  const begin = (reader: Reader) => {
    timers.limit = reader.count()
    link.bounds = { valueBytes: reader.count(), valueItems: reader.count(), valueDepth: reader.count() }
    modules.begin(reader.list())
    if (started) ready()
  }

  const ready = () => {
    link.begin(TO_HOST.ready).value(keys(exports))
    link.send()
  }

  const reportRejected = () => {
    const reasons = bareList<unknown>()
    mapForEach(rejected, (reason: unknown, promise: object) => {
      mapDelete(rejected, promise)
      reasons[reasons.length] = reason
    })
    for (let i = 0; i < reasons.length; i++) uncaught(reasons[i])
  }

  return {
    modules: modules.exports,
    receive(message) {
      const reader = link.reader(message)
      switch (reader.byte()) {
        case TO_GUEST.call:
          return call(reader)
        case TO_GUEST.settle:
          return modules.settle(reader)
        case TO_GUEST.wake:
          return timers.wake()
        case TO_GUEST.settled:
          return reportRejected()
        case TO_GUEST.abort:
          return abort(reader)
        case TO_GUEST.step:
          return step(reader)
        case TO_GUEST.begin:
          return begin(reader)
        case TO_GUEST.pressed:
          return pressed(reader)
        case TO_GUEST.finalize:
          return finalize?.()
      }
    },
    setNamespace(namespace, evaluation) {
      exports = namespace as Record<string, unknown>
      afterPromise(
        evaluation,
        () => {
          started = true
          ready()
        },
        thrown => sendError(link, TO_HOST.failed, undefined, thrown)
      )
    },
    answer,
    threw,
    encode(values, skipped) {
      const list: unknown[] = []
      for (let i = skipped; i < values.length; i++) setOwn(list, i - skipped, values[i])
      return link.begin(0).within(link.bounds).value(list).message
    },
    expect: modules.expect,
    resolve: modules.resolve,
    reject: (id, fields) => modules.reject(id, error(fields)),
    error,
    rejection(promise, reason, handled) {
      if (handled) return void mapDelete(rejected, promise)
      if (mapSize(rejected) === 0) {
        link.begin(TO_HOST.rejected)
        link.send()
      }
      mapSet(rejected, promise, reason)
    }
  }
}

/** Go on with the value, or with what the promise settles to when it is one of the engine's own promises. */
function afterPromise(
  value: unknown,
  done: (value: unknown) => void,
  failed: (reason: unknown) => void
): void {
  if (typeof value === 'object' && value !== null && !isProxy(value) && !isPlain(value)) {
    try {
      // Throws at once for anything but a promise. A thenable of the program's own making is none.
      promiseThen(value, done, failed)
      return
    } catch {
      // Not a promise: a value.
    }
  }
  done(value)
}

/** What a call gave that is to be gone through, and its iterator once that is asked for an item. */
interface Stream {
  readonly iterable: Iterable
  iterator?: Record<string, unknown>
}
type Iterable = { readonly [Symbol.asyncIterator]: () => unknown }

/** Whether there is a function under `Symbol.asyncIterator`, seen without running any code of the program's. */
function isIterable(value: unknown): value is Iterable {
  if (typeof value !== 'object' || value === null || isProxy(value)) return false
  if (isArray(value) || typedArrayKind(value) !== undefined) return false
  let owner: object | null = value
  for (let steps = 0; owner !== null && steps < 16 && !isProxy(owner); steps++) {
    const property = getOwnPropertyDescriptor(owner, asyncIterator)
    if (property !== undefined) return hasOwn(property, 'value') && typeof property.value === 'function'
    owner = getPrototypeOf(owner) as object | null
  }
  return false
}
const { asyncIterator } = Symbol

function begun(iterable: Iterable): Record<string, unknown> {
  const iterator = apply(iterable[asyncIterator as typeof Symbol.asyncIterator], iterable, [])
  if (typeof iterator !== 'object' || iterator === null)
    throw new TypeErrorOf('Symbol.asyncIterator answered with what is no iterator')
  return iterator as Record<string, unknown>
}

/** No promise for certain, which is cheaper to see than to try. */
const isPlain = (value: object): boolean =>
  isArray(value) || typedArrayKind(value) !== undefined || getPrototypeOf(value) === objectPrototype
const objectPrototype = Object.prototype

export default boot
