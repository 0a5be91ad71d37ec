/** What a guest prints, and its errors as its host sees them. */
import { GuestError, type LaunchOptions } from '../guest.js'
import { type FlatError, MOST_TEXT } from '../protocol.js'
import { guestFrames } from '../stack.js'
import type { Meter } from './meter.js'

export const STDERR = 2

export class Output {
  readonly #meter: Meter
  readonly #options: Pick<LaunchOptions, 'name' | 'stdout' | 'stderr'>

  constructor(meter: Meter, options: Pick<LaunchOptions, 'name' | 'stdout' | 'stderr'>) {
    this.#meter = meter
    this.#options = options
  }

  /** @param stream - 1 or 2. */
  print(stream: number, text: string): void {
    const bytes = encoder.encode(text)
    this.#meter.countOutput(bytes.length)
    const write = stream === STDERR ? this.#options.stderr : this.#options.stdout
    if (write !== undefined) this.#meter.asHost(() => write(bytes))
  }

  printUncaught({ name, message, guestStack }: GuestError): void {
    this.print(STDERR, `Uncaught ${name}${message === '' ? '' : `: ${message}`}\n${guestStack}`)
  }

  error({ name, message, stack }: FlatError): GuestError {
    const frames = guestFrames(stack, this.#options.name ?? 'title.js')
    return new GuestError(name.slice(0, MOST_TEXT.name), message.slice(0, MOST_TEXT.message), frames)
  }
}

const encoder = new TextEncoder()
