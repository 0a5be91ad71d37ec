/**
 * A computer of its own, emulated: Debian's kernel under qemu, with USB sticks and a CD-ROM drive that do not exist, and
 * the same Node as here, since it sees this machine's files, read-only. What it is to do is a shell script; each step of
 * it comes back with its exit code and output.
 *
 * It needs what `scripts/drives-setup.sh` installs. Emulated without KVM, so that it runs anywhere: slow, but the same
 * everywhere.
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'

const QEMU = '/usr/bin/qemu-system-x86_64'
const BUSYBOX = '/bin/busybox'
const XZ = '/usr/bin/xz'
/** For who makes drives. */
export const XORRISO = '/usr/bin/xorriso'
export const MKFS = { vfat: '/sbin/mkfs.vfat', ext4: '/sbin/mkfs.ext4' } as const
const LIMIT_MS = 225_000

/** What the kernel needs for the machine below; those of a kernel that has it built in are left out. */
const MODULES = [
  'virtio_pci',
  'virtio_net',
  'virtio_blk',
  '9pnet_virtio',
  '9p',
  'xhci_pci',
  'usb_storage',
  'ahci',
  'sd_mod',
  'sr_mod',
  'isofs',
  'vfat',
  'crc32c_generic',
  'ext4',
  'nls_cp437',
  'nls_ascii',
  'nls_utf8',
  'nls_iso8859_1'
]

/** Images of whole drives; they are written to. */
export interface Hardware {
  readonly sticks: readonly { readonly image: string; readonly serial: string }[]
  /** Built in: /dev/vda and so on. One without a serial number says so by leaving it out; qemu gives every stick one. */
  readonly disks: readonly { readonly image: string; readonly serial?: string }[]
  readonly cdrom?: string
}

export interface Step {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

const kernels = (): string[] =>
  existsSync('/boot')
    ? readdirSync('/boot').filter(
        name => name.startsWith('vmlinuz-') && existsSync(`/lib/modules/${name.slice(8)}`)
      )
    : []

/** What this machine lacks to emulate one; undefined when nothing. */
export function missing(): string | undefined {
  if (process.platform !== 'linux' || process.arch !== 'x64') return 'this machine is no Linux on x86-64'
  if (!existsSync(QEMU)) return 'qemu is not installed'
  if (kernels().length === 0) return 'there is no kernel of Debian with its modules'
  for (const tool of [BUSYBOX, XZ, XORRISO, ...Object.values(MKFS)])
    if (!existsSync(tool)) return `${tool} is not installed`
  return undefined
}

/**
 * @param folder - For the machine's own files.
 * @param script - Run by busybox's shell, as root, in this machine's file tree. `step <name> <command...>` is a step.
 * @returns Its steps by name.
 */
export async function runMachine(
  folder: string,
  script: string,
  { sticks, disks, cdrom }: Hardware
): Promise<ReadonlyMap<string, Step>> {
  const kernel = kernels().sort().at(-1)!
  const scriptPath = join(folder, 'script.sh')
  writeFileSync(scriptPath, STEPS + script)
  const awaited = [
    ...(cdrom === undefined ? [] : ['/dev/sr0']),
    ...sticks.map((_, index) => `/dev/sd${'abc'[index]}`),
    ...disks.map((_, index) => `/dev/vd${'abc'[index]}`)
  ]
  const initrd = makeInitrd(folder, kernel.slice(8), scriptPath, awaited)
  const drives = sticks.flatMap(({ image, serial }, index) => [
    '-drive',
    `if=none,id=stick${index},format=raw,file=${image}`,
    '-device',
    `usb-storage,bus=xhci.0,drive=stick${index},removable=on,serial=${serial}`
  ])
  const words = [
    ...['-accel', 'tcg,thread=multi', '-cpu', 'max', '-smp', '2', '-m', '1024', '-M', 'q35'],
    ...['-kernel', unpacked(`/boot/${kernel}`, join(folder, 'vmlinux')), '-initrd', initrd],
    ...['-append', 'console=ttyS0 quiet panic=-1 mitigations=off no_timer_check'],
    ...['-nographic', '-no-reboot', '-monitor', 'none', '-serial', 'stdio'],
    ...['-virtfs', 'local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap'],
    ...['-nic', 'user,model=virtio-net-pci'],
    ...['-device', 'qemu-xhci,id=xhci', ...drives],
    ...disks.flatMap(({ image, serial }, index) => [
      '-drive',
      `if=none,id=disk${index},format=raw,file=${image}`,
      '-device',
      `virtio-blk-pci,drive=disk${index}${serial === undefined ? '' : `,serial=${serial}`}`
    ]),
    ...(cdrom === undefined ? [] : ['-cdrom', cdrom])
  ]
  return stepsIn(await consoleOf(words))
}

function consoleOf(words: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(QEMU, words, { stdio: ['ignore', 'pipe', 'pipe'] })
    let text = ''
    const timer = setTimeout(() => {
      text += `\nended after ${LIMIT_MS / 1000} s`
      child.kill('SIGKILL')
    }, LIMIT_MS)
    child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')))
    child.stderr.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')))
    child.on('error', reject).on('close', () => {
      clearTimeout(timer)
      if (text.includes('@@end')) resolve(text)
      else reject(new Error(`the machine did not come to its end:\n${text.slice(-4000)}`))
    })
  })
}

