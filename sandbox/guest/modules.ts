/** The `coffer:` modules: what the host granted, and a few comforts on top (types: coffer.d.ts). */
import { PromiseOf, mapDelete, mapGet, mapSet } from '../primordials.js'
import { TO_HOST } from '../protocol.js'
import type { Reader } from '../wire.js'
import { TextDecoder, TextEncoder } from './encoding.js'
import { define } from './globals.js'
import { type Link, revive } from './link.js'

/** The exports of one module. */
export type ModuleExports = Record<string, any>

export interface Modules {
  /** Make the granted ones: a list of ModuleGrant from the host. */
  begin(grants: readonly any[]): void
  /** A `settle` message: the host answers a request. */
  settle(reader: Reader): void
  readonly exports: Record<string, ModuleExports>
}

export function makeModules(link: Link): Modules {
  const waiting = new Map<number, { resolve(value: unknown): void; reject(reason: unknown): void }>()
  const exports = { __proto__: null } as unknown as Record<string, ModuleExports>
  let lastId = 0

  /** A function of the host's that answers at once. */
  const ask =
    (module: string, name: string) =>
    (...args: unknown[]): unknown => {
      link.begin(TO_HOST.ask).value(module).value(name).within(link.bounds).value(args)
      const reader = link.reader(link.send()!)
      if (reader.boolean()) return reader.value()
      throw revive(reader)
    }

  /** A function of the host's that answers with a promise. */
  const request =
    (module: string, name: string) =>
    (...args: unknown[]): Promise<unknown> =>
      new PromiseOf((resolve, reject) => {
        const id = (lastId = (lastId + 1) & 0x7fffffff)
        link.begin(TO_HOST.request).value(id).value(module).value(name).within(link.bounds).value(args)
        mapSet(waiting, id, { resolve, reject })
        link.send()
      })

  return {
    exports,
    begin(grants) {
      for (let i = 0; i < grants.length; i++) {
        const module = grants[i][0] as string
        const made = (exports[module] = {} as ModuleExports)
        for (let k = 0; k < grants[i][1].length; k++) {
          const grant = grants[i][1][k]
          const name = grant[0] as string
          const kind = grant[1] as string
          define(
            made,
            name,
            kind === 'constant' ? grant[2] : (kind === 'request' ? request : ask)(module, name),
            true
          )
        }
        DERIVE[module]?.(made)
      }
    },
    settle(reader) {
      const id = reader.count()
      const request = mapGet(waiting, id)
      mapDelete(waiting, id)
      if (reader.boolean()) request?.resolve(reader.value())
      else request?.reject(revive(reader))
    }
  }
}

/** What the SDK adds to a granted module; listed for linking in protocol.ts. */
const DERIVE: Record<string, (exports: ModuleExports) => void> = {
  terminal(exports) {
    const { interactive, write: tell, readKey } = exports
    const write = (exports['write'] = (text: unknown) => tell(`${text}`))
    exports['readLine'] = async (prompt?: string): Promise<string | null> => {
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
  },
  assets(exports) {
    const { read, list } = exports
    // The list never changes; asked for once.
    let known: readonly object[] | undefined
    exports['list'] = () => (known ??= list() as readonly object[]).map(entry => ({ ...entry }))
    exports['readText'] = async (path: string) => new TextDecoder().decode(await read(path))
  },
  save(exports) {
    const { read, write } = exports
    exports['readText'] = async (slot: string) => {
      const bytes = await read(slot)
      return bytes === null ? null : new TextDecoder().decode(bytes)
    }
    exports['write'] = (slot: string, data: Uint8Array | string) =>
      write(slot, typeof data === 'string' ? new TextEncoder().encode(data) : data)
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
