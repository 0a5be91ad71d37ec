/** What a center publishes beside its answers, taken where it is newer than what is known here. */
import { CofferError } from '../../formats/errors.js'
import { openRevocations } from '../../formats/records/revocations.js'
import type { Center } from '../../formats/records/root.js'
import { endedSequence, keepEnded } from '../ended.js'
import type { Home } from '../home.js'
import type { CenterClient } from './center-client.js'

/**
 * Get the copies that have ended, where a list says that there are more than are known here. Failing to is no reason not
 * to go on: what was answered and charged is installed, and the next answer says it again.
 *
 * @param list - A revocation list that the center gave.
 */
export async function learnEnded(
  client: CenterClient,
  list: Uint8Array,
  center: Center,
  home: Home
): Promise<void> {
  try {
    const wanted = openRevocations(list, [center])?.revocations.ended ?? 0
    const path = home.endedPath(center.centerId)
    if (wanted > endedSequence(path, center)) keepEnded(await client.ended(), center, path)
  } catch (error) {
    if (!(error instanceof CofferError)) throw error
  }
}
