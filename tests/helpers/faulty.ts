/**
 * The shipped `coffer`, with a disk beneath it that fails where it is told to:
 *
 *     COFFER_FAULT='{...}' node faulty.js <words as to coffer>
 *
 * Every call that changes a file or folder under one of `places` has a number, from 1. At number `at` this happens:
 *
 *     ENOSPC, EIO   the call fails so, and only that one
 *     kill          the process is killed before the call; of a write, half is written first
 *     gone          from then on every call there fails with EIO, also those that only read: the plug is pulled, and
 *                   the program lives on
 *     lose-names    the power fails: what was not made durable is lost, names and data. A name is durable once its
 *                   folder was flushed, data once the file was
 *     lose-data     the same, but all names are kept: a file system may write them first
 *
 * The number after the last call stands for the end of the process. What was called, and what no number was given to, is
 * written to `log`.
 */
import fs from 'node:fs'
import { createRequire, syncBuiltinESMExports } from 'node:module'
import { dirname, join, resolve, sep } from 'node:path'

export type Fault = 'ENOSPC' | 'EIO' | 'kill' | 'gone' | 'lose-names' | 'lose-data'

export interface FaultPlan {
  readonly program: string
  readonly places: readonly string[]
  /** On the same file system as the places: what was removed or replaced is kept here, to be put back. */
  readonly spare: string
  readonly log: string
  readonly fault?: Fault
  readonly at?: number
}

export interface FaultLog {
  readonly calls: readonly string[]
  readonly uncounted: readonly string[]
}

const plan = JSON.parse(process.env['COFFER_FAULT']!) as FaultPlan
delete process.env['COFFER_FAULT']

type Call = (...args: any[]) => any
const system = { ...fs } as unknown as Record<string, Call>
const calls: string[] = []
const uncounted: string[] = []
let gone = false
/** Names of the calls that are replaced. */
const patched = new Set<string>()

/** While the disk is made what the fault leaves of it; Node's own removal of folders calls the calls below. */
let striking = false

const isPlace = (path: unknown): path is string =>
  !striking &&
  typeof path === 'string' &&
  plan.places.some(place => resolve(path) === place || resolve(path).startsWith(place + sep))

/** Open files of the places. */
const open = new Map<number, Inode>()

/** What a file is, whatever its name is now. */
interface Inode {
  path: string
  isFolder: boolean
  durableBytes: number
}
/** Files that were written to and not flushed yet. */
const dirty = new Set<Inode>()

/** What was done to a folder's names and is not durable yet, with how to undo it. */
let names: { readonly folder: string; readonly undo: () => void }[] = []
const named = (path: string, undo: () => void): void => void names.push({ folder: dirname(path), undo })

let spares = 0
function keep(path: string): string {
  const spare = join(plan.spare, String(++spares))
  system['linkSync']!(path, spare)
  return spare
}

function loseData(): void {
  for (const { path, durableBytes } of dirty)
    if (system['existsSync']!(path)) system['truncateSync']!(path, durableBytes)
}

function loseNames(): void {
  for (const { undo } of names.reverse()) undo()
}

/** Undo what power would have lost. That it cannot is a fault of this file, and must not look like one of the program. */
function lose(what: () => void): never {
  striking = true
  try {
    what()
  } catch (error) {
    system['writeSync']!(2, `faulty.js failed: ${(error as Error).stack}\n`)
    process.exit(99)
  }
  return die()
}

const die = (): never => {
  process.kill(process.pid, 'SIGKILL')
  for (;;);
}

const failure = (code: string): Error => Object.assign(new Error(`${code}: made to fail`), { code })

/** @param half - Does half of the call, for one that is killed in the middle. */
function count(what: string, half?: () => void): void {
  if (gone) throw failure('EIO')
  calls.push(what)
  if (calls.length === plan.at) strike(half)
}

function strike(half?: () => void): void {
  switch (plan.fault) {
    case 'ENOSPC':
    case 'EIO':
      throw failure(plan.fault)
    case 'gone':
      gone = true
      throw failure('EIO')
    case 'kill':
      half?.()
      return die()
    case 'lose-data':
      return lose(loseData)
    case 'lose-names':
      return lose(() => {
        loseData()
        loseNames()
      })
    case undefined:
  }
}

/** What a call that changes names does to them, besides itself. */
const CHANGES: Readonly<Record<string, (path: string, second: string) => () => void>> = {
  mkdirSync: path => () => named(path, () => system['rmSync']!(path, { recursive: true, force: true })),
  rmdirSync: path => () => named(path, () => system['mkdirSync']!(path)),
  unlinkSync: path => {
    const spare = keep(path)
    return () => named(path, () => system['renameSync']!(spare, path))
  },
  rmSync: path => {
    const stats = system['lstatSync']!(path, { throwIfNoEntry: false })
    if (stats === undefined || stats.isDirectory()) return () => {}
    const spare = keep(path)
    return () => named(path, () => system['renameSync']!(spare, path))
  },
  linkSync: (_, path) => () => named(path, () => system['unlinkSync']!(path)),
  renameSync: (from, to) => {
    const target = system['lstatSync']!(to, { throwIfNoEntry: false })
    const spare = target?.isFile() ? keep(to) : undefined
    return () => {
      named(to, () => {
        system['renameSync']!(to, from)
        if (spare !== undefined) system['renameSync']!(spare, to)
      })
      for (const inode of dirty) if (inode.path === from) inode.path = to
    }
  }
}

