/** How results look: tables on stdout, everything else on stderr, colours only where a person looks. */
import type { Writable } from 'node:stream'
import { isoTime } from '../orders/requests.js'

/** What a command has to say: one object for programs, text for people. Both go to stdout. */
export interface Result {
  readonly json: Readonly<Record<string, unknown>>
  readonly text: string
  /** Said on stderr, to people only. */
  readonly note?: string
}

const ESCAPES = { bold: [1, 22], red: [31, 39] } as const

/** Text in colour if the stream shows colours and the person did not say NO_COLOR. */
export function paint(
  style: keyof typeof ESCAPES,
  text: string,
  stream: Writable & { isTTY?: boolean }
): string {
  if (stream.isTTY !== true || process.env['NO_COLOR']) return text
  const [on, off] = ESCAPES[style]
  return `\x1b[${on}m${text}\x1b[${off}m`
}

/** Columns as wide as they need to be. @param none - Said instead of a table without rows. */
export function table(heads: readonly string[], rows: readonly (readonly string[])[], none: string): string {
  if (rows.length === 0) return none
  const widths = heads.map((head, at) => Math.max(head.length, ...rows.map(row => row[at]!.length)))
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, at) => cell.padEnd(widths[at]!))
      .join('  ')
      .trimEnd()
  return [paint('bold', line(heads), process.stdout), ...rows.map(line)].join('\n')
}

/** Digits of an id or key in groups that a person can compare by eye, as "coffer trust" shows them. */
export const grouped = (hexDigits: string): string => hexDigits.match(/.{1,4}/g)?.join(' ') ?? ''

/** As many digits of an id as a person needs, and as the commands take. */
export const shortId = (id: string): string => id.slice(0, 16)

export const timeText = (seconds: number | null): string => (seconds === null ? 'never' : isoTime(seconds))
