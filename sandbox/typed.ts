/**
 * Guests, and the functions of a host, by their types. A type is what the two sides have agreed on, and no check: what a
 * guest returns, and what it passes, is input from outside.
 */
import type { Argument, Guest, HostFunction, Synchronous, Value } from './guest.js'
import type { GuestStream } from './stream.js'

/** What is known of a program that nobody has described. */
export type AnyApi = Record<string, (...args: Argument[]) => Value>

/**
 * A guest whose exports `Api` describes, an interface with a method for each: `guest.call('render', '# hi')` and
 * `guest.api.render('# hi')` take what `render` takes and give a promise of what it gives, `iterate` and `api` a stream where
 * that is an async iterator. An AbortSignal is a parameter like any other.
 */
export type TypedGuest<Api = AnyApi> = Omit<Guest, 'call' | 'callSync' | 'iterate'> &
  Calls<Api> & {
    readonly api: {
      readonly [K in keyof Api]-?: Export<Api[K]> extends (...args: infer A) => infer R
        ? (...args: A) => Crossed<R>
        : never
    }
  }

/** `call`, `callSync` and `iterate`, by name. */
type Calls<Api> = string extends keyof Api
  ? Pick<Guest, 'call' | 'callSync' | 'iterate'>
  : {
      /** @see Guest.call */
      call<K extends NameOf<Api, 'value' | 'promise'>>(
        name: K,
        ...args: Parameters<Export<Api[K]>>
      ): Promise<Awaited<Result<Api[K]>>>
      /** @see Guest.callSync */
      callSync<K extends NameOf<Api, 'value'>>(name: K, ...args: Parameters<Export<Api[K]>>): Result<Api[K]>
      /** @see Guest.iterate */
      iterate<K extends NameOf<Api, 'stream'>>(
        name: K,
        ...args: Parameters<Export<Api[K]>>
      ): GuestStream<ItemOf<Awaited<Result<Api[K]>>>>
    }

/** The exports that are functions, and come to this. */
type NameOf<Api, Kind> = {
  [K in keyof Api]-?: Export<Api[K]> extends never ? never : KindOf<Result<Api[K]>> extends Kind ? K : never
}[keyof Api] &
  string

type KindOf<R> =
  IsStream<Awaited<R>> extends true ? 'stream' : IsPromise<R> extends true ? 'promise' : 'value'

/** Of `any`, which extends everything, nothing is known; what is `never` never comes. */
type IsLoose<R> = 0 extends 1 & R ? true : [R] extends [never] ? true : false
type IsStream<R> = IsLoose<R> extends true ? false : [R] extends [AsyncIterable<unknown>] ? true : false
type IsPromise<R> = IsLoose<R> extends true ? false : [R] extends [PromiseLike<unknown>] ? true : false

type Export<F> = Extract<F, (...args: any) => unknown>
type Result<F> = ReturnType<Export<F>>
type ItemOf<R> = R extends AsyncIterable<infer T> ? T : never

/** What the result of an export is on the host's side. */
type Crossed<R> = IsStream<R> extends true ? GuestStream<ItemOf<R>> : Promise<Settled<Awaited<R>>>
type Settled<R> = IsStream<R> extends true ? GuestStream<ItemOf<R>> : R

/**
 * The functions that a host grants for titles that are written against `Module`, which is `typeof import('coffer:host')`
 * where both sides have its declaration: `{ host: { ... } satisfies HostModule<typeof import('coffer:host')> }`. What the title
 * awaits may be given at once, and what it does not await is wrapped in `sync`.
 */
export type HostModule<Module> = {
  readonly [K in keyof Module as Module[K] extends HostFunction ? K : never]: Module[K] extends (
    ...args: infer A
  ) => infer R
    ? R extends PromiseLike<infer T>
      ? ((...args: A) => T | PromiseLike<T>) & { readonly [S in keyof Synchronous]?: never }
      : ((...args: A) => R) & Synchronous
    : never
}