for (const [name, change] of Object.entries(CHANGES))
  patch(name, (path: string, ...rest: unknown[]) => {
    if (!isPlace(path) && !isPlace(rest[0])) return system[name]!(path, ...rest)
    count(`${name.replace('Sync', '')} ${path}`)
    const exists = name === 'mkdirSync' || system['lstatSync']!(path, { throwIfNoEntry: false }) !== undefined
    const done = exists ? change(path, rest[0] as string) : () => {}
    const result = system[name]!(path, ...rest)
    done()
    return result
  })

for (const name of ['chmodSync', 'utimesSync', 'truncateSync'])
  patch(name, (path: string, ...rest: unknown[]) => {
    if (isPlace(path)) count(`${name.replace('Sync', '')} ${path}`)
    return system[name]!(path, ...rest)
  })

patch('openSync', (path: string, flags: string | number = 'r', ...rest: unknown[]) => {
  if (!isPlace(path)) return system['openSync']!(path, flags, ...rest)
  if (gone) throw failure('EIO')
  const writes =
    typeof flags === 'string' ? flags !== 'r' : (flags & (fs.constants.O_WRONLY | fs.constants.O_RDWR)) !== 0
  if (writes) count(`create ${path}`)
  const descriptor = system['openSync']!(path, flags, ...rest) as number
  const isFolder = system['fstatSync']!(descriptor).isDirectory() as boolean
  const inode = { path, isFolder, durableBytes: 0 }
  open.set(descriptor, inode)
  if (writes) {
    named(path, () => system['rmSync']!(path, { force: true }))
    dirty.add(inode)
  }
  return descriptor
})

patch(
  'writeSync',
  (descriptor: number, bytes: Uint8Array, offset = 0, length?: number, ...rest: unknown[]) => {
    const inode = open.get(descriptor)
    if (inode === undefined) return system['writeSync']!(descriptor, bytes, offset, length, ...rest)
    const all = length ?? bytes.length - offset
    count(`write ${inode.path}`, () => system['writeSync']!(descriptor, bytes, offset, all >> 1))
    dirty.add(inode)
    return system['writeSync']!(descriptor, bytes, offset, all, ...rest)
  }
)

function flushed(descriptor: number): void {
  const inode = open.get(descriptor)
  if (inode === undefined) return
  count(`fsync ${inode.path}`)
  if (inode.isFolder) names = names.filter(({ folder }) => folder !== inode.path)
  else inode.durableBytes = system['fstatSync']!(descriptor).size as number
  dirty.delete(inode)
}

for (const name of ['fsyncSync', 'fdatasyncSync'])
  patch(name, (descriptor: number) => {
    flushed(descriptor)
    return system[name]!(descriptor)
  })

// Those who do something else meanwhile.
for (const name of ['fsync', 'fdatasync'])
  patch(name, (descriptor: number, done: (error: unknown) => void) => {
    try {
      flushed(descriptor)
    } catch (error) {
      return process.nextTick(done, error)
    }
    return system[name]!(descriptor, done)
  })

for (const name of ['fchmodSync', 'ftruncateSync'])
  patch(name, (descriptor: number, ...rest: unknown[]) => {
    const inode = open.get(descriptor)
    if (inode !== undefined) count(`${name.replace('Sync', '')} ${inode.path}`)
    return system[name]!(descriptor, ...rest)
  })

patch('closeSync', (descriptor: number) => {
  open.delete(descriptor)
  return system['closeSync']!(descriptor)
})

// What only reads fails too when the medium is gone.
for (const name of ['readSync', 'fstatSync'])
  patch(name, (descriptor: number, ...rest: unknown[]) => {
    if (gone && open.has(descriptor)) throw failure('EIO')
    return system[name]!(descriptor, ...rest)
  })
for (const name of ['lstatSync', 'statSync', 'readdirSync', 'statfsSync', 'readFileSync'])
  patch(name, (path: string, ...rest: unknown[]) => {
    if (gone && isPlace(path)) throw failure('EIO')
    return system[name]!(path, ...rest)
  })

// Whatever else could write there: a call without a number is a hole in this list.
for (const [holder, prefix] of [
  [fs as unknown as Record<string, unknown>, ''],
  [fs.promises as unknown as Record<string, unknown>, 'promises.']
] as const)
  for (const name of Object.keys(holder).filter(
    name =>
      /^(?:write|append|copy|cp|rename|unlink|rm|mkdir|mkdtemp|link|symlink|truncate|chmod|lchmod|chown|lchown|utimes|lutimes|open|createWriteStream)/.test(
        name
      ) && !(prefix === '' && patched.has(name))
  )) {
    const call = holder[name] as Call
    holder[name] = (...args: unknown[]) => {
      if (args.some(isPlace)) uncounted.push(prefix + name)
      return call.apply(holder, args)
    }
  }

function patch(name: string, call: Call): void {
  Object.assign(fs, { [name]: call })
  patched.add(name)
}

syncBuiltinESMExports()

process.on('exit', () => {
  if (calls.length + 1 === plan.at && plan.fault?.startsWith('lose')) {
    calls.push('end')
    system['writeFileSync']!(plan.log, JSON.stringify({ calls, uncounted }))
    strike()
  }
  system['writeFileSync']!(plan.log, JSON.stringify({ calls, uncounted }))
})

process.argv = [process.argv[0]!, plan.program, ...process.argv.slice(2)]
createRequire(import.meta.url)(plan.program)
