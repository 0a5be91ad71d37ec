/** What a center publishes, with its answers and beside them, taken where it is newer than what is known here. */
import { equalBytes } from '../../formats/bytes.js'
import { CofferError } from '../../formats/errors.js'
import { encodeCollection, MAX_COLLECTION_BYTES, openRevocations } from '../../formats/records/revocations.js'
import type { Center } from '../../formats/records/root.js'
import { carryEnded, endedSequence, keepEnded } from '../ended.js'
import { readFile } from '../files.js'
import { writeFile } from '../pending.js'
import type { Home } from '../home.js'
import { mediumPaths } from '../medium/layout.js'
import { newestCollection } from '../travel.js'
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
    const path = home.seen(center.centerId).endedFile
    if (wanted > endedSequence(path, center)) keepEnded(await client.ended(), center, path)
  } catch (error) {
    if (!(error instanceof CofferError)) throw error
  }
}

/** Take what the center publishes, as an answer would have brought it. */
export async function learnPublished(
  client: CenterClient,
  centerId: Uint8Array,
  root: string,
  home: Home,
  fromMaster?: Uint8Array
): Promise<void> {
  home.follow(await client.roots())
  const list = await client.revocations()
  await learnEnded(client, list, home.requireCenter(centerId), home)
  installRevocations(root, home, list, fromMaster)
}

/** Put the newest lists and root records onto the medium: of those it carries, those of the master, and the answer's. */
export function installRevocations(
  root: string,
  home: Home,
  answered: Uint8Array,
  fromMaster?: Uint8Array
): void {
  const path = mediumPaths(root).revocations
  const carried = readFile(path, MAX_COLLECTION_BYTES)
  const newest = newestCollection(home, carried, fromMaster, encodeCollection({ lists: [answered] }))
  if (carried === undefined || !equalBytes(carried, newest)) writeFile(path, newest)
  carryEnded(home, mediumPaths(root).folder)
}
