/** `coffer trust`: pin a center. What a person compares is the fingerprint, which is the whole centerId. */
import { equalBytes, hex } from '../../../formats/bytes.js'
import { CofferError } from '../../../formats/errors.js'
import { isRecord } from '../../../formats/frame.js'
import { MAX_ANSWER_BYTES } from '../../../formats/limits.js'
import { decodeRoots, openRoots } from '../../../formats/records/root.js'
import { CenterClient } from '../../copier/center-client.js'
import { readFile } from '../../files.js'
import { Home } from '../../home.js'
import type { Call, Outcome } from '../command.js'
import { say } from '../output.js'
import { grouped } from '../../../formats/screen.js'
import { fields } from '../screen.js'

/** "coffer-center serve ... &" and "coffer trust" are typed in one breath. */
const PATIENCE_MS = 5000

export async function execute(call: Call): Promise<Outcome> {
  const from = call.argument('center')
  const home = new Home()
  const { roots, url } = await rootsFrom(from)
  const { centerId, sequence } = openRoots(roots)
  const before = home.center(centerId)
  const replaced = home.centers().find(known => url !== undefined && known.url === url && known !== before)
  const { name, url: knownUrl } = home.pin(roots, url)
  const status = before === undefined ? 'pinned' : sequence > before.sequence ? 'updated' : 'known'

  say(WORDS[status])
  if (replaced !== undefined && !equalBytes(replaced.centerId, centerId))
    say(`Careful: another center was pinned from this URL before, ${hex(replaced.centerId)}.`)
  if (status === 'pinned') say('Compare the fingerprint with the one that the seller publishes.')
  const fingerprint = grouped(hex(centerId))
  return {
    data: { status, name, centerId: hex(centerId), fingerprint, url: knownUrl ?? null, sequence },
    text: fields([
      ['name', name],
      ['fingerprint', fingerprint]
    ])
  }
}

const WORDS = {
  pinned: 'The center is trusted from now on.',
  updated: 'The center was trusted already; its newer root records were taken.',
  known: 'The center was trusted already; nothing has changed.'
}

async function rootsFrom(from: string): Promise<{ roots: readonly Uint8Array[]; url: string | undefined }> {
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(from)) {
    const client = new CenterClient(from)
    return { roots: await client.roots(PATIENCE_MS), url: client.url }
  }
  const bytes = readFile(from, MAX_ANSWER_BYTES)
  if (bytes === undefined) {
    throw new CofferError('COFFER_FILE_MISSING', `There is no root file at ${from}.`, {
      expected: 'the URL of a center, such as https://center.example, or a file with its root records',
      found: 'neither',
      hint: HOST_AND_PORT.test(from)
        ? `Did you mean "${LOOPBACK.test(from) ? 'http' : 'https'}://${from}"?`
        : 'Ask the seller for the URL of the license center.'
    })
  }
  // One record begins with the magic of all records; several come packed as the center serves them.
  return { roots: isRecord(bytes) ? [bytes] : rootsIn(bytes, from), url: undefined }
}

const HOST_AND_PORT = /^[a-z0-9.-]+:\d+(?:\/|$)/i
const LOOPBACK = /^(?:localhost|127\.)/i

function rootsIn(bytes: Uint8Array, path: string): readonly Uint8Array[] {
  try {
    return decodeRoots(bytes)
  } catch (error) {
    if (!(error instanceof CofferError)) throw error
    throw new CofferError(error.code, `${path} is not a file of root records.`, {
      expected: 'the root records of a license center, or its URL',
      found: error.message,
      hint: 'Check the path, or give the URL of the license center.',
      cause: error
    })
  }
}
