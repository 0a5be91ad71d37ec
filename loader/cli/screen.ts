/** How results look to a person: tables, sizes, prices, and a bar for what takes a while. */
import { moneyText as amountText } from '../../formats/money.js'
import { printable, table as tableText } from '../../formats/screen.js'
import { sizeText } from '../../formats/wording.js'
import { draw, endDrawing, isTerminal, paint, say, STDERR, STDOUT } from './output.js'

/** On stdout. */
export const table = (heads: readonly string[], rows: readonly (readonly string[])[]): string =>
  tableText(heads, rows, (style, text) => paint(style, text, STDOUT))

/** Names with their values, the values in one column. @param columns - How wide all of it may be; values go on below. */
export function fields(
  entries: readonly (readonly [name: string, value: string])[],
  indent = '',
  columns = Infinity
): string {
  const width = Math.max(...entries.map(([name]) => name.length))
  const margin = `\n${' '.repeat(indent.length + width + 2)}`
  return entries
    .map(([name, value]) =>
      `${indent}${name.padEnd(width)}  ${wrapped(printable(value), columns - margin.length + 1).join(margin)}`.trimEnd()
    )
    .join('\n')
}

/** Lines that are no longer, where no word is. */
function wrapped(text: string, columns: number): string[] {
  if (text.length <= columns) return [text]
  const lines: string[] = []
  for (const word of text.split(' ')) {
    const line = lines.at(-1)
    if (line !== undefined && line.length + 1 + word.length <= columns)
      lines[lines.length - 1] = `${line} ${word}`
    else lines.push(word)
  }
  return lines
}

/** What was charged or paid back. */
export const moneyText = (minor: number, currency: string): string =>
  minor === 0 ? 'nothing' : amountText(minor, currency)

const BAR_CELLS = 30
/** A shorter bar says less than a number. */
const LEAST_BAR_CELLS = 8
const REDRAW_MS = 50
/** Where a terminal does not tell how wide it is. */
const FALLBACK_COLUMNS = 80

/**
 * One line of progress that fits a terminal: a longer one would leave a line behind whenever it is drawn anew. The bar
 * is what gives way first, then the label.
 */
export function progressLine(label: string, doneBytes: number, totalBytes: number, columns: number): string {
  const share = totalBytes === 0 ? 1 : doneBytes / totalBytes
  // In the last column some terminals go on to the next line already.
  const width = columns - 1
  const size = sizeText(totalBytes)
  const cells = Math.min(BAR_CELLS, width - `${label} [] ${size}`.length)
  if (cells >= LEAST_BAR_CELLS)
    return `${label} [${'#'.repeat(Math.floor(share * cells)).padEnd(cells, '.')}] ${size}`
  const percent = ` ${Math.floor(share * 100)} %`
  return `${label.slice(0, Math.max(0, width - percent.length))}${percent}`
}

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
    draw(progressLine(this.#label, doneBytes, totalBytes, process.stderr.columns || FALLBACK_COLUMNS))
    if (done) endDrawing()
  }
}
