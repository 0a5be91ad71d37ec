/**
 * What the programs write, byte by byte in the order it was said: data on stdout, everything for people on stderr.
 *
 * Written by system calls, not by streams: nothing waits in a buffer when the process ends, and a program that keeps
 * the thread busy is still seen to speak.
 */
import { fstatSync, statSync, writeSync } from 'node:fs'
import { painter, type Style } from '../../formats/screen.js'

export const STDIN = 0
export const STDOUT = 1
export const STDERR = 2
export type OutputStream = typeof STDOUT | typeof STDERR

const RETRY_MS = 2
const pause = new Int32Array(new SharedArrayBuffer(4))
/** By the system's name for why nothing can be written any more. */
const closed = new Map<OutputStream, string>()

/** Whether whoever read this stream has stopped reading, as `head` does. What is written then goes nowhere. */
export const isClosed = (stream: OutputStream): boolean => closed.get(stream) === 'EPIPE'

/** Why something that was written is lost, other than that nobody wanted it; undefined when nothing is. */
export function lostBecause(stream: OutputStream): string | undefined {
  return isClosed(stream) ? undefined : closed.get(stream)
}

export function write(stream: OutputStream, content: string | Uint8Array): void {
  const bytes = typeof content === 'string' ? new TextEncoder().encode(content) : content
  for (let at = 0; at < bytes.length && !closed.has(stream);) {
    try {
      at += writeSync(stream, bytes, at)
    } catch (error) {
      const { code = 'EIO' } = error as NodeJS.ErrnoException
      // A pipe that another program has set to non-blocking is full: wait for its reader.
      if (code === 'EAGAIN') Atomics.wait(pause, 0, 0, RETRY_MS)
      else closed.set(stream, code)
    }
  }
}

/** Whether a person sees this stream. Node's own answer loads its network: asked only where it can be yes. */
export function isTerminal(stream: OutputStream | typeof STDIN): boolean {
  try {
    if (process.platform !== 'win32') {
      const device = fstatSync(stream)
      if (!device.isCharacterDevice()) return false
      if (device.rdev === statSync('/dev/null', { throwIfNoEntry: false })?.rdev) return false
    }
  } catch {
    return false
  }
  return process.getBuiltinModule('node:tty').isatty(stream)
}

/** Whether the last line of the terminal is one that is drawn over. */
let drawing = false

/** Draw a line over the one that was drawn before. Whatever is said next stands below it. */
export function draw(line: string): void {
  drawing = true
  write(STDERR, `\r\x1b[K${line}`)
}

/** What was drawn last stays. */
export function endDrawing(): void {
  if (drawing) write(STDERR, '\n')
  drawing = false
}

/** A message for the person, one line. */
export function say(line: string): void {
  endDrawing()
  write(STDERR, `${line}\n`)
}

export const paint = (style: Style, text: string, stream: OutputStream = STDERR): string =>
  painter(process.env, () => isTerminal(stream))(style, text)
