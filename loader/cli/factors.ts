/** What a medium is known by, and what each fact is worth, in words. */
import type { Strength } from '../medium/kind.js'

const FACTORS: Readonly<Record<string, string>> = {
  machine: 'the machine: refuses on another machine',
  disk: 'the disk: refuses an image of the volume on another disk',
  volume: 'the volume: refuses on another disk',
  'birth-time': 'the birth time of its identity file: refuses copies made file by file',
  inode: 'the place of its identity file on the volume: refuses copies made file by file',
  serial: "the serial number in the drive's hardware: refuses copies on another drive, whole images included"
}

const STRENGTHS: Readonly<Record<Strength, string>> = {
  hardware: 'strong: held by the hardware',
  machine: 'fair: an administrator of the machine can change it',
  'file-system': 'fair: writing the raw disk can copy it',
  weak: 'weak: other drives have the same'
}

/** @param strength - null when it cannot be told now. */
export const factorText = ({ name, strength }: { name: string; strength: Strength | null }): string =>
  `${FACTORS[name] ?? name} (${strength === null ? 'cannot be measured now' : STRENGTHS[strength]})`
