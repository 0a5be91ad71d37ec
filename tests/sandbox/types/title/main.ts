/** A title against what its app declares; compiled by ../../types.test.ts. */
import { log, lookUp, now } from 'coffer:host'
import { softLimit } from 'coffer:limits'
// @ts-expect-error: the app grants no such function.
import { remove } from 'coffer:host'

export async function explain(word: string, signal: AbortSignal): Promise<string> {
  signal.throwIfAborted()
  await log(`${now().toFixed()} ${softLimit().aborted}`)
  // @ts-expect-error: it takes a word.
  await lookUp(1)
  // @ts-expect-error: it gives a promise.
  lookUp(word).trim()
  return lookUp(word)
}
void remove
