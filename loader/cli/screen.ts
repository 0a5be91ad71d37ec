/** How results look to a person: tables, sizes, prices, and a bar for what takes a while. */
import { isTerminal, paint, printable, say, STDERR, STDOUT, write } from './output.js'

/** Columns as wide as they need to be. */
export function table(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  const cells = rows.map(row => row.map(printable))
  const widths = heads.map((head, at) => Math.max(head.length, ...cells.map(row => row[at]!.length)))
  const line = (row: readonly string[]) =>
    row
      .map((cell, at) => cell.padEnd(widths[at]!))
      .join('  ')
      .trimEnd()
  return [paint('bold', line(heads), STDOUT), ...cells.map(line)].join('\n')
}

/** Names with their values, the values in one column. */
export function fields(entries: readonly (readonly [name: string, value: string])[], indent = ''): string {
  const width = Math.max(...entries.map(([name]) => name.length))
  return entries
    .map(([name, value]) => `${indent}${name.padEnd(width)}  ${printable(value)}`.trimEnd())
    .join('\n')
}

export function sizeText(bytes: number): string {
  const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB']
  let value = bytes
  let unit = 0
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024
    unit++
  }
  if (unit === 0) return value === 1 ? '1 byte' : `${value} bytes`
  return `${value.toFixed(1)} ${units[unit]}`
}

/** Whole units of the currency: 1250 EUR is 12.50 EUR, 1250 JPY is 1250 JPY. */
export function moneyText(minor: number, currency: string): string {
  if (minor === 0) return 'nothing'
  const digits =
    new Intl.NumberFormat('en', { style: 'currency', currency }).resolvedOptions().maximumFractionDigits ?? 2
  return `${(minor / 10 ** digits).toFixed(digits)} ${currency}`
}

/** Digits of an id or key in groups that a person can compare by eye. */
export const grouped = (hexDigits: string): string => hexDigits.match(/.{1,4}/g)?.join(' ') ?? ''

const BAR_CELLS = 30
const REDRAW_MS = 50

/** A bar on a terminal; elsewhere one line when the work is done. */
export class ProgressBar {
  readonly #label: string
  readonly #drawn = isTerminal(STDERR)
  #lastMs = -Infinity

  constructor(label: string) {
    this.#label = label
  }

  update(doneBytes: number, totalBytes: number): void {
    const done = doneBytes >= totalBytes
    const now = performance.now()
    if (!done && (!this.#drawn || now - this.#lastMs < REDRAW_MS)) return
    this.#lastMs = now
    if (!this.#drawn) return say(`${this.#label}, ${sizeText(totalBytes)}`)
    const filled = totalBytes === 0 ? BAR_CELLS : Math.floor((doneBytes / totalBytes) * BAR_CELLS)
    const bar = '#'.repeat(filled).padEnd(BAR_CELLS, '.')
    write(STDERR, `\r\x1b[K${this.#label} [${bar}] ${sizeText(totalBytes)}${done ? '\n' : ''}`)
  }
}
