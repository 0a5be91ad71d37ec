/** What of a guest's stack traces is shown. */
import type { SourcePlace } from './guest.js'
import { MOST_TEXT } from './protocol.js'

/**
 * The guest's own frames: never a source line, nor a frame of the host or the SDK.
 *
 * @param name - Of the program, in its frames.
 * @param locate - Frames that it knows are told by their place in the source.
 */
export function guestFrames(stack: string, name: string, locate?: SourcePlace): string {
  const frames: string[] = []
  for (const text of stack.slice(0, MOST_TEXT.stack).split('\n')) {
    const [, fn, line, column] =
      new RegExp(`^\\s*at (?:(.{0,200}) )?\\(?${escaped(name)}(?::(\\d+))?(?::(\\d+))?\\)?$`).exec(text) ?? []
    if (line === undefined) continue
    const place =
      (column === undefined ? undefined : locate?.(Number(line), Number(column))) ??
      `${name}:${line}${column === undefined ? '' : `:${column}`}`
    frames.push(fn === undefined || fn === '' ? `    at ${place}\n` : `    at ${fn} (${place})\n`)
    if (frames.length === 50) break
  }
  return frames.join('')
}

const escaped = (text: string): string => text.replace(/[^\w]/g, '\\$&')
