/**
 * Time and chance. Both come from the host when asked for, never at boot: the booted SDK is kept as a memory image from
 * which every guest starts. Whether a guest is seeded is nothing that it could see: the host's clock is another one then.
 */
import {
  Bytes,
  construct,
  defineProperty,
  typedArrayBuffer,
  typedArrayLength,
  typedArrayOffset,
  typedArrayKind,
  typedArraySet,
  uncurry
} from '../primordials.js'
import { MAX_RANDOM_BYTES, TO_HOST } from '../protocol.js'
import { rollDice } from '../random.js'
import { define, installGlobals, tag } from './globals.js'
import { DOMException } from './exception.js'
import type { Link } from './link.js'

export interface Clock {
  /** Milliseconds since the guest started, with fractions. */
  elapsed(): number
}

/** @param dice - For a realm that has neither clock nor Math.random of its own. */
export function installClock(link: Link, dice?: Uint8Array): Clock {
  const ask = (): { epochMs: number; elapsedMs: number } => {
    link.begin(TO_HOST.clock)
    const reader = link.reader(link.send()!)
    return { epochMs: reader.number(), elapsedMs: reader.number() }
  }
  const clock: Clock = { elapsed: () => ask().elapsedMs }
  if (dice !== undefined) {
    installDate(() => ask().epochMs)
    installRandom(dice)
  }

  class Performance {
    now(): number {
      return clock.elapsed()
    }
    get timeOrigin(): number {
      const { epochMs, elapsedMs } = ask()
      return epochMs - elapsedMs
    }
    toJSON(): object {
      return { timeOrigin: this.timeOrigin }
    }
  }
  tag(Performance, 'Performance')
  installGlobals({ performance: new Performance() })
  return clock
}

/** The engine's Date, with another idea of now. */
function installDate(nowMs: () => number): void {
  const NativeDate = Date
  const toText = uncurry(NativeDate.prototype.toString)
  const now = () => Math.floor(nowMs())
  const Dated = function Date(this: unknown, ...args: unknown[]) {
    if (new.target === undefined) return toText(new NativeDate(now()))
    return construct(NativeDate, args.length === 0 ? [now()] : args, new.target)
  }
  defineProperty(Dated, 'length', { value: 7, configurable: true })
  defineProperty(Dated, 'prototype', { value: NativeDate.prototype, writable: false })
  define(Dated, 'now', { now }.now)
  define(Dated, 'parse', NativeDate.parse)
  define(Dated, 'UTC', NativeDate.UTC)
  // Frozen under SES, where `date.constructor` stays the tamed one.
  Reflect.defineProperty(NativeDate.prototype, 'constructor', {
    value: Dated,
    writable: true,
    configurable: true
  })
  installGlobals({ Date: Dated })
}

/** The generator that QuickJS has, so that the same seed rolls the same dice on both engines. */
function installRandom(dice: Uint8Array): void {
  const roll = rollDice(dice)
  const random = { random: () => roll() }.random
  if (Reflect.defineProperty(Math, 'random', { value: random, writable: true, configurable: true })) return
  // Math is frozen and shared under SES: a copy with this one difference.
  const own = {}
  for (const key of Reflect.ownKeys(Math)) {
    const value = Math[key as keyof Math]
    if (typeof value === 'function') define(own, key, value)
    else Reflect.defineProperty(own, key, { value, configurable: typeof value === 'string' })
  }
  define(own, 'random', random)
  installGlobals({ Math: own })
}

/** Fresh bytes in a buffer of their own. */
function randomBytes(link: Link, count: number): Uint8Array {
  link.begin(TO_HOST.random).value(count)
  const bytes = new Bytes(count)
  typedArraySet(bytes, link.send()!)
  return bytes
}

const INTEGER_KINDS = {
  __proto__: null,
  Int8Array,
  Uint8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  BigInt64Array,
  BigUint64Array
} as unknown as Record<string, unknown>

export function installCrypto(link: Link): void {
  class Crypto {
    getRandomValues<T>(array: T): T {
      const kind = typedArrayKind(array)
      if (kind === undefined || INTEGER_KINDS[kind] === undefined) {
        throw new DOMException('The data is not an integer typed array', 'TypeMismatchError')
      }
      const buffer = typedArrayBuffer(array)
      const count = (array as Uint8Array).byteLength
      if (count > MAX_RANDOM_BYTES) {
        throw new DOMException(`At most ${MAX_RANDOM_BYTES} bytes are given at once`, 'QuotaExceededError')
      }
      typedArraySet(new Bytes(buffer, typedArrayOffset(array), count), randomBytes(link, count))
      return array
    }

    /** RFC 9562, version 4. */
    randomUUID(): string {
      const bytes = randomBytes(link, 16)
      bytes[6] = (bytes[6]! & 0x0f) | 0x40
      bytes[8] = (bytes[8]! & 0x3f) | 0x80
      let text = ''
      for (let i = 0; i < typedArrayLength(bytes); i++) {
        if (i === 4 || i === 6 || i === 8 || i === 10) text += '-'
        text += HEX[bytes[i]! >> 4]! + HEX[bytes[i]! & 15]!
      }
      return text
    }
  }
  tag(Crypto, 'Crypto')
  installGlobals({ crypto: new Crypto(), Crypto })
}

const HEX = '0123456789abcdef'
