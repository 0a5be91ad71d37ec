/** `coffer devices`: the drives that can be prepared, and how well each can be told from another. */
import { inspectFile } from '../../files.js'
import { gradeOf } from '../../medium/drive.js'
import { mediumPaths } from '../../medium/layout.js'
import { SYSTEM } from '../../medium/system.js'
import { volumes, type Volume } from '../../medium/volumes.js'
import type { Call, Outcome } from '../command.js'
import { say } from '../output.js'
import { sizeText } from '../../../formats/wording.js'
import { table } from '../screen.js'

const GRADES = {
  hardware: 'strong',
  weak: 'weak: others have this number',
  none: 'none: prepare it as a folder'
} as const

export function execute(_call: Call): Outcome {
  const devices = volumes(SYSTEM).map(volume => ({
    ...volume,
    path: volume.path ?? null,
    sizeBytes: volume.sizeBytes ?? null,
    freeBytes: volume.freeBytes ?? null,
    grade: gradeOf(volume.serial),
    prepared: isPrepared(volume)
  }))
  if (devices.length === 0) say('There is no drive that this system tells of. Any folder can be prepared.')
  return {
    data: { devices },
    text:
      devices.length === 0
        ? ''
        : table(
            ['PATH', 'LABEL', 'FREE', 'DRIVE', 'SERIAL', 'KNOWN BY IT', ''],
            devices.map(device => [
              device.path ?? '(not mounted)',
              device.label,
              device.freeBytes === null ? '' : sizeText(device.freeBytes),
              device.drive,
              device.serial,
              GRADES[device.grade],
              [device.removable ? '' : 'built in', device.prepared ? 'a medium already' : '']
                .filter(Boolean)
                .join(', ')
            ])
          )
  }
}

function isPrepared({ path }: Volume): boolean {
  try {
    return path !== undefined && inspectFile(mediumPaths(path).identity) !== undefined
  } catch {
    return false
  }
}
