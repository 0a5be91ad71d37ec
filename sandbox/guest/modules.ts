/** The `coffer:` modules: what the host granted, and a few comforts on top (types: coffer.d.ts). */
import { PromiseOf, mapDelete, mapGet, mapSet } from '../primordials.js'
import { TO_HOST, readError } from '../protocol.js'
import type { Reader } from '../wire.js'
import { TextDecoder, TextEncoder } from './encoding.js'
import { define } from './globals.js'
import type { OwnLimits } from './limits.js'
import { type Link, type Native, revive } from './link.js'

/** The exports of one module. */
export type ModuleExports = Record<string, any>

export interface Modules {
  /**
   * Make the granted ones: a list of ModuleGrant from the host. Once more in a guest that started from an image of its
   * program: what the program holds stays what it is, and only who answers may have changed.
   */
  begin(grants: readonly any[]): void
  /** A `settle` message: the host answers a request. */
  settle(reader: Reader): void
  /** The same without messages: the promise of a request, and what it settles to. */
  expect(id: number): Promise<unknown>
  resolve(id: number, value: unknown): void
  reject(id: number, error: Error): void
  readonly exports: Record<string, ModuleExports>
}

/** @param own - What every program has. */
export function makeModules(
  link: Link,
  functions: Native['functions'],
  own: { readonly limits: Pick<OwnLimits, 'softLimit'> }
): Modules {
  const waiting = new Map<number, { resolve(value: unknown): void; reject(reason: unknown): void }>()
  const { softLimit } = own.limits
  const exports = { __proto__: null, limits: { softLimit } } as unknown as Record<string, ModuleExports>
  let lastId = 0

  /** Functions of the host's by module and name: answered by a promise, or at once. */
  const granted = new Map<string, { byPromise: boolean }>()

  const ask = (module: string, name: string, args: unknown[]): unknown => {
    link.begin(TO_HOST.ask).value(module).value(name).within(link.bounds).value(args)
    const reader = link.reader(link.send()!)
    if (reader.boolean()) return reader.value()
    throw revive(readError(reader))
  }

  const request = (module: string, name: string, args: unknown[]): Promise<unknown> => {
    const id = (lastId = (lastId + 1) & 0x7fffffff)
    link.begin(TO_HOST.request).value(id).value(module).value(name).within(link.bounds).value(args)
    const promise = expect(id)
    link.send()
    return promise
  }

  const expect = (id: number): Promise<unknown> =>
    new PromiseOf((resolve, reject) => mapSet(waiting, id, { resolve, reject }))

  const take = (id: number) => {
    const request = mapGet(waiting, id)
    mapDelete(waiting, id)
    return request
  }

  const hostFunction = (module: string, name: string, byPromise: boolean) => {
    const key = `${module}.${name}`
    const grant = { byPromise }
    mapSet(granted, key, grant)
    // Where the engine lets the host be called without a message, this is all there is to it.
    return (
      functions?.[key] ??
      ((...args: unknown[]): unknown => (grant.byPromise ? request : ask)(module, name, args))
    )
  }

  return {
    exports,
    begin(grants) {
      for (let i = 0; i < grants.length; i++) {
        const module = grants[i][0] as string
        const known = exports[module]
        const made = known ?? ({} as ModuleExports)
        for (let k = 0; k < grants[i][1].length; k++) {
          const grant = grants[i][1][k]
          const name = grant[0] as string
          const byPromise = grant[1] === 'request'
          const before = mapGet(granted, `${module}.${name}`)
          if (before !== undefined) before.byPromise = byPromise
          else if (grant[1] !== 'constant') define(made, name, hostFunction(module, name, byPromise), true)
          else if (known === undefined) define(made, name, grant[2], true)
        }
        if (known === undefined) exports[module] = DERIVE[module]?.(made) ?? made
      }
    },
    settle(reader) {
      const request = take(reader.count())
      if (reader.boolean()) request?.resolve(reader.value())
      else request?.reject(revive(readError(reader)))
    },
    expect,
    resolve: (id, value) => take(id)?.resolve(value),
    reject: (id, error) => take(id)?.reject(error)
  }
}

