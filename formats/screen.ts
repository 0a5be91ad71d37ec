/** How the programs look to a person: colours, tables, what is compared by eye. Where it is written to is theirs. */
import { tame } from './wording.js'

const ESCAPES = { bold: [1, 22], dim: [2, 22], red: [31, 39], green: [32, 39], cyan: [36, 39] } as const

export type Style = keyof typeof ESCAPES

/** Text as a stream shows it: in a style, or as it is. */
export type Paint = (style: Style, text: string) => string

/**
 * In colour where a person looks, unless he said otherwise.
 *
 * @param said - NO_COLOR, FORCE_COLOR and TERM, as the process has them.
 * @param isTerminal - Asked only if nothing that was said settles it.
 */
export function painter(
  said: Readonly<Record<string, string | undefined>>,
  isTerminal: () => boolean
): Paint {
  const { NO_COLOR, FORCE_COLOR, TERM } = said
  const coloured = NO_COLOR ? false : FORCE_COLOR ? FORCE_COLOR !== '0' : TERM !== 'dumb' && isTerminal()
  if (!coloured) return (_style, text) => text
  return (style, text) => `\x1b[${ESCAPES[style][0]}m${text}\x1b[${ESCAPES[style][1]}m`
}

/** Text that came from elsewhere, such as a file's name, so that it cannot steer the terminal. */
export const printable = (text: string): string => tame(text, '\ufffd')

/** Columns as wide as they need to be. */
export function table(heads: readonly string[], rows: readonly (readonly string[])[], paint: Paint): string {
  const cells = rows.map(row => row.map(printable))
  const widths = heads.map((head, at) => Math.max(head.length, ...cells.map(row => row[at]!.length)))
  const line = (row: readonly string[]) =>
    row
      .map((cell, at) => cell.padEnd(widths[at]!))
      .join('  ')
      .trimEnd()
  return [paint('bold', line(heads)), ...cells.map(line)].join('\n')
}

/** Digits of an id or key in groups that a person can compare by eye. */
export const grouped = (hexDigits: string): string => hexDigits.match(/.{1,4}/g)?.join(' ') ?? ''
