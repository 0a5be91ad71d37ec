/** What the program says, and what becomes of it. */
import type { Writable } from 'node:stream'
import { CofferError } from '../../formats/errors.js'

/** Whoever reads our output may stop reading, as `head` does; nobody is left to complain to. */
const UNREAD = 'EPIPE'

/**
 * Without a listener a stream that breaks ends the program. What is lost of stdout is told by {@link write}; of stderr
 * nothing can be told.
 */
export function outliveStreams(): void {
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {})
}

/** @returns When the system has it. @throws CofferError COFFER_IO when it is lost, other than that nobody wants it. */
export const write = (stream: Writable, text: string): Promise<void> =>
  new Promise((resolve, reject) => {
    stream.write(text, (cause?: NodeJS.ErrnoException | null) => {
      if (cause === undefined || cause === null || cause.code === UNREAD) resolve()
      else reject(lost(cause))
    })
  })

const lost = (cause: NodeJS.ErrnoException) =>
  new CofferError('COFFER_IO', 'The output could not be written.', {
    expected: 'a file, pipe or terminal that takes it',
    found: cause.code ?? cause.name,
    hint: 'Check that there is space where the output goes, and repeat the command. What it did is done.',
    cause
  })
