/**
 * The drives that a person could prepare: what each system tells of volumes and of the hardware that they are on.
 * Linux by sysfs, macOS by system_profiler, Windows by one fixed PowerShell command. Nothing is passed through a shell, and
 * no tool is waited for for long.
 */
import { deviceNumber, driveSerial, volumeUuid, type SystemFiles } from './system.js'

export interface Volume {
  /** Where it is mounted; undefined when it is not. */
  readonly path: string | undefined
  readonly label: string
  readonly fileSystem: string
  readonly sizeBytes: number | undefined
  readonly freeBytes: number | undefined
  readonly drive: string
  /** '' where the hardware tells none. */
  readonly serial: string
  /** '' where the system tells none. */
  readonly uuid: string
  readonly removable: boolean
}

/** Removable drives first, then others that are mounted and can be written to. */
export function volumes(system: SystemFiles): Volume[] {
  const found = (SYSTEMS[system.platform] ?? (() => []))(system)
  return found.sort((a, b) => Number(b.removable) - Number(a.removable) || compare(a.path, b.path))
}

const compare = (a = '\uffff', b = '\uffff'): number => (a < b ? -1 : a > b ? 1 : 0)

/** The volume that a folder is on, where it is known by its mount point alone: macOS and Windows. */
export function volumeAt(system: SystemFiles, root: string): Volume | undefined {
  const path = system.realPath(root) ?? root
  const fold = (text: string) => (system.platform === 'win32' ? text.toUpperCase() : text)
  const separator = system.platform === 'win32' ? '\\' : '/'
  const holds = (mount: string) =>
    fold(path) === fold(mount) ||
    fold(path).startsWith(fold(mount.endsWith(separator) ? mount : mount + separator))
  return (SYSTEMS[system.platform] ?? (() => []))(system)
    .filter(volume => volume.path !== undefined && holds(volume.path))
    .sort((a, b) => b.path!.length - a.path!.length)[0]
}

const SYSTEMS: Partial<Record<NodeJS.Platform, (system: SystemFiles) => Volume[]>> = {
  linux: linuxVolumes,
  darwin: macVolumes,
  win32: windowsVolumes
}

// ---------------------------------------------------------------- Linux

/** Devices of the kernel's own. */
const NO_DRIVE = /^(?:loop|ram|zram|dm-|md|nbd|sr|fd|mtdblock)/

function linuxVolumes(system: SystemFiles): Volume[] {
  const mounts = linuxMounts(system)
  return system
    .list('/sys/block')
    .filter(disk => !NO_DRIVE.test(disk))
    .flatMap(disk => {
      const folder = system.realPath(`/sys/block/${disk}`) ?? `/sys/block/${disk}`
      const text = (name: string) => system.read(`${folder}/${name}`)?.trim() ?? ''
      const parts = system
        .list(folder)
        .filter(name => system.read(`${folder}/${name}/partition`) !== undefined)
      const drive = [text('device/vendor'), text('device/model') || text('device/name')]
        .filter(Boolean)
        .join(' ')
      return (parts.length === 0 ? [''] : parts).flatMap(part => {
        const numbers = text(part === '' ? 'dev' : `${part}/dev`)
        const [major, minor] = numbers.split(':').map(BigInt) as [bigint, bigint]
        if (major === undefined || minor === undefined) return []
        const device = deviceNumber(major, minor)
        const { serial = '', removable = false } = driveSerial(system, device) ?? {}
        const mount = mounts.get(numbers)
        const sectors = Number(text(part === '' ? 'size' : `${part}/size`))
        if (sectors === 0 || (!removable && mount === undefined)) return []
        return [
          {
            path: mount?.path,
            label: linuxLabel(system, numbers, part || disk),
            fileSystem: mount?.fileSystem ?? '',
            sizeBytes: sectors * 512,
            freeBytes: mount && system.freeBytes?.(mount.path),
            drive,
            serial,
            uuid: volumeUuid(system, device),
            removable
          }
        ]
      })
    })
}

/** Where whole volumes are mounted to be written to, by device numbers: the first place of each. */
function linuxMounts(system: SystemFiles): Map<string, { path: string; fileSystem: string }> {
  const mounts = new Map<string, { path: string; fileSystem: string }>()
  for (const line of (system.read('/proc/self/mountinfo') ?? '').split('\n')) {
    const [, , numbers, root, path, options, ...rest] = line.split(' ')
    if (root !== '/' || options === undefined || !options.split(',').includes('rw')) continue
    const fileSystem = rest[rest.indexOf('-') + 1] ?? ''
    if (!mounts.has(numbers!)) mounts.set(numbers!, { path: unescaped(path!), fileSystem })
  }
  return mounts
}

/** Blanks and the like stand in mountinfo, and in names of /dev/disk, as octal or hexadecimal numbers. */
const unescaped = (text: string): string =>
  text
    .replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(parseInt(digits, 8)))
    .replace(/\\x([0-9a-f]{2})/g, (_, digits: string) => String.fromCharCode(parseInt(digits, 16)))

