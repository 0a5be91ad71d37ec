/**
 * What centers publish travels on masters, media and answers, in a collection: the newest revocation list of each, and
 * its root records (docs/spec.md §3.8). Here it is read, and the newest of several sources is put together.
 */
import { equalBytes } from '../formats/bytes.js'
import { orNone } from '../formats/errors.js'
import { decodeCollection, encodeCollection, openRevocations } from '../formats/records/revocations.js'
import { rootHash, type Center } from '../formats/records/root.js'
import type { Home } from './home.js'
import { remembering } from './remember.js'
import type { SeenList } from './seen.js'

/** Take newer root records of pinned centers that a collection carries: they follow from those that are pinned. */
export function followRoots(collection: Uint8Array | undefined, home: Home): void {
  for (const { centerId, chain } of (collection && rootsOnce(collection)) ?? []) {
    const known = home.center(centerId)
    if (known !== undefined && chain.length - 1 > known.sequence) home.follow(chain)
  }
}

/** A damaged collection is told of where its lists are needed. */
const rootsOnce = remembering((collection: Uint8Array) =>
  orNone(() => decodeCollection(collection).roots?.map(chain => ({ centerId: rootHash(chain[0]!), chain })))
)

/** One center's root records in a collection: none where it carries no root records at all, undefined where only others'. */
export function rootsOf(center: Center, collection: Uint8Array): readonly Uint8Array[] | undefined {
  const chains = rootsOnce(collection) ?? []
  if (chains.length === 0) return []
  return chains.find(({ centerId }) => equalBytes(centerId, center.centerId))?.chain
}

/** One center's list in a collection; lists of other centers are not ours to judge. @throws CofferError */
export function listOf(center: Center, collection: Uint8Array | undefined): SeenList | undefined {
  return collection && listOnce(collection, center)
}

const listOnce = remembering((collection: Uint8Array, center: Center): SeenList | undefined => {
  for (const bytes of decodeCollection(collection).lists) {
    const opened = openRevocations(bytes, [center])
    if (opened !== undefined) return { revocations: opened.revocations, bytes }
  }
  return undefined
})

/**
 * The newest of everything: for each pinned center its newest list among the sources and at home, and its root
 * records. An older list never replaces a newer one; what no pinned center signed, and what is damaged, is left out.
 */
export function newestCollection(home: Home, ...sources: readonly (Uint8Array | undefined)[]): Uint8Array {
  for (const source of sources) followRoots(source, home)
  const carried = home.centers().flatMap(center => {
    const lists = [
      ...sources.map(source => orNone(() => listOf(center, source))),
      home.seen(center.centerId).revocations(center)
    ]
    const [newest] = lists
      .filter(list => list !== undefined)
      .sort((a, b) => b.revocations.sequence - a.revocations.sequence)
    return newest === undefined ? [] : [{ center, bytes: newest.bytes }]
  })
  return encodeCollection({
    lists: carried.map(({ bytes }) => bytes),
    roots: carried.map(({ center }) => home.roots(center))
  })
}
