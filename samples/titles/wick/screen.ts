/**
 * A grid of characters with colours, written to the terminal as the difference to what stands there already, in
 * escape sequences that every terminal of the last thirty years knows.
 */
import { size, write } from 'coffer:terminal'

/** Of the palette of 256: 16 to 231 are a cube of 6 reds by 6 greens by 6 blues, 232 to 255 greys. */
export type Colour = number

const DEFAULT_INK = -1

export class Screen {
  columns = 0
  rows = 0
  readonly #colours: boolean
  #glyphs: string[] = []
  #inks: number[] = []
  #shownGlyphs: string[] = []
  #shownInks: number[] = []

  constructor(colours: boolean) {
    this.#colours = colours
  }

  /** Take over the terminal: its other page, without a cursor. */
  open(): void {
    write('\x1b[?1049h\x1b[?25l')
  }

  /** Give the terminal back as it was. */
  close(): void {
    write('\x1b[0m\x1b[?25h\x1b[?1049l')
  }

  /** Begin a picture: empty, and as large as the terminal is now. */
  clear(): void {
    const { columns, rows } = size()
    if (columns !== this.columns || rows !== this.rows) {
      this.columns = columns
      this.rows = rows
      // After a resize nobody knows what a terminal shows: erase it all.
      write('\x1b[0m\x1b[2J')
      this.#shownGlyphs = new Array<string>(columns * rows).fill(' ')
      this.#shownInks = new Array<number>(columns * rows).fill(DEFAULT_INK)
    }
    this.#glyphs = new Array<string>(columns * rows).fill(' ')
    this.#inks = new Array<number>(columns * rows).fill(DEFAULT_INK)
  }

  /** Put text, one cell per character; what does not fit is cut off. */
  put(column: number, row: number, text: string, colour?: Colour): void {
    if (row < 0 || row >= this.rows) return
    const ink = colour === undefined || !this.#colours ? DEFAULT_INK : colour
    for (const glyph of text) {
      if (column >= 0 && column < this.columns) {
        this.#glyphs[row * this.columns + column] = glyph
        this.#inks[row * this.columns + column] = ink
      }
      column++
    }
  }

  /** Show the picture: only the cells that changed are written. */
  show(): void {
    let out = ''
    let penAt = -1
    let penInk = Number.NaN
    for (let at = 0; at < this.#glyphs.length; at++) {
      const glyph = this.#glyphs[at]!
      const ink = this.#inks[at]!
      if (glyph === this.#shownGlyphs[at] && (ink === this.#shownInks[at] || glyph === ' ')) continue
      if (at !== penAt) out += `\x1b[${Math.floor(at / this.columns) + 1};${(at % this.columns) + 1}H`
      if (ink !== penInk) out += ink === DEFAULT_INK ? '\x1b[0m' : `\x1b[38;5;${ink}m`
      out += glyph
      // At the right edge terminals differ in where the pen is: move it anew.
      penAt = (at + 1) % this.columns === 0 ? -1 : at + 1
      penInk = ink
    }
    this.#shownGlyphs = this.#glyphs
    this.#shownInks = this.#inks
    if (out !== '') write(`${out}\x1b[0m`)
  }
}
