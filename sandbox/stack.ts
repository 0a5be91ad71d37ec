/** What of a guest's stack traces is shown. */
import { MOST_TEXT } from './protocol.js'

/** The guest's own frames: never a source line, nor a frame of the host or the SDK. */
export function guestFrames(stack: string, name: string): string {
  const frames: string[] = []
  for (const line of stack.slice(0, MOST_TEXT.stack).split('\n')) {
    const [, fn, line_, column] =
      new RegExp(`^\\s*at (?:(.{0,200}) )?\\(?${escaped(name)}(?::(\\d+))?(?::(\\d+))?\\)?$`).exec(line) ?? []
    if (line_ === undefined) continue
    const place = `${name}:${line_}${column === undefined ? '' : `:${column}`}`
    frames.push(fn === undefined || fn === '' ? `    at ${place}\n` : `    at ${fn} (${place})\n`)
    if (frames.length === 50) break
  }
  return frames.join('')
}

const escaped = (text: string): string => text.replace(/[^\w]/g, '\\$&')
