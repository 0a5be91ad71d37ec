/** How results look: tables on stdout, everything else on stderr, colours only where a person looks. */
import { painter, table as tableText } from '../../formats/screen.js'
import { isoTime } from '../orders/requests.js'

/** What a command has to say: one object for programs, text for people. Both go to stdout. */
export interface Result {
  readonly json: Readonly<Record<string, unknown>>
  readonly text: string
  /** Said on stderr, to people only. */
  readonly note?: string
}

/** @param none - Said instead of a table without rows. */
export const table = (
  heads: readonly string[],
  rows: readonly (readonly string[])[],
  none: string
): string =>
  rows.length === 0
    ? none
    : tableText(
        heads,
        rows,
        painter(process.env, () => process.stdout.isTTY)
      )

/** As many digits of an id as a person needs, and as the commands take. */
export const shortId = (id: string): string => id.slice(0, 16)

export const timeText = (seconds: number | null): string => (seconds === null ? 'never' : isoTime(seconds))
