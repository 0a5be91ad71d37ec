/** Step 1 of the path: read what a medium says of a title, bounded and parsed, nothing of it believed (§6.1). */
import { join } from 'node:path'
import { equalBytes, shortHex } from '../formats/bytes.js'
import { CofferError, orNone } from '../formats/errors.js'
import { asTyped } from '../formats/wording.js'
import { MAX_RECORD_BYTES } from '../formats/limits.js'
import { manifestLength, parseTitle, TITLE_HEAD_BYTES, type ParsedTitle } from '../formats/title.js'
import { isBearer } from '../formats/records/fields.js'
import { readGrantClaim, type VerifiedGrant } from '../formats/records/grant.js'
import { MAX_COLLECTION_BYTES } from '../formats/records/revocations.js'
import { inspectFile, listFolder, RandomFile, readFile } from './files.js'
import { refuseNoMedium } from './medium/measure.js'
import { mediumPaths, ownName, parseLicenseName, parseTitleName, type SealedFor } from './medium/layout.js'
import { nearest } from './suggest.js'

/** A sealed title whose manifest is whole; its payload is still sealed, its file open. */
export interface OpenTitle extends ParsedTitle, Disposable {
  readonly file: RandomFile
}

/** What a medium claims about one title: bytes, nothing else. */
export interface ClaimedLicense {
  readonly titleId: string
  /** What it is filed under (medium/layout.ts). */
  readonly name: string
  readonly grantBytes: Uint8Array
  readonly revocationsBytes: Uint8Array | undefined
  /** Where copies that have ended may be listed, too. */
  readonly folder?: string
  /** A return on its way. */
  readonly returnBytes?: Uint8Array | undefined
}

/**
 * @param root - The medium that it is on, if any.
 * @throws CofferError COFFER_TITLE_MISSING, or COFFER_MEDIUM_MISSING where the medium is not there either;
 *   COFFER_RECORD_*, COFFER_ENCODING, COFFER_PAYLOAD_TRUNCATED.
 */
export function openTitleFile(path: string, root?: string): OpenTitle {
  const file = RandomFile.open(path)
  if (file === undefined) {
    if (root !== undefined) refuseNoMedium(root)
    throw noTitle(path)
  }
  try {
    const head = file.read(0, Math.min(TITLE_HEAD_BYTES, file.sizeBytes))
    const manifestBytes = file.read(TITLE_HEAD_BYTES, manifestLength(head))
    return { file, ...parseTitle(manifestBytes, file.sizeBytes), [Symbol.dispose]: () => file.close() }
  } catch (error) {
    file.close()
    throw error
  }
}

export interface TitleOnMedium {
  readonly titleId: string
  readonly hasGrant: boolean
  /** What its grants are filed under (medium/layout.ts): its id, and one more for each further user. */
  readonly licenses: readonly string[]
  /** Sealed files of the title, by release. */
  readonly files: readonly { readonly release: number; readonly path: string }[]
}

const GRANT = '.grant'

/** What is on a medium, by the names of its files alone. */
export function listTitles(root: string): TitleOnMedium[] {
  const paths = mediumPaths(root)
  const found = new Map<string, { licenses: string[]; files: { release: number; path: string }[] }>()
  const entry = (titleId: string) => {
    if (!found.has(titleId)) found.set(titleId, { licenses: [], files: [] })
    return found.get(titleId)!
  }
  for (const file of listFolder(paths.grants)) {
    const name = file.endsWith(GRANT) ? file.slice(0, -GRANT.length) : file
    const parsed = name === file ? undefined : parseLicenseName(name)
    if (parsed !== undefined) entry(parsed.titleId).licenses.push(name)
  }
  for (const file of listFolder(paths.titles)) {
    const parsed = parseTitleName(file)
    if (parsed !== undefined)
      entry(parsed.titleId).files.push({ release: parsed.release, path: join(paths.titles, file) })
  }
  return [...found]
    .map(([titleId, { licenses, files }]) => ({
      titleId,
      licenses,
      hasGrant: licenses.length > 0,
      files: files.sort((a, b) => a.release - b.release)
    }))
    .sort((a, b) => (a.titleId < b.titleId ? -1 : 1))
}

/**
 * What the license of this user for a title is filed under: by his own name where that is there, or was and its return is
 * on its way; else by the title's.
 *
 * @param userId - undefined where there is no user key: then a bearer's license is all that could be there.
 */
export function licenseName(root: string, titleId: string, userId: Uint8Array | undefined): string {
  if (userId === undefined) return titleId
  const own = ownName(titleId, userId)
  const paths = mediumPaths(root)
  return [paths.grant(own), paths.returned(own)].some(path => inspectFile(path) !== undefined) ? own : titleId
}

/** Whether a medium says that it has a license for a title which this user could use. It opens nothing. */
export function claimsLicense(root: string, titleId: string, userId: Uint8Array | undefined): boolean {
  const claim = orNone(() => {
    const bytes = readFile(mediumPaths(root).grant(licenseName(root, titleId, userId)), MAX_RECORD_BYTES)
    return bytes && readGrantClaim(bytes)
  })
  if (claim === undefined) return false
  return isBearer(claim.bind) || (userId !== undefined && equalBytes(claim.userId, userId))
}

