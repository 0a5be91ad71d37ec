/** A master medium: a folder of sealed titles, or one sealed title file (docs/spec.md §5.3; reading means 2 of the seed). */
import { join } from 'node:path'
import { CofferError } from '../../formats/errors.js'
import { asTyped } from '../../formats/wording.js'
import { MAX_COLLECTION_BYTES } from '../../formats/records/revocations.js'
import { inspectFile, isFolder, listFolder, readFile } from '../files.js'
import { checkText, MASTER } from '../options.js'
import { openTitleFile, type OpenTitle } from '../read.js'
import { nearest } from '../suggest.js'

export interface TitleOnMaster {
  readonly path: string
  readonly id: string
  readonly name: string
  readonly release: number
  readonly version: string
  readonly scheme: 'certificate' | 'conversion'
  readonly engine: 'quickjs' | 'ses'
  readonly permissions: readonly string[]
  readonly payloadBytes: number
}

export interface MasterListing {
  readonly titles: readonly TitleOnMaster[]
  /** Files that look like titles and are not whole: listing goes on without them. */
  readonly damaged: readonly { readonly path: string; readonly error: CofferError }[]
}

/** @throws CofferError COFFER_MEDIUM_MISSING when there is neither a folder nor a file. */
export function listMaster(master: string): MasterListing {
  checkText(master, 'listMaster()', MASTER)
  const titles: TitleOnMaster[] = []
  const damaged: { path: string; error: CofferError }[] = []
  for (const path of titleFiles(master)) {
    try {
      titles.push(titleAt(path))
    } catch (error) {
      if (!(error instanceof CofferError)) throw error
      damaged.push({ path, error })
    }
  }
  titles.sort((a, b) => (a.id === b.id ? a.release - b.release : a.id < b.id ? -1 : 1))
  return { titles, damaged }
}

// A function of its own: esbuild 0.28 compiles `using` so that in a loop one failure is thrown at every later turn.
function titleAt(path: string): TitleOnMaster {
  using title = openTitleFile(path)
  const { id, name, release, version, scheme, engine, permissions, payloadBytes } = title.manifest
  return { path, id, name, release, version, scheme, engine, permissions, payloadBytes }
}

/**
 * The newest release of one title on a master.
 *
 * @throws CofferError COFFER_TITLE_MISSING, or what is wrong with its file.
 */
export function openOnMaster(master: string, titleId: string, release?: number): OpenTitle {
  const { titles, damaged } = listMaster(master)
  const found = titles
    .filter(title => title.id === titleId && (release === undefined || title.release === release))
    .at(-1)
  if (found !== undefined) return openTitleFile(found.path)
  if (damaged.length > 0) throw damaged[0]!.error
  const near = nearest(
    titleId,
    [...new Set(titles.map(({ id }) => id))].filter(id => id !== titleId)
  )
  const wanted = release === undefined ? titleId : `${titleId} release ${release}`
  throw new CofferError('COFFER_TITLE_MISSING', `There is no title ${wanted} on the master ${master}.`, {
    expected: wanted,
    found:
      titles.length === 0
        ? 'no title at all'
        : titles.map(({ id, release }) => `${id} release ${release}`).join(', '),
    hint: `${near === undefined ? '' : `Did you mean "${near}"? `}See what is there with "coffer list ${asTyped(master)}".`
  })
}

/** Revocation lists that the master carries. */
export const masterRevocations = (master: string): Uint8Array | undefined =>
  isFolder(master) ? readFile(join(master, 'revocations'), MAX_COLLECTION_BYTES) : undefined

/** Sealed files of a master, none of them opened. @throws CofferError COFFER_MEDIUM_MISSING. */
export function titleFiles(master: string): string[] {
  if (isFolder(master))
    return listFolder(master)
      .filter(name => name.endsWith('.title'))
      .map(name => join(master, name))
  if (master.endsWith('.title') && inspectFile(master) !== undefined) return [master]
  throw new CofferError('COFFER_MEDIUM_MISSING', `There is no master at "${master}".`, {
    expected: 'a folder of sealed titles, or one sealed title file',
    found: 'neither',
    hint: 'Check the path, and that the medium is connected.'
  })
}