/** What a program sees of a module that the SDK makes something of; listed for linking in protocol.ts. */
const DERIVE: Record<string, (granted: ModuleExports) => ModuleExports> = {
  terminal({ interactive, size, write: tell, readKey }) {
    const write = (text: unknown) => tell(`${text}`)
    const readLine = async (prompt?: string): Promise<string | null> => {
      if (prompt !== undefined) write(`${prompt}`)
      const echo = (text: string) => interactive && write(text)
      let line = ''
      for (;;) {
        const key = await readKey()
        if (key === null) return line === '' ? null : line
        if (key.name === 'enter') {
          echo('\r\n')
          return line
        }
        if (key.name === 'backspace') {
          // One character may be two units, and a wide one two columns: redraw rather than count.
          const shorter = [...line].slice(0, -1).join('')
          if (line !== '') echo(`\x1b[${columns(line)}D\x1b[K${shorter}`)
          line = shorter
        } else if (key.text !== '' && !key.ctrl && !key.alt) {
          line += key.text
          echo(key.text)
        }
      }
    }
    return { interactive, size, write, readKey, readLine }
  },
  assets({ read: readAt, list }) {
    // The list never changes; asked for once.
    let known: readonly Asset[] | undefined
    const all = () => (known ??= list() as readonly Asset[])
    const read = (path: string, { offsetBytes, lengthBytes }: Partial<Range> = {}): Promise<Uint8Array> =>
      readAt(path, offsetBytes, lengthBytes)
    return {
      list: () => all().map(entry => ({ ...entry })),
      read,
      readText: async (path: string) => new TextDecoder().decode(await read(path)),
      open(path: string) {
        const entry = all().find(entry => entry.path === path)
        if (entry === undefined) {
          const missing = new Error('The title has no such asset.')
          define(missing, 'name', 'CofferError')
          define(missing, 'code', 'COFFER_FILE_MISSING')
          throw missing
        }
        return {
          ...entry,
          read: (range?: Partial<Range>) => read(path, range),
          async *[Symbol.asyncIterator]() {
            for (let at = 0; at < entry.sizeBytes; at += PART_BYTES) yield await readAt(path, at, PART_BYTES)
          }
        }
      }
    }
  },
  save,
  // Most titles have no use for it, so its text comes from the host, where it was granted.
  net: ({ script, open, read, close }) => evaluate(script)({ open, read, close })
}

/** Indirect, so in the global scope; taken before the program could change it. */
// oxlint-disable-next-line no-eval
const evaluate = globalThis['eval']

interface Asset {
  readonly path: string
  readonly sizeBytes: number
}
interface Range {
  readonly offsetBytes: number
  readonly lengthBytes: number
}
/** Of an asset that is read as a stream: sixteen of the chunks that it is sealed in. */
const PART_BYTES = 256 * 1024

type Data = Uint8Array | string
/** How often the work of a transaction is done again because another guest saved meanwhile. */
const TRANSACTION_TRIES = 10

function save({ list, read, commit, revision }: ModuleExports): ModuleExports {
  const bytesOf = (data: Data) => (typeof data === 'string' ? new TextEncoder().encode(data) : data)
  const textOf = (bytes: Uint8Array | null) => (bytes === null ? null : new TextDecoder().decode(bytes))
  const transaction = async (work: (saves: object) => unknown): Promise<unknown> => {
    for (let tries = 1; ; tries++) {
      const basis = await revision()
      const changes = new Map<string, Uint8Array | null>()
      let open = true
      const change = (slot: string, bytes: Uint8Array | null) => {
        if (!open) throw new TypeError('Cannot save: the transaction has ended')
        changes.set(slot, bytes)
      }
      const current = async (slot: string): Promise<Uint8Array | null> => {
        const changed = changes.get(slot)
        return changed === undefined ? read(slot) : changed && changed.slice()
      }
      const saves = {
        list: async () => {
          const slots = new Set<string>(await list())
          for (const [slot, bytes] of changes) {
            if (bytes === null) slots.delete(slot)
            else slots.add(slot)
          }
          return [...slots].sort()
        },
        read: current,
        readText: async (slot: string) => textOf(await current(slot)),
        write: (slot: string, data: Data) => change(`${slot}`, bytesOf(data).slice()),
        remove: (slot: string) => change(`${slot}`, null)
      }
      let result: unknown
      try {
        result = await work(saves)
      } finally {
        open = false
      }
      try {
        await commit([...changes], basis)
        return result
      } catch (error) {
        if ((error as { code?: unknown }).code !== 'COFFER_BUSY' || tries === TRANSACTION_TRIES) throw error
      }
    }
  }
  return {
    list,
    read,
    readText: async (slot: string) => textOf(await read(slot)),
    write: async (slot: string, data: Data) => commit([[slot, bytesOf(data)]]),
    remove: async (slot: string) => commit([[slot, null]]),
    transaction
  }
}

/** Columns that a terminal uses for the text: two for what East Asian fonts and emoji draw wide. */
const columns = (text: string): number => {
  let count = 0
  for (const char of text) {
    count +=
      /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/u.test(
        char
      )
        ? 2
        : 1
  }
  return count
}
