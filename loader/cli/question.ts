/** A question to the person at the terminal, who says yes or no. */
import { CofferError } from '../../formats/errors.js'
import type { StopSignal } from '../../sandbox/guest.js'
import { isTerminal, say, STDERR, STDIN } from './output.js'

/** The system hands over what waits at a terminal at once. */
const TYPED_AHEAD_MS = 50

/** Whether there is somebody to ask. */
export const canAsk = (): boolean => isTerminal(STDIN) && isTerminal(STDERR)

/**
 * @param signal - Ctrl-C meanwhile.
 * @param interrupted - What is said then.
 * @returns Whether it was yes; everything else is no.
 * @throws CofferError COFFER_INTERRUPTED.
 */
export async function agreedTo(
  question: string,
  signal: StopSignal,
  interrupted: { readonly message: string; readonly hint: string }
): Promise<boolean> {
  await dropTypedAhead()
  const { createInterface } = await import('node:readline/promises')
  const reader = createInterface({ input: process.stdin, output: process.stderr, terminal: false })
  const closed = new Promise<string>(resolve => reader.once('close', () => resolve('')))
  const stop = new AbortController()
  const onAbort = () => stop.abort()
  signal.addEventListener('abort', onAbort)
  if (signal.aborted) onAbort()
  try {
    const answer = await Promise.race([
      reader.question(`${question} [y/N] `, { signal: stop.signal }),
      closed
    ])
    return /^y(es)?$/i.test(answer.trim())
  } catch (error) {
    if (!signal.aborted) throw error
    say('')
    throw new CofferError('COFFER_INTERRUPTED', interrupted.message, { hint: interrupted.hint, cause: error })
  } finally {
    signal.removeEventListener('abort', onAbort)
    reader.close()
  }
}

/** What was typed before the question stood there is no answer to it. */
async function dropTypedAhead(): Promise<void> {
  const drop = () => {}
  process.stdin.on('data', drop)
  await new Promise(resolve => setTimeout(resolve, TYPED_AHEAD_MS))
  process.stdin.off('data', drop).pause()
}
