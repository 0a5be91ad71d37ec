/**
 * Kind `folder`: any folder on a disk. What tells it from a copy is where it was made (the machine, the volume) and
 * that the identity file is the very file that `prepare` made, in the very folder: inodes and birth time, which no
 * copying keeps, `cp -al` included. Renaming the medium or moving it within its volume keeps them.
 */
import { statfsSync } from 'node:fs'
import type { KindOfMedium, MeasureContext, MeasuredFactor } from './kind.js'
import { diskIdentity, machineId, volumeUuid, type SystemFiles } from './system.js'

/** File systems that number files anew at each mount: FAT, exFAT, NTFS by FUSE, FUSE, 9p, CIFS, SMB2. */
const UNSTABLE_INODES = new Set([
  0x4d44, 0x2011bab0, 0x5346544e, 0x65735546, 0x01021997, 0xff534d42, 0xfe534d42
])

export function folderKind(system: SystemFiles): KindOfMedium {
  // Asked for once: a program does not move to another machine while it runs.
  let machine: string | undefined
  const measure = (name: string, { identityFile, folderInode }: MeasureContext): string => {
    switch (name) {
      case 'machine':
        return (machine ??= machineId(system))
      case 'inode':
        return `${identityFile.inode}.${folderInode}`
      case 'birth-time':
        return String(identityFile.birthTimeNs)
      case 'disk':
        return diskIdentity(system, identityFile.device)
      case 'volume':
        return volumeUuid(system, identityFile.device)
      default:
        return ''
    }
  }
  return {
    measure,
    available(context) {
      const factors: MeasuredFactor[] = [
        { name: 'machine', value: measure('machine', context), strength: 'machine' },
        { name: 'disk', value: measure('disk', context), strength: 'hardware' },
        { name: 'volume', value: measure('volume', context), strength: 'file-system' },
        {
          name: 'birth-time',
          value: context.identityFile.birthTimeNs > 0n ? measure('birth-time', context) : '',
          strength: 'file-system'
        },
        {
          name: 'inode',
          value: hasStableInodes(context.root) ? measure('inode', context) : '',
          strength: 'file-system'
        }
      ]
      return factors.filter(({ value }) => value !== '')
    }
  }
}

function hasStableInodes(root: string): boolean {
  if (process.platform === 'win32') return true
  return !UNSTABLE_INODES.has(Number(statfsSync(root).type))
}
