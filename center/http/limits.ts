/** Rate limits: so many requests at once, and so many a second after that, for each who sends. */
import { CofferError } from '../../formats/errors.js'

/** Of one sender: a bucket of `burst` requests that fills again by `perSecond`. */
export interface Rate {
  readonly burst: number
  readonly perSecond: number
}

/** As many senders are remembered; a stranger's bucket takes the place of the one that was used longest ago. */
const MAX_SENDERS = 20_000

export class RateLimit {
  readonly #rate: Rate
  readonly #nowMs: () => number
  /** In the order of their last use. */
  readonly #buckets = new Map<string, { left: number; at: number }>()

  /** @param nowMs - Milliseconds that only go forward. */
  constructor(rate: Rate, nowMs: () => number) {
    this.#rate = rate
    this.#nowMs = nowMs
  }

  /** Count one request. @throws TooMany when this sender's bucket is empty. */
  take(sender: string): void {
    const { burst, perSecond } = this.#rate
    const now = this.#nowMs()
    const before = this.#buckets.get(sender) ?? { left: burst, at: now }
    const left = Math.min(burst, before.left + ((now - before.at) / 1000) * perSecond)
    this.#buckets.delete(sender)
    this.#buckets.set(sender, { left: left < 1 ? left : left - 1, at: now })
    if (this.#buckets.size > MAX_SENDERS) this.#buckets.delete(this.#buckets.keys().next().value!)
    if (left < 1) throw new TooMany(Math.max(1, Math.ceil((1 - left) / perSecond)))
  }
}

export class TooMany extends CofferError {
  readonly retryAfterSeconds: number

  constructor(retryAfterSeconds: number) {
    super('COFFER_BUSY', 'Too many requests from one sender.', {
      expected: 'fewer requests in a second',
      hint: `Send it again in ${retryAfterSeconds} s; it is charged once.`
    })
    this.retryAfterSeconds = retryAfterSeconds
  }
}

/** Whom an address stands for: a home has one IPv4 address, but 2^64 of IPv6. */
export function senderOf(address: string | undefined): string {
  if (address === undefined) return ''
  // Some proxies write the port too, which is another for each connection.
  const [, plain, bracketed] = /^(?:(\d+\.\d+\.\d+\.\d+):\d+|\[([^\]]*)\](?::\d+)?)$/.exec(address) ?? []
  if (plain !== undefined || bracketed !== undefined) return senderOf(plain ?? bracketed)
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)
  if (mapped) return mapped[1]!
  if (!address.includes(':')) return address
  const [head = '', tail] = address.split('::')
  const groups = head === '' ? [] : head.split(':')
  const after = tail === undefined || tail === '' ? [] : tail.split(':')
  const zeros = tail === undefined ? 0 : 8 - groups.length - after.length
  return [...groups, ...Array<string>(Math.max(0, zeros)).fill('0'), ...after].slice(0, 4).join(':')
}
