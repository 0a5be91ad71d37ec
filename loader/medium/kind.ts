/** A kind of medium: which facts tell one from its copy, and how they are measured (docs/spec.md §6.2). */
import type { Factor } from '../../formats/records/identity.js'

/** How much work it takes to make a second medium with the same fact. */
export type Strength = 'hardware' | 'machine' | 'file-system' | 'weak'

export interface MeasuredFactor extends Factor {
  readonly strength: Strength
}

export interface MeasureContext {
  /** The medium's folder. */
  readonly root: string
  /** Of the identity file: its inode and birth time are facts of a `folder`. */
  readonly identityFile: { readonly inode: bigint; readonly birthTimeNs: bigint; readonly device: bigint }
  /** Inode of the folder it is in: hard links share a file, never a folder. */
  readonly folderInode: bigint
}

export interface KindOfMedium {
  /**
   * Measure everything that can be measured here and is stable.
   *
   * @throws CofferError COFFER_CANNOT_CREATE when the kind cannot be used on this folder at all.
   */
  available(context: MeasureContext): MeasuredFactor[]
  /** Measure one named fact anew; '' when it cannot be measured now, which never equals a measured one. */
  measure(name: string, context: MeasureContext): string
}