/** @throws CofferError COFFER_MEDIUM_MISSING, COFFER_TITLE_MISSING, COFFER_GRANT_MISSING, COFFER_RECORD_DAMAGED. */
export function readLicense(root: string, titleId: string, userId?: Uint8Array): ClaimedLicense {
  const paths = mediumPaths(root)
  const name = licenseName(root, titleId, userId)
  const grantBytes = readFile(paths.grant(name), MAX_RECORD_BYTES)
  // Hardly ever there, and failing to open a file costs more than looking for it.
  const returned = paths.returned(name)
  const returnBytes = inspectFile(returned) && readFile(returned, MAX_RECORD_BYTES)
  if (grantBytes === undefined) {
    if (returnBytes !== undefined) throw givenUp(titleId, root)
    refuseNoMedium(root)
    const there = listTitles(root).map(title => title.titleId)
    if (!there.includes(titleId)) {
      throw titleThatSaved(root, userId, titleId) !== undefined
        ? gone(root, titleId)
        : notOnMedium(titleId, root, there)
    }
    throw new CofferError('COFFER_GRANT_MISSING', `There is no grant for ${titleId} on this medium.`, {
      expected: paths.grant(titleId),
      found: 'no such file',
      hint: `Order it with "coffer copy <master> ${asTyped(root)} --title ${titleId}"; a title bought before costs nothing again.`
    })
  }
  const revocationsBytes = readFile(paths.revocations, MAX_COLLECTION_BYTES)
  return { titleId, name, grantBytes, revocationsBytes, returnBytes, folder: paths.folder }
}

/** @param root - The medium, where its return is on it still. */
export const givenUp = (titleId: string, root?: string): CofferError =>
  new CofferError('COFFER_RETURNED', `This medium has given up its copy of ${titleId}.`, {
    expected: 'a copy that is held',
    found: 'one that was returned or transferred',
    hint:
      root === undefined
        ? `If that was interrupted, repeat "coffer return" or "coffer transfer". Otherwise order ${titleId} again.`
        : `The center's answer is not here yet. If the return went out as a file, carry that to the center, and put the answer here with "coffer apply <answer> ${asTyped(root)}". Otherwise repeat the "coffer transfer" that was interrupted, or give it back with "coffer return ${asTyped(root)} ${titleId}" and copy it where it is to be.`
  })

/** A title that has saved something for this user on a medium: the given one, or any. It may have no copy any more. */
export function titleThatSaved(
  root: string,
  userId: Uint8Array | undefined,
  titleId?: string
): string | undefined {
  const paths = mediumPaths(root)
  const mine = userId && shortHex(userId)
  return listFolder(paths.allSaves)
    .map(parseLicenseName)
    .filter(saved => saved !== undefined)
    .filter(saved => (titleId ?? saved.titleId) === saved.titleId && (saved.user ?? mine) === mine)
    .find(({ titleId, user }) => {
      const name = user === undefined ? titleId : ownName(titleId, userId!)
      return inspectFile(paths.saveIndex(name)) !== undefined
    })?.titleId
}

/** Of a title that was here, since it has saved something. */
export const gone = (root: string, titleId: string): CofferError =>
  new CofferError(
    'COFFER_TITLE_MISSING',
    `There is no copy of ${titleId} on this medium any more; what it saved is still there.`,
    {
      expected: 'a copy that is held',
      found: 'saves alone, as a copy leaves them that was returned or handed on',
      hint: `To play on with these saves, copy it again with "coffer copy <master> ${asTyped(root)} --title ${titleId}".`
    }
  )

/** The sealed title that a grant is for. @throws CofferError as {@link openTitleFile}. */
export const readTitle = (root: string, grant: VerifiedGrant): OpenTitle =>
  openTitleFile(titlePath(root, grant), root)

/** Where the sealed title of a grant is: the copy under its very key where there is one. */
export function titlePath(root: string, grant: SealedFor): string {
  const paths = mediumPaths(root)
  const own = paths.ownTitle(grant)
  return inspectFile(own) === undefined ? paths.title(grant.titleId, grant.release) : own
}

const noTitle = (path: string) =>
  new CofferError('COFFER_TITLE_MISSING', `There is no sealed title at ${path}.`, {
    expected: path,
    found: 'no such file',
    hint: 'Copy the title to the medium again with "coffer copy".'
  })

function notOnMedium(titleId: string, root: string, there: readonly string[]): CofferError {
  const near = nearest(titleId, there)
  return new CofferError('COFFER_TITLE_MISSING', `There is no title ${titleId} on this medium.`, {
    expected: mediumPaths(root).grant(titleId),
    found: 'no such file',
    hint: `${near === undefined ? '' : `Did you mean "${near}"? `}See what is there with "coffer list ${asTyped(root)}".`
  })
}