function linuxLabel(system: SystemFiles, numbers: string, name: string): string {
  const fromUdev = /^E:ID_FS_LABEL=(.+)$/m.exec(system.read(`/run/udev/data/b${numbers}`) ?? '')?.[1]
  if (fromUdev !== undefined) return fromUdev
  const folder = '/dev/disk/by-label'
  const label = system.list(folder).find(one => system.link(`${folder}/${one}`)?.split('/').at(-1) === name)
  return unescaped(label ?? '')
}

// ---------------------------------------------------------------- macOS

interface MacVolume {
  readonly _name?: string
  readonly mount_point?: string
  readonly file_system?: string
  readonly size_in_bytes?: number
  readonly free_space_in_bytes?: number
  readonly volume_uuid?: string
}
interface MacItem {
  readonly _name?: string
  readonly serial_num?: string
  readonly removable_media?: string
  readonly Media?: readonly (MacItem & { readonly volumes?: readonly MacVolume[] })[]
  readonly _items?: readonly MacItem[]
}

function macVolumes(system: SystemFiles): Volume[] {
  const text = system.run(
    '/usr/sbin/system_profiler',
    ['-json', 'SPUSBDataType', 'SPCardReaderDataType'],
    SLOW_TOOL_MS
  )
  const report = parsed<Record<string, readonly MacItem[]>>(text) ?? {}
  const inItem = (item: MacItem): Volume[] => [
    ...(item.Media ?? []).flatMap(medium =>
      (medium.volumes ?? []).map(volume => ({
        path: volume.mount_point,
        label: volume._name ?? '',
        fileSystem: volume.file_system ?? '',
        sizeBytes: volume.size_in_bytes,
        freeBytes: volume.free_space_in_bytes,
        drive: item._name ?? '',
        serial: item.serial_num?.trim() ?? medium.serial_num?.trim() ?? '',
        uuid: volume.volume_uuid ?? '',
        removable: true
      }))
    ),
    ...(item._items ?? []).flatMap(inItem)
  ]
  return Object.values(report).flatMap(items => (Array.isArray(items) ? items.flatMap(inItem) : []))
}

// ---------------------------------------------------------------- Windows

/** Every drive letter with its disk. Nothing of a person's is put into it. */
export const WINDOWS_COMMAND = `Get-CimInstance Win32_DiskDrive | ForEach-Object { $disk = $_
Get-CimAssociatedInstance $disk -ResultClassName Win32_DiskPartition | ForEach-Object {
Get-CimAssociatedInstance $_ -ResultClassName Win32_LogicalDisk | ForEach-Object {
[pscustomobject]@{ letter = $_.DeviceID; label = $_.VolumeName; fileSystem = $_.FileSystem; size = $_.Size; free = $_.FreeSpace
volume = $_.VolumeSerialNumber; model = $disk.Model; pnp = $disk.PNPDeviceID; media = $disk.MediaType } } } } |
ConvertTo-Json -Compress`

interface WindowsVolume {
  readonly letter: string
  readonly label: string | null
  readonly fileSystem: string | null
  readonly size: number | null
  readonly free: number | null
  readonly volume: string | null
  readonly model: string | null
  readonly pnp: string | null
  readonly media: string | null
}

function windowsVolumes(system: SystemFiles): Volume[] {
  const text = system.run(
    'powershell.exe',
    ['-NoProfile', '-NonInteractive', '-Command', WINDOWS_COMMAND],
    SLOW_TOOL_MS
  )
  const found = parsed<WindowsVolume | WindowsVolume[]>(text) ?? []
  return [found].flat().map(volume => ({
    path: `${volume.letter}\\`,
    label: volume.label ?? '',
    fileSystem: volume.fileSystem ?? '',
    sizeBytes: volume.size ?? undefined,
    freeBytes: volume.free ?? undefined,
    drive: volume.model ?? '',
    serial: serialInPnp(volume.pnp ?? ''),
    uuid: volume.volume ?? '',
    removable: /^USBSTOR\\/i.test(volume.pnp ?? '') || /^removable/i.test(volume.media ?? '')
  }))
}

/**
 * `USBSTOR\DISK&VEN_..\<serial>&0`. Where the drive tells none, Windows makes a name of the place it is plugged into, which
 * has an & as its second character.
 */
function serialInPnp(pnp: string): string {
  const instance = pnp.split('\\').at(-1) ?? ''
  return instance[1] === '&' ? '' : instance.replace(/&[0-9]+$/, '')
}

/** Both tools look at every device there is. */
const SLOW_TOOL_MS = 15_000

function parsed<T>(text: string | undefined): T | undefined {
  try {
    return text === undefined || text.trim() === '' ? undefined : (JSON.parse(text) as T)
  } catch {
    return undefined
  }
}
