/** A terminal that plays prepared keys and remembers what it would show. */
import type { Key, TerminalHost } from '../../../sandbox/guest.js'

export interface TestTerminal extends TerminalHost {
  /** Everything written, as it came. */
  readonly written: string
  /** The picture now: one text per row, without colours and trailing spaces. */
  picture(): string[]
  /** Whether the title has put the terminal back: first page, cursor shown. */
  readonly restored: boolean
}

/** `onKey` is called before each key is handed out, while the title's latest picture stands. */
export function testTerminal(
  keys: readonly Key[],
  { columns = 80, rows = 24, interactive = true, onKey = (_terminal: TestTerminal) => {} } = {}
): TestTerminal {
  let written = ''
  let next = 0
  let grid: string[][] = []
  let row = 0
  let column = 0
  let otherPage = false
  let cursorShown = true
  const erase = () => {
    grid = Array.from({ length: rows }, () => new Array<string>(columns).fill(' '))
  }
  erase()

  /** Exactly the sequences that titles use; another one is a failure, since it would be seen as rubbish. */
  const control = (parameters: string, final: string): void => {
    if (final === 'm') return
    if (final === 'H') {
      const [line = 1, place = 1] = parameters.split(';').map(Number)
      row = line - 1
      column = place - 1
    } else if (final === 'J' && parameters === '2') erase()
    else if (parameters === '?1049') {
      otherPage = final === 'h'
      erase()
    } else if (parameters === '?25') cursorShown = final === 'h'
    else throw new Error(`unknown sequence ESC [ ${parameters} ${final}`)
  }

  const write = (text: string): void => {
    written += text
    for (const [, parameters, final, glyph] of text.matchAll(/\x1b\[([?0-9;]*)([A-Za-z])|([^])/gu)) {
      if (final !== undefined) control(parameters!, final)
      else if (glyph === '\n') {
        row++
        column = 0
      } else {
        if (row >= rows || column >= columns)
          throw new Error(`written outside the window: row ${row}, column ${column}`)
        grid[row]![column++] = glyph!
      }
    }
  }

  const terminal: TestTerminal = {
    interactive,
    size: () => ({ columns, rows }),
    write,
    readKey: async () => {
      onKey(terminal)
      return keys[next++] ?? null
    },
    get written() {
      return written
    },
    get restored() {
      return !otherPage && cursorShown
    },
    picture: () => grid.map(line => line.join('').trimEnd())
  }
  return terminal
}

/** Keys by what they type, or by name where more than one character is given. */
export const keysOf = (...names: readonly string[]): Key[] =>
  names.map(name => ({
    name: name === ' ' ? 'space' : name,
    text: name.length === 1 ? name : '',
    ctrl: false,
    alt: false,
    shift: false
  }))
