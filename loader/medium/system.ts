/**
 * Facts of the machine and of a file's volume, from files of the system, without a shell. Each is '' where the system
 * does not tell.
 */
import {
  existsSync,
  lstatSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  realpathSync,
  statfsSync
} from 'node:fs'
import { win32 } from 'node:path'
import { quietly } from '../files.js'

/** Where the system's own files are; tests hand over recorded ones. */
export interface SystemFiles {
  readonly platform: NodeJS.Platform
  read(path: string): string | undefined
  realPath(path: string): string | undefined
  list(path: string): readonly string[]
  link(path: string): string | undefined
  /** Run one of the system's own tools with fixed arguments; undefined when it fails or takes over its time (2 s). */
  run(tool: string, args: readonly string[], timeoutMs?: number): string | undefined
  freeBytes?(path: string): number | undefined
  /** Inode and birth time of a file, or of a link itself: sysfs makes the link of a device anew with the device. */
  identify?(path: string): string | undefined
}

export const SYSTEM: SystemFiles = {
  platform: process.platform,
  // Most of what is looked for is not there, and an error takes longer to make than a file to read.
  read: path => quietly(() => (existsSync(path) ? readFileSync(path, 'utf8') : undefined)),
  realPath: path => quietly(() => realpathSync(path)),
  list: path => quietly(() => readdirSync(path)) ?? [],
  link: path => quietly(() => readlinkSync(path)),
  freeBytes: path =>
    quietly(() => {
      const { bavail, bsize } = statfsSync(path)
      return bavail * bsize
    }),
  identify: path =>
    quietly(() => {
      const { ino, birthtimeNs } = lstatSync(path, { bigint: true })
      return `${ino}.${birthtimeNs}`
    }),
  run: (tool, args, timeout = 2000) =>
    quietly(() =>
      process.getBuiltinModule('node:child_process').execFileSync(toolPath(tool, process), args, {
        encoding: 'utf8',
        timeout,
        stdio: ['ignore', 'pipe', 'ignore'],
        maxBuffer: 1 << 20
      })
    )
}

/** Where Windows has the tools that are asked for here, below its own folder. */
const WINDOWS_TOOLS: Readonly<Record<string, string>> = {
  'powershell.exe': 'System32\\WindowsPowerShell\\v1.0\\powershell.exe',
  'reg.exe': 'System32\\reg.exe'
}

/**
 * A tool by its whole path: by its name alone Windows would first look for it in the folder that a person is in, which may be
 * a stick found in the street. Where that is not to be told, nothing is run.
 */
export function toolPath(tool: string, { platform, env }: Pick<NodeJS.Process, 'platform' | 'env'>): string {
  if (platform !== 'win32') return tool
  const { SystemRoot = '' } = env
  if (!win32.isAbsolute(SystemRoot)) throw new Error('no folder of Windows')
  return win32.join(SystemRoot, WINDOWS_TOOLS[tool]!)
}

/** An id of this installation of the operating system. */
export function machineId(system: SystemFiles): string {
  switch (system.platform) {
    case 'linux':
      return (system.read('/etc/machine-id') ?? system.read('/var/lib/dbus/machine-id') ?? '').trim()
    case 'darwin':
      return (
        /"IOPlatformUUID" = "([^"]+)"/.exec(
          system.run('/usr/sbin/ioreg', ['-rd1', '-c', 'IOPlatformExpertDevice']) ?? ''
        )?.[1] ?? ''
      )
    case 'win32':
      return (
        /MachineGuid\s+REG_SZ\s+(\S+)/.exec(
          system.run('reg.exe', [
            'query',
            'HKLM\\SOFTWARE\\Microsoft\\Cryptography',
            '/v',
            'MachineGuid',
            '/reg:64'
          ]) ?? ''
        )?.[1] ?? ''
      )
    default:
      return ''
  }
}

/** Linux: "major:minor" of a device number as stat gives it. */
export function deviceNumbers(device: bigint): string {
  const major = ((device >> 8n) & 0xfffn) | ((device >> 32n) & 0xfffff000n)
  const minor = (device & 0xffn) | ((device >> 12n) & 0xffffff00n)
  return `${major}:${minor}`
}