function stepsIn(text: string): ReadonlyMap<string, Step> {
  const decode = (word: string) => Buffer.from(word, 'base64').toString('utf8')
  return new Map(
    [...text.matchAll(/@@step (\S+) (\d+) -(\S*) -(\S*) @@/g)].map(
      ([, name, code, stdout, stderr]) =>
        [name!, { code: Number(code), stdout: decode(stdout!), stderr: decode(stderr!) }] as const
    )
  )
}

/** A step's output comes through the console in one word each, with a dash in front of it, since it may be empty. */
const STEPS = `
step() {
  name=$1; shift
  code=0; "$@" >/media/out 2>/media/err || code=$?
  echo "@@step $name $code -$(base64 -w0 </media/out) -$(base64 -w0 </media/err) @@"
}
`

function makeInitrd(folder: string, version: string, script: string, awaited: readonly string[]): string {
  const tree = join(folder, 'initrd')
  for (const name of ['bin', 'modules', 'proc', 'sys', 'dev', 'host'])
    mkdirSync(join(tree, name), { recursive: true })
  copyFileSync(BUSYBOX, join(tree, 'bin/busybox'))
  const modules = modulePaths(version)
  for (const path of modules) copyFileSync(path, join(tree, 'modules', basename(path)))
  writeFileSync(
    join(tree, 'init'),
    `#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs dev /dev
${modules.map(path => `insmod /modules/${basename(path)}`).join('\n')}
mount -t 9p -o ro,trans=virtio,version=9p2000.L,cache=loose,msize=524288 host /host
mount -t proc proc /host/proc; mount -t sysfs sysfs /host/sys; mount --bind /dev /host/dev
mount -t tmpfs tmpfs /host/media
ip link set lo up; ip addr add 10.0.2.15/24 dev eth0; ip link set eth0 up; ip route add default via 10.0.2.2
for device in ${awaited.join(' ')}; do
  for wait in $(seq 100); do [ -e $device ] && break; sleep 0.1; done
done
chroot /host ${BUSYBOX} sh ${script}
echo @@end
poweroff -f
`,
    { mode: 0o755 }
  )
  const archive = join(folder, 'initrd.cpio')
  execFileSync(BUSYBOX, [
    'sh',
    '-c',
    `cd "$0" && find . | ${BUSYBOX} cpio -o -H newc > "$1" 2>/dev/null`,
    tree,
    archive
  ])
  return archive
}

/**
 * The kernel as an ELF file, which qemu starts as it is (PVH): to unpack itself takes an emulated computer seconds.
 *
 * @returns Where it is; the packed one's path where it is packed in another way than Debian's.
 */
function unpacked(packed: string, to: string): string {
  const bytes = readFileSync(packed)
  const start = bytes.indexOf(Buffer.from('fd377a585a00', 'hex'))
  if (start < 0) return packed
  // What stands behind it in the file is none of it, which is told as an error.
  const { stdout } = spawnSync(XZ, ['-dc'], { input: bytes.subarray(start), maxBuffer: 2 ** 30 })
  if (!stdout.subarray(0, 4).equals(Buffer.from('7f454c46', 'hex'))) return packed
  writeFileSync(to, stdout)
  return to
}

/** Files of the modules and of what they need, in the order in which they can be loaded. */
function modulePaths(version: string): string[] {
  const root = `/lib/modules/${version}`
  const nameOf = (path: string) =>
    basename(path)
      .replace(/\.ko.*$/, '')
      .replaceAll('-', '_')
  const needs = new Map(
    readFileSync(join(root, 'modules.dep'), 'utf8')
      .split('\n')
      .filter(line => line.includes(':'))
      .map(line => {
        const [path, rest] = line.split(':') as [string, string]
        return [nameOf(path), { path, needs: rest.trim().split(' ').filter(Boolean).map(nameOf) }] as const
      })
  )
  const ordered: string[] = []
  const visit = (name: string): void => {
    const found = needs.get(name)
    if (found === undefined) return
    for (const need of found.needs) visit(need)
    const path = join(root, found.path)
    if (!ordered.includes(path)) ordered.push(path)
  }
  for (const name of MODULES) visit(name)
  return ordered
}
