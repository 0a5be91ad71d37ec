/**
 * Kind `drive`: a removable drive, known by the serial number in its hardware. Copying its files, or its whole image,
 * to another drive leaves that number behind.
 */
import { CofferError } from '../../formats/errors.js'
import type { KindOfMedium, MeasureContext } from './kind.js'
import { driveSerial, volumeUuid, type SystemFiles } from './system.js'

/** Serial numbers that manufacturers gave to whole production runs. */
const SHARED_SERIAL = /^(?:0+|1234567890?(?:abcdef)?|0123456789(?:abcdef)?|f+|none|n\/a)$/i

export function driveKind(system: SystemFiles): KindOfMedium {
  const measure = (name: string, { identityFile }: MeasureContext): string => {
    if (name === 'serial') return driveSerial(system, identityFile.device)?.serial ?? ''
    if (name === 'volume') return volumeUuid(system, identityFile.device)
    return ''
  }
  return {
    measure,
    available(context) {
      const drive = driveSerial(system, context.identityFile.device)
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
      const volume = measure('volume', context)
      return [
        {
          name: 'serial',
          value: drive.serial,
          strength: SHARED_SERIAL.test(drive.serial) ? 'weak' : 'hardware'
        },
        ...(volume === '' ? [] : [{ name: 'volume', value: volume, strength: 'file-system' } as const])
      ]
    }
  }
}
