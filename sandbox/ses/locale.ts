/**
 * Functions that ask for a locale, as QuickJS has them: the language's own text, whatever the locale. V8's would show
 * the languages and the library of the machine, and its own name of the time zone. Before SES freezes them.
 */
const { prototype: date } = Date
const { toString, toTimeString } = date
const two = (n: number): string => String(n).padStart(2, '0')
const dateText = (at: Date): string =>
  `${two(at.getMonth() + 1)}/${two(at.getDate())}/${String(at.getFullYear()).padStart(4, '0')}`
const timeText = (at: Date): string =>
  `${two(at.getHours() % 12 || 12)}:${two(at.getMinutes())}:${two(at.getSeconds())} ${at.getHours() < 12 ? 'AM' : 'PM'}`
const valid = (at: Date, text: () => string): string =>
  Number.isNaN(date.getTime.call(at)) ? 'Invalid Date' : text()

/** Code points of the composed forms; what is no text is made text first. */
const composed = (value: unknown): number[] =>
  Array.from(String(value).normalize('NFC'), char => char.codePointAt(0)!)

function replace(owner: object, methods: Record<string, Function>): void {
  for (const [name, value] of Object.entries(methods))
    Object.defineProperty(owner, name, { value, writable: true, configurable: true })
}

replace(Number.prototype, {
  toLocaleString(this: number): string {
    return Number.prototype.toString.call(this)
  }
})
replace(BigInt.prototype, {
  toLocaleString(this: bigint): string {
    return BigInt.prototype.toString.call(this)
  }
})
replace(String.prototype, {
  localeCompare(this: unknown, that: unknown): number {
    if (this === undefined || this === null) throw new TypeError('localeCompare of nothing')
    const [a, b] = [composed(this), composed(that)]
    for (let i = 0; i < a.length && i < b.length; i++) if (a[i] !== b[i]) return a[i]! - b[i]!
    return Math.sign(a.length - b.length)
  },
  toLocaleLowerCase(this: string): string {
    return String.prototype.toLowerCase.call(this)
  },
  toLocaleUpperCase(this: string): string {
    return String.prototype.toUpperCase.call(this)
  }
})
// The only way to Temporal, which no guest has, and whose text would be V8's. From Node 26 on.
delete (date as { toTemporalInstant?: unknown }).toTemporalInstant
replace(date, {
  toString(this: Date): string {
    return toString.call(this).replace(/ \(.*\)$/, '')
  },
  toTimeString(this: Date): string {
    return toTimeString.call(this).replace(/ \(.*\)$/, '')
  },
  toLocaleString(this: Date): string {
    return valid(this, () => `${dateText(this)}, ${timeText(this)}`)
  },
  toLocaleDateString(this: Date): string {
    return valid(this, () => dateText(this))
  },
  toLocaleTimeString(this: Date): string {
    return valid(this, () => timeText(this))
  }
})