/** UUID of the volume that a file is on. */
export function volumeUuid(system: SystemFiles, device: bigint): string {
  if (system.platform !== 'linux') return ''
  const numbers = deviceNumbers(device)
  const fromUdev = /^E:ID_FS_UUID=(.+)$/m.exec(system.read(`/run/udev/data/b${numbers}`) ?? '')?.[1]
  if (fromUdev !== undefined) return fromUdev
  const name = system.realPath(`/sys/dev/block/${numbers}`)?.split('/').at(-1)
  if (name === undefined) return ''
  const folder = '/dev/disk/by-uuid'
  return system.list(folder).find(uuid => system.link(`${folder}/${uuid}`)?.split('/').at(-1) === name) ?? ''
}

/**
 * Linux: what tells the disk that a volume is on from one with an image of it. The serial number in its hardware, also
 * through one layer of encryption or of logical volumes; of a volume in a file that file itself.
 */
export function diskIdentity(system: SystemFiles, device: bigint): string {
  if (system.platform !== 'linux') return ''
  const path = `/sys/dev/block/${deviceNumbers(device)}`
  // A device that is plugged in anew has another entry in sysfs, also under the number of one that is gone.
  const entry = system.identify?.(path)
  const known = plainDisks.get(system)?.get(device)
  if (known !== undefined && known.entry === entry) return known.serial
  const block = system.realPath(path)
  if (block === undefined) return ''
  const backing = system.read(`${block}/loop/backing_file`)?.trim()
  if (backing !== undefined) {
    const file = system.identify?.(backing)
    return file === undefined ? '' : `file.${file}`
  }
  const [below, ...more] = system.list(`${block}/slaves`)
  if (below === undefined) {
    const serial = driveSerial(system, device)?.serial ?? ''
    if (entry !== undefined) rememberDisk(system, device, { entry, serial })
    return serial
  }
  const [major, minor] = (system.read(`${block}/slaves/${below}/dev`)?.trim() ?? '').split(':')
  if (more.length > 0 || minor === undefined) return ''
  return driveSerial(system, deviceNumber(BigInt(major!), BigInt(minor)))?.serial ?? ''
}

/**
 * Serial numbers of disks that are neither files nor made of others: these are the hardware's for as long as it is
 * plugged in, and sysfs takes longer to tell than all the rest of a recheck.
 */
const plainDisks = new WeakMap<SystemFiles, Map<bigint, { entry: string; serial: string }>>()

function rememberDisk(system: SystemFiles, device: bigint, disk: { entry: string; serial: string }): void {
  const disks = plainDisks.get(system) ?? new Map<bigint, { entry: string; serial: string }>()
  plainDisks.set(system, disks.set(device, disk))
}

/** A device number as stat gives it. */
export const deviceNumber = (major: bigint, minor: bigint): bigint =>
  (minor & 0xffn) | ((major & 0xfffn) << 8n) | ((minor & ~0xffn) << 12n) | ((major & ~0xfffn) << 32n)

/** The hardware serial number of the drive that a file is on, and whether the drive is removable. */
export function driveSerial(
  system: SystemFiles,
  device: bigint
): { serial: string; removable: boolean } | undefined {
  if (system.platform !== 'linux') return undefined
  const numbers = deviceNumbers(device)
  const block = system.realPath(`/sys/dev/block/${numbers}`)
  if (block === undefined) return undefined
  // A partition's folder lies in its disk's folder.
  const disk =
    system.read(`${block}/partition`) === undefined ? block : block.slice(0, block.lastIndexOf('/'))
  const removable = system.read(`${disk}/removable`)?.trim() === '1' || /\/usb\d+\//.test(disk)
  // An SD card's CID holds maker, product and serial number; its serial number alone is 32 bits.
  const candidates = [`${disk}/serial`, `${disk}/device/cid`, `${disk}/device/serial`]
  // A USB stick's serial is a file of its USB device, some folders above its disk.
  for (
    let folder = disk;
    folder.startsWith('/sys/devices/');
    folder = folder.slice(0, folder.lastIndexOf('/'))
  ) {
    if (system.read(`${folder}/idVendor`) !== undefined) {
      candidates.push(`${folder}/serial`)
      break
    }
  }
  for (const path of candidates) {
    const serial = system.read(path)?.trim()
    if (serial !== undefined && serial !== '') return { serial, removable }
  }
  const diskNumbers = system.read(`${disk}/dev`)?.trim()
  const fromUdev = /^E:ID_SERIAL_SHORT=(.+)$/m.exec(system.read(`/run/udev/data/b${diskNumbers}`) ?? '')?.[1]
  return { serial: fromUdev ?? '', removable }
}
