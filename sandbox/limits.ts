/** The limits of a guest, whole, from those that its host names. */
import type { LimitName } from './failures.js'
import { DEFAULT_LIMITS, DEFAULT_SOFT_SHARE, type Limits } from './guest.js'
import { MAX_MESSAGE_BYTES, MAX_VALUE_DEPTH, MAX_VALUE_ITEMS } from './wire.js'

/** @throws RangeError for a limit that is no number, negative, or less than any guest needs to begin. */
export function withDefaults(limits: Partial<Limits> = {}): Limits {
  if (WHOLE.has(limits)) return limits as Limits
  const all: Record<string, number> = { ...DEFAULT_LIMITS }
  for (const name of Object.keys(all)) {
    const value = limits[name as keyof Limits] ?? all[name]
    if (typeof value !== 'number' || !(value >= 0)) throw new RangeError(`Cannot limit ${name} to ${value}`)
    const least = LEAST[name as keyof Limits] ?? 0
    if (value < least)
      throw new RangeError(`Cannot limit ${name} to ${value}: a guest needs ${least} to begin`)
    all[name] = value
  }
  const unknown = Object.keys(limits).find(name => !Object.hasOwn(all, name))
  if (unknown !== undefined) throw new TypeError(`Cannot limit ${unknown}: there is no such limit`)
  for (const [name, most] of Object.entries(MOST)) all[name] = Math.min(Math.floor(all[name]!), most)
  WHOLE.add(Object.freeze(all))
  return all as unknown as Limits
}

/**
 * Where each limit is nearly used up; for those of which nobody is told, the limit itself.
 *
 * @throws RangeError for a share that is none.
 */
export function softMarks(limits: Limits, share = DEFAULT_SOFT_SHARE): Limits {
  if (!(share >= 0 && share <= 1)) throw new RangeError(`Cannot take ${share} for a share: it is from 0 to 1`)
  const marks: Record<LimitName | 'stackBytes', number> = { ...limits }
  for (const name of SOFT) if (marks[name] !== Infinity) marks[name] *= share
  return marks
}

/**
 * The same for a guest in its host's own thread. Node gives that thread a stack that ends soon after this much of the
 * engine's, and whoever meets that end loses the engine.
 */
export function withInlineDefaults(limits?: Partial<Limits>): Limits {
  const whole = withDefaults(limits)
  if (whole.stackBytes <= MOST_INLINE_STACK_BYTES) return whole
  return withDefaults({ ...whole, stackBytes: MOST_INLINE_STACK_BYTES })
}

const MOST_INLINE_STACK_BYTES = 512 * 1024

/** Limits that are whole, and stay as they are. */
const WHOLE = new WeakSet<object>()

/** Past these the guest ends, and it can do something about it before: a value or a stack is what it is. */
const SOFT: readonly LimitName[] = ['cpuMs', 'wallMs', 'hostCalls', 'memoryBytes', 'outputBytes']

/** Below these no program begins. */
const LEAST: Readonly<Partial<Limits>> = {
  stackBytes: 16 * 1024,
  valueBytes: 8,
  valueItems: 1,
  valueDepth: 1
}

/** What the engine's memory has for its stack, and the encoding itself allows: counts cross as 31 bits. */
const MOST: Readonly<Partial<Limits>> = {
  stackBytes: 4 * 1024 * 1024,
  pendingJobs: 0x7fffffff,
  valueBytes: MAX_MESSAGE_BYTES,
  valueItems: MAX_VALUE_ITEMS,
  valueDepth: MAX_VALUE_DEPTH
}
