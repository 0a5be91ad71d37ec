/**
 * Guests of one program, kept warm: each that is handed out is as fresh as a launched one, and none of those before can
 * be told from it. How many there are at one time is bounded, and who waits gets the next in the order of asking.
 *
 * @see docs/spec.md §7.6
 */
import { CofferError } from '../formats/errors.js'
import { type EngineGuest, type GuestSource, type LaunchOptions, type Program } from './guest.js'
import { onAbort } from './host-wire.js'
import { guestFor } from './hosted.js'
import { wayOf, withClient } from './launch.js'
import { withDefaults, withInlineDefaults } from './limits.js'
import { checkOptions } from './options.js'
import type { AnyApi, TypedGuest } from './typed.js'

export interface PoolBounds {
  /** Guests that are in use at one time, at most. */
  readonly size: number
  /**
   * On QuickJS in this thread: how many of them have memory of their own at one time, but for those that are being called. Default
   * {@link AWAKE}. Of the others, which were not called for longest, only what they have changed is kept, a few kilobytes as
   * a rule; they have all of it again when they are called, some 0.05 ms later. `Infinity`: all of them.
   */
  readonly awake?: number | undefined
  /**
   * Told of each guest that ended while it was taken, other than by being disposed of: for a limit `reason.limit` says
   * which one. Its place is free once it is disposed of, and the next guest is a new one. What it throws is lost.
   */
  readonly onEnd?: ((reason: CofferError) => void) | undefined
}

/** All of them. */
export const POOL_BOUNDS: readonly (keyof PoolBounds)[] = ['size', 'awake', 'onEnd']

/** How many guests of a pool have memory of their own, if it does not say otherwise. */
export const AWAKE = 64

export interface PoolOptions extends LaunchOptions, PoolBounds {}

export interface PoolUsage {
  readonly size: number
  /** Guests that are in use now. */
  readonly taken: number
  /** Who waits for one. */
  readonly waiting: number
  /** Guests handed out so far. */
  readonly takes: number
  /** Those among them that ended other than by being disposed of. */
  readonly ended: number
}

export interface Pool<Api = AnyApi> extends AsyncDisposable {
  /**
   * A fresh guest. Disposing of it gives its place to the next; limits count from here.
   *
   * @param options - `signal` ends the waiting: COFFER_INTERRUPTED.
   * @throws as `launch` does; CofferError COFFER_GUEST_GONE once the pool was disposed of.
   */
  take(options?: { readonly signal?: AbortSignal | undefined }): Promise<TypedGuest<Api>>
  usage(): PoolUsage
  /** End all guests, and whoever waits for one: COFFER_GUEST_GONE. Idempotent. */
  dispose(): Promise<void>
}

/** Make the source for a program and the options of a pool. Its bytes are copied; the caller wipes its own. */
export async function openSource(
  program: Program,
  options: LaunchOptions,
  { awake = AWAKE }: Pick<PoolBounds, 'awake'>
): Promise<GuestSource> {
  checkOptions(options)
  const way = wayOf(options)
  const limits = way === 'quickjs' ? withInlineDefaults(options.limits) : withDefaults(options.limits)
  options = await withClient({ ...options, limits })
  if (way === 'quickjs') return (await import('./quickjs/source.js')).openInline(program, options, awake)
  if (way === 'thread') return (await import('./thread/source.js')).openThreads(program, options)
  return (await import('./ses/source.js')).openProcesses(program, options)
}

interface Waiter {
  readonly proceed: () => void
  readonly fail: (reason: CofferError) => void
}

export class GuestPool<Api> implements Pool<Api> {
  readonly #options: PoolBounds & Pick<LaunchOptions, 'args'>
  readonly #source: GuestSource
  readonly #taken = new Set<EngineGuest>()
  /** Places in use: guests that are taken, and those that are on their way. */
  #places = 0
  #takes = 0
  #ended = 0
  readonly #waiters: Waiter[] = []
  #closed: Promise<void> | undefined
  #drained: (() => void) | undefined

  constructor(options: PoolBounds & Pick<LaunchOptions, 'args'>, source: GuestSource) {
    this.#options = options
    this.#source = source
  }

  async take({ signal }: { readonly signal?: AbortSignal | undefined } = {}): Promise<TypedGuest<Api>> {
    if (signal?.aborted) throw notTaken()
    if (this.#closed !== undefined) throw closed()
    if (this.#places < this.#options.size) this.#places++
    else await this.#wait(signal)
    let guest: EngineGuest
    try {
      guest = await this.#source.start()
    } catch (error) {
      this.#leave()
      throw error
    }
    this.#takes++
    this.#taken.add(guest)
    void guest.ended.then(reason => this.#tellEnd(reason))
    const taken = guestFor<Api>(guest, {
      args: this.#options.args,
      release: () => this.#giveBack(guest),
      watch: guest.watch
    })
    if (this.#closed === undefined && !signal?.aborted) return taken
    await taken.dispose()
    throw this.#closed === undefined ? notTaken() : closed()
  }

  usage(): PoolUsage {
    return {
      size: this.#options.size,
      taken: this.#taken.size,
      waiting: this.#waiters.length,
      takes: this.#takes,
      ended: this.#ended
    }
  }

  dispose(): Promise<void> {
    return (this.#closed ??= this.#close())
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose()
  }

  async #close(): Promise<void> {
    for (const { fail } of this.#waiters.splice(0)) fail(closed())
    await Promise.all([...this.#taken].map(guest => guest.dispose().then(() => this.#giveBack(guest))))
    if (this.#places > 0) await new Promise<void>(done => (this.#drained = done))
    await this.#source.close()
  }

  /** A place, when it is this caller's turn. */
  #wait(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        proceed() {
          stop()
          resolve()
        },
        fail(reason) {
          stop()
          reject(reason)
        }
      }
      const stop = onAbort(signal, () => {
        this.#waiters.splice(this.#waiters.indexOf(waiter), 1)
        reject(notTaken())
      })
      this.#waiters.push(waiter)
    })
  }

  #tellEnd(reason: CofferError): void {
    if (reason.code === 'COFFER_GUEST_GONE') return
    this.#ended++
    try {
      this.#options.onEnd?.(reason)
    } catch {
      // Nobody is there to hear it.
    }
  }

  #giveBack(guest: EngineGuest): void {
    if (!this.#taken.delete(guest)) return
    this.#leave()
  }

  /** Hand a place on, or let it be free. */
  #leave(): void {
    const next = this.#waiters.shift()
    if (next !== undefined) return next.proceed()
    this.#places--
    if (this.#places === 0) this.#drained?.()
  }
}

/** @throws RangeError for numbers that are no whole ones from 1. */
export function checkSize({ size, awake = AWAKE }: PoolBounds): void {
  if (!Number.isInteger(size) || size < 1) throw new RangeError(`Cannot keep ${size} guests`)
  if (awake !== Infinity && (!Number.isInteger(awake) || awake < 1))
    throw new RangeError(`Cannot keep ${awake} guests awake`)
}

/** Nobody's guest has ended. */
const notTaken = () =>
  new CofferError('COFFER_INTERRUPTED', 'No guest was taken: the waiting for it was interrupted.', {
    hint: 'Take one again when you want it.'
  })

const closed = () =>
  new CofferError('COFFER_GUEST_GONE', 'Cannot take a guest: the pool was disposed of.', {
    hint: 'Make a new pool.'
  })
