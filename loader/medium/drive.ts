/**
 * Kind `drive`: a removable drive, known by the serial number in its hardware. Copying its files, or its whole image,
 * to another drive leaves that number behind.
 */
import { CofferError } from '../../formats/errors.js'
import type { KindOfMedium, MeasureContext } from './kind.js'
import { driveSerial, volumeUuid, type SystemFiles } from './system.js'
import { volumeAt } from './volumes.js'

/** Serial numbers that manufacturers gave to whole production runs: one character over and over, a count, a word. */
const SHARED_SERIAL =
  /^(?:(.)\1*|0*1|0*123456789?(?:a(?:bc(?:def)?)?|0(?:abcdef|12)?)?|none|n\/a|unknown|serial(?: ?number)?)$/i

/** How well a drive is told from another by its serial number. */
export const gradeOf = (serial: string): 'hardware' | 'weak' | 'none' =>
  serial === '' ? 'none' : SHARED_SERIAL.test(serial) ? 'weak' : 'hardware'

export function driveKind(system: SystemFiles): KindOfMedium {
  /** Linux knows the drive by its number, the others by where it is mounted. */
  const driveOf = ({ root, identityFile: { device } }: MeasureContext) => {
    if (system.platform !== 'linux') return volumeAt(system, root)
    const drive = driveSerial(system, device)
    return drive && { ...drive, uuid: volumeUuid(system, device) }
  }
  const measure = (name: string, context: MeasureContext): string => {
    if (name === 'serial') return driveOf(context)?.serial ?? ''
    if (name === 'volume') return driveOf(context)?.uuid ?? ''
    return ''
  }
  return {
    measure,
    available(context) {
      const drive = driveOf(context)
      if (drive === undefined || drive.serial === '') {
        throw new CofferError(
          'COFFER_CANNOT_CREATE',
          `Cannot prepare ${context.root} as a drive: its hardware tells no serial number.`,
          {
            expected: 'a drive with a serial number in its hardware',
            found: drive === undefined ? 'no drive that this system can tell apart' : 'a drive without one',
            hint: 'Prepare it with "--kind folder", or use another drive.'
          }
        )
      }
      const volume = drive.uuid
      return [
        {
          name: 'serial',
          value: drive.serial,
          strength: gradeOf(drive.serial) === 'weak' ? 'weak' : 'hardware'
        },
        ...(volume === '' ? [] : [{ name: 'volume', value: volume, strength: 'file-system' } as const])
      ]
    }
  }
}
