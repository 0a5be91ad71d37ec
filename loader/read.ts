/** Step 1 of the path: read what a medium says of a title, bounded and parsed, nothing of it believed (§6.1). */
import { CofferError } from '../formats/errors.js'
import { MAX_RECORD_BYTES } from '../formats/limits.js'
import { manifestLength, parseTitle, TITLE_HEAD_BYTES, type ParsedTitle } from '../formats/title.js'
import { isTitleId } from '../formats/records/fields.js'
import type { VerifiedGrant } from '../formats/records/grant.js'
import { MAX_COLLECTION_BYTES } from '../formats/records/revocations.js'
import { listFolder, RandomFile, readFile } from './files.js'
import { mediumPaths } from './medium/layout.js'

/** A sealed title whose manifest is whole; its payload is still sealed, its file open. */
export interface OpenTitle extends ParsedTitle, Disposable {
  readonly file: RandomFile
}

/** What a medium claims about one title: bytes, nothing else. */
export interface ClaimedLicense {
  readonly titleId: string
  readonly grantBytes: Uint8Array
  readonly revocationsBytes: Uint8Array | undefined
}

/** @throws CofferError COFFER_TITLE_MISSING, COFFER_RECORD_*, COFFER_ENCODING, COFFER_PAYLOAD_TRUNCATED. */
export function openTitleFile(path: string): OpenTitle {
  const file = RandomFile.open(path)
  if (file === undefined) throw noTitle(path)
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
  /** Releases whose sealed file is there, ascending. */
  readonly releases: readonly number[]
}

const TITLE_FILE = /^(.+)-([1-9][0-9]{0,9})\.title$/

/** What is on a medium, by the names of its files alone. */
export function listTitles(root: string): TitleOnMedium[] {
  const paths = mediumPaths(root)
  const found = new Map<string, { hasGrant: boolean; releases: number[] }>()
  const entry = (titleId: string) => {
    if (!found.has(titleId)) found.set(titleId, { hasGrant: false, releases: [] })
    return found.get(titleId)!
  }
  for (const name of listFolder(paths.grants)) {
    const titleId = name.replace(/\.grant$/, '')
    if (name.endsWith('.grant') && isTitleId(titleId)) entry(titleId).hasGrant = true
  }
  for (const name of listFolder(paths.titles)) {
    const [, titleId, release] = TITLE_FILE.exec(name) ?? []
    if (titleId !== undefined && isTitleId(titleId)) entry(titleId).releases.push(Number(release))
  }
  return [...found]
    .map(([titleId, { hasGrant, releases }]) => ({
      titleId,
      hasGrant,
      releases: releases.sort((a, b) => a - b)
    }))
    .sort((a, b) => (a.titleId < b.titleId ? -1 : 1))
}

/** @throws CofferError COFFER_TITLE_MISSING, COFFER_GRANT_MISSING, COFFER_RECORD_DAMAGED. */
export function readLicense(root: string, titleId: string): ClaimedLicense {
  const paths = mediumPaths(root)
  const grantBytes = readFile(paths.grant(titleId), MAX_RECORD_BYTES)
  if (grantBytes === undefined) {
    const there = listTitles(root).some(title => title.titleId === titleId)
    if (!there) throw noTitle(paths.grant(titleId), titleId, root)
    throw new CofferError('COFFER_GRANT_MISSING', `There is no grant for ${titleId} on this medium.`, {
      expected: paths.grant(titleId),
      found: 'no such file',
      hint: `Order it with "coffer copy <master> ${root} --title ${titleId}"; a title bought before costs nothing again.`
    })
  }
  return { titleId, grantBytes, revocationsBytes: readFile(paths.revocations, MAX_COLLECTION_BYTES) }
}

/** The sealed title that a grant is for. @throws CofferError COFFER_TITLE_MISSING and what {@link openTitleFile} throws. */
export const readTitle = (root: string, { titleId, release }: VerifiedGrant): OpenTitle =>
  openTitleFile(mediumPaths(root).title(titleId, release))

function noTitle(path: string, titleId?: string, root?: string): CofferError {
  return new CofferError(
    'COFFER_TITLE_MISSING',
    titleId === undefined
      ? `There is no sealed title at ${path}.`
      : `There is no title ${titleId} on this medium.`,
    {
      expected: path,
      found: 'no such file',
      hint:
        root === undefined
          ? 'Copy the title to the medium again with "coffer copy".'
          : `See what is there with "coffer list ${root}".`
    }
  )
}
