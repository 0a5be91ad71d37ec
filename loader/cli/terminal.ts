/**
 * `coffer:terminal` on a real terminal, or on pipes and files in its place. The terminal is put back on every way out:
 * raw mode, alternate screen, hidden cursor and whatever other mode the title has set and left.
 */
import type { ReadStream } from 'node:tty'
import type { Key, TerminalHost } from '../../sandbox/guest.js'
import { KeyDecoder } from './keys.js'
import { isTerminal, STDIN, write, type OutputStream } from './output.js'

/** An escape sequence arrives at once; an escape by itself for this long is the key. */
const ESCAPE_MS = 40
/** Keys that nobody asked for yet. A person types no more ahead; a file waits. */
const MAX_WAITING_KEYS = 1024
const FALLBACK_SIZE = { columns: 80, rows: 24 }
const CTRL_C = 0x03

/** Private modes that are on unless switched off: line wrap and the cursor. */
const ON_BY_DEFAULT = new Set(['7', '25'])
const PRIVATE_MODES = /\x1b\[\?([0-9;]+)([hl])/g
/** The longest beginning of such a sequence that one write may leave to the next. */
const MAX_SPLIT_CHARS = 32

export class Terminal implements TerminalHost, Disposable {
  readonly interactive: boolean
  readonly #output: OutputStream
  readonly #onInterrupt: () => void
  readonly #decoder = new KeyDecoder()
  readonly #keys: Key[] = []
  readonly #readers: ((key: Key | null) => void)[] = []
  /** Private modes that are not as they were. */
  readonly #modes = new Set<string>()
  #tail = ''
  #styled = false
  #started = false
  #ended = false
  #escapeTimer: NodeJS.Timeout | undefined

  /** @param onInterrupt - Told of Ctrl-C, which a terminal in raw mode sends as a byte. */
  constructor(output: OutputStream, onInterrupt: () => void) {
    this.interactive = isTerminal(STDIN) && isTerminal(output)
    this.#output = output
    this.#onInterrupt = onInterrupt
    process.on('exit', this.#restore)
  }

  size(): { columns: number; rows: number } {
    const { columns, rows } = this.#output === 1 ? process.stdout : process.stderr
    return {
      columns: columns || sizeFrom('COLUMNS') || FALLBACK_SIZE.columns,
      rows: rows || sizeFrom('LINES') || FALLBACK_SIZE.rows
    }
  }

  write(text: string): void {
    this.#follow(text)
    write(this.#output, text)
  }

  readKey(): Promise<Key | null> {
    this.#start()
    const key = this.#keys.shift()
    if (key !== undefined) {
      if (!this.#raw && !this.#ended && this.#keys.length < MAX_WAITING_KEYS) process.stdin.resume()
      return Promise.resolve(key)
    }
    if (this.#ended) return Promise.resolve(null)
    return new Promise(resolve => this.#readers.push(resolve))
  }

  /** Whether the title draws on the alternate screen, which is gone with all that is on it when it ends. */
  get onOtherPage(): boolean {
    return ['47', '1047', '1049'].some(number => this.#modes.has(number))
  }

  [Symbol.dispose](): void {
    process.off('exit', this.#restore)
    this.#restore()
    if (!this.#started) return
    const { stdin } = process
    clearTimeout(this.#escapeTimer)
    stdin.off('data', this.#onData).off('end', this.#onEnd).off('error', this.#onEnd)
    // A terminal that is still being read would keep the process from ending.
    stdin.pause()
    this.#onEnd()
  }

  get #raw(): boolean {
    return process.stdin.isTTY === true
  }

  /** From the first key on the terminal stays raw, so that what is typed between two reads is not echoed. */
  #start(): void {
    if (this.#started) return
    this.#started = true
    const { stdin } = process
    if (this.#raw) (stdin as ReadStream).setRawMode(true)
    stdin.on('data', this.#onData).on('end', this.#onEnd).on('error', this.#onEnd)
    // A question that was asked before has paused it.
    stdin.resume()
  }

  readonly #onData = (bytes: Uint8Array): void => {
    clearTimeout(this.#escapeTimer)
    if (this.#raw && bytes.includes(CTRL_C)) {
      this.#onInterrupt()
      bytes = bytes.filter(byte => byte !== CTRL_C)
    }
    this.#deliver(this.#decoder.push(bytes))
    if (this.#decoder.waiting)
      this.#escapeTimer = setTimeout(() => this.#deliver(this.#decoder.flush()), ESCAPE_MS)
  }

  readonly #onEnd = (): void => {
    this.#deliver(this.#decoder.flush())
    this.#ended = true
    for (const reader of this.#readers.splice(0)) reader(null)
  }

  #deliver(keys: readonly Key[]): void {
    for (const key of keys) {
      const reader = this.#readers.shift()
      if (reader !== undefined) reader(key)
      else if (!this.#raw || this.#keys.length < MAX_WAITING_KEYS) this.#keys.push(key)
    }
    // A terminal is read on, since Ctrl-C must be seen; a file or pipe waits until its keys are wanted.
    if (!this.#raw && this.#keys.length >= MAX_WAITING_KEYS) process.stdin.pause()
  }

  /** Remember which modes the title sets, also in sequences that come in two pieces. */
  #follow(text: string): void {
    if (!this.interactive) return
    const seen = this.#tail + text
    this.#styled ||= seen.includes('\x1b')
    for (const [, numbers, final] of seen.matchAll(PRIVATE_MODES)) {
      for (const number of numbers!.split(';')) {
        // No terminal has others, and a title could name millions.
        if (number.length > 4) continue
        if ((final === 'h') === ON_BY_DEFAULT.has(number)) this.#modes.delete(number)
        else this.#modes.add(number)
      }
    }
    this.#tail = seen.slice(-MAX_SPLIT_CHARS)
  }

  readonly #restore = (): void => {
    if (this.#started && this.#raw) (process.stdin as ReadStream).setRawMode(false)
    if (!this.#styled) return
    this.#styled = false
    const modes = [...this.#modes].map(number => `\x1b[?${number}${ON_BY_DEFAULT.has(number) ? 'h' : 'l'}`)
    this.#modes.clear()
    write(this.#output, `\x1b[0m${modes.join('')}`)
  }
}

function sizeFrom(variable: 'COLUMNS' | 'LINES'): number | undefined {
  const value = Number(process.env[variable])
  return Number.isInteger(value) && value > 0 && value < 10_000 ? value : undefined
}
