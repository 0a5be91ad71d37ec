/** Make a target medium: write its identity, region 42 of the seed, once (docs/spec.md §6.2). */
import { join } from 'node:path'
import { hex, wipe } from '../../formats/bytes.js'
import { CofferError } from '../../formats/errors.js'
import { encodeIdentity } from '../../formats/records/identity.js'
import type { MediumKind } from '../../formats/records/fields.js'
import { inspectFile, inspectFolder, makeFolder, PendingFile } from '../files.js'
import type { MeasuredFactor } from '../medium/kind.js'
import { mediumPaths } from '../medium/layout.js'
import { KINDS, measureMedium } from '../medium/measure.js'
import { POWERS, type Powers } from '../powers.js'

export interface Prepared {
  readonly path: string
  readonly kind: MediumKind
  readonly mediumId: string
  readonly factors: readonly Pick<MeasuredFactor, 'name' | 'strength'>[]
}

/**
 * @param root - The medium's folder; made when there is none.
 * @throws CofferError COFFER_EXISTS when it is prepared already, COFFER_CANNOT_CREATE, COFFER_DISK_FULL, COFFER_IO.
 */
export function prepare(root: string, kind: MediumKind = 'folder', powers: Powers = POWERS): Prepared {
  const paths = mediumPaths(root)
  if (inspectFile(paths.identity) !== undefined) {
    throw new CofferError('COFFER_EXISTS', `${root} is a coffer medium already, and it was left as it is.`, {
      hint: 'An identity is written once: titles copied to it depend on it. Use it as it is, or prepare another folder.'
    })
  }
  makeFolder(paths.folder)
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
    makeFolder(join(paths.folder, 'grants'))
    makeFolder(join(paths.folder, 'titles'))
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
