/** What a guest prints, and its errors as its host sees them. */
import { hostThrew } from '../failures.js'
import { GuestError, type LaunchOptions } from '../guest.js'
import { type FlatError, MOST_TEXT } from '../protocol.js'
import { guestFrames } from '../stack.js'
import type { Meter } from './meter.js'

export const STDERR = 2

export class Output {
  readonly #meter: Meter
  readonly #options: Pick<LaunchOptions, 'name' | 'locate' | 'stdout' | 'stderr'>
  readonly #uncaught: ((error: GuestError) => void) | undefined

  /** @param uncaught - Who prints what nobody caught, where that is not done here. */
  constructor(
    meter: Meter,
    options: Pick<LaunchOptions, 'name' | 'locate' | 'stdout' | 'stderr'>,
    uncaught?: (error: GuestError) => void
  ) {
    this.#meter = meter
    this.#options = options
    this.#uncaught = uncaught
  }

  /** @param stream - 1 or 2. */
  print(stream: number, text: string): void {
    const bytes = encoder.encode(text)
    this.#meter.countOutput(bytes.length)
    this.#meter.asHost(() => writeTo(this.#options, stream, bytes))
  }

  printUncaught(error: GuestError): void {
    const text = uncaughtText(error)
    if (this.#uncaught === undefined) return this.print(STDERR, text)
    this.#meter.countOutput(text.length)
    this.#uncaught(error)
  }

  error({ name, message, stack }: FlatError): GuestError {
    const { name: program = 'title.js', locate } = this.#options
    const frames = guestFrames(stack, program, locate)
    return new GuestError(name.slice(0, MOST_TEXT.name), message.slice(0, MOST_TEXT.message), frames)
  }
}

/** @throws CofferError COFFER_ENGINE_FAILED for what the host's function throws. */
export function writeTo(
  options: Pick<LaunchOptions, 'stdout' | 'stderr'>,
  stream: number,
  bytes: Uint8Array
): void {
  const name = stream === STDERR ? 'stderr' : 'stdout'
  try {
    options[name]?.(bytes)
  } catch (cause) {
    throw hostThrew(name, cause)
  }
}

export const uncaughtText = ({ name, message, guestStack }: GuestError): string =>
  `Uncaught ${name}${message === '' ? '' : `: ${message}`}\n${guestStack}`

const encoder = new TextEncoder()
