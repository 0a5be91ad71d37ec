/**
 * What systems say of their drives, the files of sysfs and udev that are read, where their links lead, and the
 * output of tools. Linux's are as they were read; macOS's and Windows' are written after the tools' formats. Serial
 * numbers are made up.
 */
import type { SystemFiles } from '../../loader/medium/system.js'

interface Recorded {
  readonly platform?: NodeJS.Platform
  readonly files?: Readonly<Record<string, string>>
  readonly links?: Readonly<Record<string, string>>
  /** Output by tool and arguments. */
  readonly tools?: Readonly<Record<string, string>>
}

export function recorded({ platform = 'linux', files = {}, links = {}, tools = {} }: Recorded): SystemFiles {
  return {
    platform,
    read: path => files[path],
    realPath: path => links[path],
    link: path => links[path],
    list: folder =>
      Object.keys(links).flatMap(path =>
        path.startsWith(`${folder}/`) ? [path.slice(folder.length + 1)] : []
      ),
    run: (tool, args) => tools[[tool, ...args].join(' ')]
  }
}

/** A partition of a USB stick, no udev: the serial is a file of the USB device, five folders above the disk. */
const stick = '/sys/devices/pci0000:00/0000:00:14.0/usb2/2-1'
export const USB_STICK = recorded({
  links: {
    '/sys/dev/block/8:17': `${stick}/2-1:1.0/host4/target4:0:0/4:0:0:0/block/sdb/sdb1`,
    '/dev/disk/by-uuid/5B1A-0C2E': '../../sdb1',
    '/dev/disk/by-uuid/0f0e0d0c-0b0a-4908-8706-050403020100': '../../sda2'
  },
  files: {
    [`${stick}/2-1:1.0/host4/target4:0:0/4:0:0:0/block/sdb/sdb1/partition`]: '1\n',
    [`${stick}/2-1:1.0/host4/target4:0:0/4:0:0:0/block/sdb/removable`]: '1\n',
    [`${stick}/2-1:1.0/host4/target4:0:0/4:0:0:0/block/sdb/dev`]: '8:16\n',
    [`${stick}/idVendor`]: '0951\n',
    [`${stick}/serial`]: '60A44C413FAEE2B1\n',
    // The controller has one, too, and it is not the stick's.
    '/sys/devices/pci0000:00/0000:00:14.0/usb2/idVendor': '1d6b\n',
    '/sys/devices/pci0000:00/0000:00:14.0/usb2/serial': '0000:00:14.0\n'
  }
})
export const USB_STICK_DEVICE = 0x811n

/** The whole disk of a virtual machine that was given no serial. */
const virtual = '/sys/devices/pci0000:00/0000:00:02.0/virtio1/block/vda'
export const VIRTIO_DISK = recorded({
  links: { '/sys/dev/block/254:0': virtual },
  files: { [`${virtual}/removable`]: '0\n', [`${virtual}/dev`]: '254:0\n', [`${virtual}/serial`]: '\n' }
})
export const VIRTIO_DEVICE = 0xfe00n

/** A partition of an SD card. Its serial number alone is shared by many cards; its CID is not. */
const card = '/sys/devices/platform/emmc2bus/fe340000.mmc/mmc_host/mmc0/mmc0:aaaa/block/mmcblk0'
export const SD_CARD = recorded({
  links: { '/sys/dev/block/179:2': `${card}/mmcblk0p2` },
  files: {
    [`${card}/mmcblk0p2/partition`]: '2\n',
    [`${card}/removable`]: '0\n',
    [`${card}/dev`]: '179:0\n',
    [`${card}/device/serial`]: '0x00000000\n',
    [`${card}/device/cid`]: '035344534333324780a1b2c3d4014a00\n',
    '/run/udev/data/b179:2':
      'S:disk/by-uuid/9c1e\nE:ID_FS_TYPE=ext4\nE:ID_FS_UUID=9c1e4f5a\nE:ID_FS_UUID_ENC=x\n'
  }
})
export const SD_CARD_DEVICE = 0xb302n

