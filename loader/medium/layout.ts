/** Where things are on a target medium (docs/spec.md §6.1). */
import { join } from 'node:path'
import { hex, utf8 } from '../../formats/bytes.js'
import { titleFileName } from '../../formats/title.js'

const COFFER_FOLDER = '.coffer'

export const mediumPaths = (root: string) => {
  const folder = join(root, COFFER_FOLDER)
  return {
    folder,
    identity: join(folder, 'identity'),
    grants: join(folder, 'grants'),
    titles: join(folder, 'titles'),
    revocations: join(folder, 'revocations'),
    grant: (titleId: string) => join(folder, 'grants', `${titleId}.grant`),
    title: (titleId: string, release: number) =>
      join(folder, 'titles', titleFileName({ id: titleId, release })),
    saves: (titleId: string) => join(folder, 'saves', titleId),
    /** Slots differ in case where file systems do not: the file's name is the slot's bytes in hexadecimal. */
    save: (titleId: string, slot: string) => join(folder, 'saves', titleId, `${hex(utf8(slot))}.save`)
  }
}

export type MediumPaths = ReturnType<typeof mediumPaths>
