/** Make a target medium: write its identity, region 42 of the seed, once (docs/spec.md §6.2). */
import { hex, wipe } from '../../formats/bytes.js'
import { CofferError } from '../../formats/errors.js'
import { encodeIdentity } from '../../formats/records/identity.js'
import type { MediumKind } from '../../formats/records/fields.js'
import { inspectFile, inspectFolder, listFolder } from '../files.js'
import { PendingFile } from '../pending.js'
import { lockFolders } from '../lock.js'
import type { MeasuredFactor } from '../medium/kind.js'
import { mediumPaths, type MediumPaths } from '../medium/layout.js'
import { KINDS, measureMedium } from '../medium/measure.js'
import { checkText, MEDIUM } from '../options.js'
import { POWERS, type Powers } from '../powers.js'

export interface Prepared {
  readonly path: string
  readonly kind: MediumKind
  readonly mediumId: string
  readonly factors: readonly Pick<MeasuredFactor, 'name' | 'strength'>[]
}

/**
 * @param root - The medium's folder; made when there is none.
 * @throws CofferError COFFER_EXISTS when it is prepared already or is a master, COFFER_CANNOT_CREATE, COFFER_DISK_FULL, COFFER_IO.
 */
export function prepare(root: string, kind: MediumKind = 'folder', powers: Powers = POWERS): Prepared {
  checkText(root, 'prepare()', MEDIUM)
  const paths = mediumPaths(root)
  refuseIdentity(root, paths)
  refuseMaster(root)
  using _lock = lockFolders(paths, LOCK_WAIT_MS)
  // Another may have been faster.
  refuseIdentity(root, paths)
  using file = new PendingFile(paths.identity, 0o644)
  const seed = powers.random(32)
  try {
    const before = file.stats()
    file.setMode(0o444)
    const stats = file.stats()
    const factors = KINDS[kind].available({
      root,
      identityFile: {
        inode: stats.ino,
        // Where a file system keeps no birth time, what stands in for it moves with every change of the file.
        birthTimeNs: before.birthtimeNs === stats.birthtimeNs ? stats.birthtimeNs : 0n,
        device: stats.dev
      },
      folderInode: inspectFolder(paths.folder)!.ino
    })
    if (factors.length === 0) {
      throw new CofferError('COFFER_CANNOT_CREATE', `Nothing tells the folder ${root} from a copy of it.`, {
        expected: 'a machine id, a volume, or a file system with stable files',
        found: 'none of them',
        hint: 'Prepare a folder on another disk, or a removable drive with "--kind drive".'
      })
    }
    file.write(encodeIdentity(kind, factors, powers.now(), seed))
    file.commit()
    return {
      path: root,
      kind,
      mediumId: hex(measureMedium(root).mediumId),
      factors: factors.map(({ name, strength }) => ({ name, strength }))
    }
  } finally {
    wipe(seed)
  }
}

/** @throws CofferError COFFER_EXISTS: a folder that is a medium shows the titles copied to it, and no others that lie there. */
function refuseMaster(root: string): void {
  const sealed = listFolder(root).find(name => name.endsWith('.title'))
  if (sealed === undefined) return
  throw new CofferError('COFFER_EXISTS', `${root} is a master, and it was left as it is.`, {
    expected: 'a folder or a drive without sealed titles',
    found: sealed,
    hint: 'Prepare another folder. To use this one, move its sealed titles into a folder of their own first.'
  })
}

/** Writing an identity takes a moment: whoever prepares the same folder at once waits, and finds it done. */
const LOCK_WAIT_MS = 5000

/** @throws CofferError COFFER_EXISTS; the same where what is there is damaged, with another hint. */
function refuseIdentity(root: string, { identity }: MediumPaths): void {
  if (inspectFile(identity) === undefined) return
  try {
    measureMedium(root)
  } catch (error) {
    if (!(error instanceof CofferError) || error.exitCode !== 65) throw error
    throw new CofferError('COFFER_EXISTS', `${root} was a coffer medium, and its identity is damaged.`, {
      expected: 'no identity, or a whole one',
      found: error.message,
      hint: `Nothing that was copied to it can run any more. To start anew, remove ${identity} and repeat the command.`,
      cause: error
    })
  }
  throw new CofferError('COFFER_EXISTS', `${root} is a coffer medium already, and it was left as it is.`, {
    expected: 'a folder or a drive that is none yet',
    found: identity,
    hint: 'An identity is written once: titles copied to it depend on it. Use it as it is, or prepare another folder.'
  })
}