/** A disk behind a bridge that only udev could ask. */
const bridged = '/sys/devices/pci0000:00/0000:00:17.0/ata3/host2/target2:0:0/2:0:0:0/block/sdc'
export const UDEV_DISK = recorded({
  links: { '/sys/dev/block/8:33': `${bridged}/sdc1` },
  files: {
    [`${bridged}/sdc1/partition`]: '1\n',
    [`${bridged}/dev`]: '8:32\n',
    '/run/udev/data/b8:32': 'E:ID_SERIAL=Maker_Disk_WD-1234\nE:ID_SERIAL_SHORT=WD-1234\n'
  }
})
export const UDEV_DEVICE = 0x821n

export const MAC = recorded({
  platform: 'darwin',
  tools: {
    '/usr/sbin/ioreg -rd1 -c IOPlatformExpertDevice':
      '+-o J314sAP  <class IOPlatformExpertDevice>\n    {\n      "IOPlatformSerialNumber" = "C02X"\n' +
      '      "IOPlatformUUID" = "8D5F2C6E-0B1A-5C3D-9E4F-112233445566"\n    }\n'
  }
})

export const WINDOWS = recorded({
  platform: 'win32',
  tools: {
    'reg.exe query HKLM\\SOFTWARE\\Microsoft\\Cryptography /v MachineGuid /reg:64':
      '\r\nHKEY_LOCAL_MACHINE\\SOFTWARE\\Microsoft\\Cryptography\r\n' +
      '    MachineGuid    REG_SZ    5f0c1a2b-3c4d-4e5f-8a9b-0c1d2e3f4a5b\r\n\r\n'
  }
})

/** A Mac with a stick, a card reader's card, and a stick that tells no serial number. As system_profiler prints it. */
export const MAC_DRIVES = recorded({
  platform: 'darwin',
  tools: {
    '/usr/sbin/system_profiler -json SPUSBDataType SPCardReaderDataType': JSON.stringify({
      SPUSBDataType: [
        {
          _name: 'USB31Bus',
          host_controller: 'AppleT8112USBXHCI',
          _items: [
            {
              _name: 'Ultra',
              manufacturer: 'SanDisk',
              serial_num: '4C530001230821117365',
              vendor_id: '0x0781  (SanDisk Corporation)',
              Media: [
                {
                  _name: 'Ultra',
                  bsd_name: 'disk4',
                  removable_media: 'yes',
                  size_in_bytes: 30752636928,
                  volumes: [
                    {
                      _name: 'GAMES',
                      bsd_name: 'disk4s1',
                      file_system: 'MS-DOS FAT32',
                      free_space_in_bytes: 30743871488,
                      mount_point: '/Volumes/GAMES',
                      size_in_bytes: 30751588352,
                      volume_uuid: 'B7C1F2A0-5B7E-3C55-9A35-AD3C6C4C1B11'
                    }
                  ]
                }
              ]
            },
            {
              _name: 'Flash Disk',
              Media: [
                {
                  _name: 'Flash Disk',
                  bsd_name: 'disk5',
                  volumes: [{ _name: 'NONE', bsd_name: 'disk5s1', mount_point: '/Volumes/GAMES 2' }]
                }
              ]
            }
          ]
        }
      ],
      SPCardReaderDataType: []
    })
  }
})

/** Windows with its own disk, a stick, and one that tells no serial number. As the command prints it. */
export const WINDOWS_DRIVES = (command: string) =>
  recorded({
    platform: 'win32',
    tools: {
      [`powershell.exe -NoProfile -NonInteractive -Command ${command}`]:
        '[{"letter":"C:","label":"","fileSystem":"NTFS","size":510770802688,"free":200000000000,"volume":"A2B3C4D5",' +
        '"model":"NVMe Disk","pnp":"SCSI\\\\DISK&VEN_NVME&PROD_DISK\\\\5&2C3F0D5&0&000000","media":"Fixed hard disk media"},' +
        '{"letter":"E:","label":"GAMES","fileSystem":"FAT32","size":30751588352,"free":30743871488,"volume":"5B1A0C2E",' +
        '"model":"SanDisk Ultra USB Device","pnp":"USBSTOR\\\\DISK&VEN_SANDISK&PROD_ULTRA&REV_1.00\\\\4C530001230821117365&0","media":"Removable Media"},' +
        '{"letter":"F:","label":null,"fileSystem":"FAT32","size":1,"free":1,"volume":"0","model":"Flash Disk",' +
        '"pnp":"USBSTOR\\\\DISK&VEN_GENERAL&PROD_UDISK&REV_5.00\\\\7&2D1E3B4A&0&_&0","media":"Removable Media"}]\r\n'
    }
  })
