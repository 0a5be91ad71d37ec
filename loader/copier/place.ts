/**
 * Where on a medium a copy goes (docs/spec.md §8.3): so that whatever runs from it now, for this user and for others,
 * runs until the new grant is in place, and for the others after that.
 */
import { dirname } from 'node:path'
import { equalBytes } from '../../formats/bytes.js'
import { CofferError } from '../../formats/errors.js'
import { MAX_RECORD_BYTES } from '../../formats/limits.js'
import { readGrantClaim, type Grant } from '../../formats/records/grant.js'
import type { ParsedManifest } from '../../formats/records/manifest.js'
import { inspectFile, isFolder, readFile, refuseLinkedFolder, removeFile, renameFolder } from '../files.js'
import { mediumPaths, ownName, type SealedFor } from '../medium/layout.js'
import { licenseName, listTitles, titlePath } from '../read.js'

/** Paths of a new copy's grant and sealed title. */
export function placeFor(root: string, copy: SealedFor & Pick<Grant, 'userId'>) {
  const { titleId, release, userId } = copy
  const paths = mediumPaths(root)
  const there = claims(root, titleId)
  const mine = licenseName(root, titleId, userId)
  const plainIsAnothers = there.some(
    ({ name, claim }) => name === titleId && !equalBytes(claim.userId, userId)
  )
  const own = ownName(titleId, userId)
  // He had a copy here before, and what it saved is there still.
  const hasSaved = mine === titleId && !there.some(isPlainOf(userId)) && isFolder(paths.saves(own))
  const ownTitle = paths.ownTitle(copy)
  const plainHasAnotherKey = there.some(({ claim }) => claim.release === release && !haveOneKey(claim, copy))
  return {
    grant: paths.grant(plainIsAnothers || hasSaved ? own : mine),
    title:
      plainHasAnotherKey || inspectFile(ownTitle) !== undefined ? ownTitle : paths.title(titleId, release)
  }
}

/**
 * What the title saved for a user stays when he gives his copy up: under his own name, so that whoever is the next to have
 * the title here begins with saves of his own.
 *
 * @param name - What his license was filed under.
 */
export function setSavesApart(root: string, titleId: string, name: string, userId: Uint8Array): void {
  const paths = mediumPaths(root)
  const [plain, own] = [paths.saves(titleId), paths.saves(ownName(titleId, userId))]
  if (name !== titleId || inspectFile(paths.grant(titleId)) !== undefined) return
  if (inspectFile(plain) === undefined || inspectFile(own) !== undefined) return
  for (const folder of [dirname(plain), plain]) refuseLinkedFolder(folder)
  renameFolder(plain, own)
}

/** Remove sealed files of a title that no grant on the medium is for. */
export function removeUnused(root: string, titleId: string): void {
  const used = new Set(claims(root, titleId).map(({ claim }) => titlePath(root, claim)))
  for (const { path } of filesOf(root, titleId)) if (!used.has(path)) removeFile(path)
}

/**
 * What a copy must not do unasked, known before anything is ordered.
 *
 * @param asked - The release that the person named, if any.
 * @throws CofferError COFFER_DOWNGRADE, COFFER_EXISTS when the title on the medium is another center's.
 */
export function checkReplacing(
  root: string,
  { id, release, centerId }: Pick<ParsedManifest, 'id' | 'release' | 'centerId'>,
  userId: Uint8Array | undefined,
  asked: number | undefined
): void {
  const there = claims(root, id)
  if (there.some(({ claim }) => !equalBytes(claim.centerId, centerId))) {
    throw new CofferError('COFFER_EXISTS', `There is a title ${id} of another center on this medium.`, {
      expected: 'no title of that name, or one of the same center',
      found: `one of another center`,
      hint: 'Copy it to another medium, so that each keeps what it saved.'
    })
  }
  const mine = userId && there.find(({ claim }) => equalBytes(claim.userId, userId))
  const now = mine?.claim.release ?? 0
  if (release >= now || asked === release) return
  throw new CofferError('COFFER_DOWNGRADE', `The medium has a newer release of ${id} than this one.`, {
    expected: `release ${now} or newer`,
    found: `release ${release}`,
    hint: `To go back to it nevertheless, say so with "--release ${release}".`
  })
}

const isPlainOf =
  (userId: Uint8Array) =>
  ({ name, claim }: { name: string; claim: Grant }): boolean =>
    name === claim.titleId && equalBytes(claim.userId, userId)

/** Kd is a release's, Ku an epoch's. */
const haveOneKey = (a: SealedFor, b: SealedFor): boolean =>
  a.scheme === b.scheme && (a.scheme === 'certificate' || a.epoch === b.epoch)

/** What the grants of a title on a medium say. One that is damaged says nothing, and nothing can run by it. */
function claims(root: string, titleId: string): readonly { name: string; claim: Grant }[] {
  const licenses = listTitles(root).find(title => title.titleId === titleId)?.licenses ?? []
  return licenses.flatMap(name => {
    const claim = claimIn(mediumPaths(root).grant(name))
    return claim === undefined ? [] : [{ name, claim }]
  })
}

function claimIn(path: string): Grant | undefined {
  try {
    const bytes = readFile(path, MAX_RECORD_BYTES)
    return bytes && readGrantClaim(bytes)
  } catch (error) {
    if (error instanceof CofferError && error.exitCode === 65) return undefined
    throw error
  }
}

const filesOf = (root: string, titleId: string) =>
  listTitles(root).find(title => title.titleId === titleId)?.files ?? []
