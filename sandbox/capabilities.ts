/**
 * What the host grants, as the one table in which a guest's wishes are looked up. Arguments come from the guest and
 * may be anything.
 */
import {
  type AssetSource,
  type Capabilities,
  type HostFunction,
  type LicenseTerms,
  type Limits,
  type NetConnection,
  type NetHost,
  type SaveChange,
  type SaveStore,
  type TerminalHost,
  type Value,
  syncOf
} from './guest.js'
import type { ExportGrant, ModuleGrant } from './protocol.js'

export type Grant =
  /** Answered at once; what is told has no answer, so nobody waits where host and guest are apart. */
  | { readonly kind: 'ask' | 'tell'; run(args: readonly any[]): unknown }
  /** Answered by a promise. */
  | { readonly kind: 'request'; run(args: readonly any[]): unknown }
  | { readonly kind: 'constant'; readonly value: Value }

export interface CapabilityTable {
  /** For the guest: names and kinds. */
  readonly modules: readonly ModuleGrant[]
  find(module: string, name: string): Grant | undefined
  /** The guest has ended: what it left open is closed. */
  end(): void
}

/**
 * @param limits - Of the guest: what could not fit into it is not read for it.
 * @throws TypeError for a host function whose name no program could import.
 */
export function grantTable(
  capabilities: Capabilities,
  { memoryBytes = Infinity }: Partial<Pick<Limits, 'memoryBytes'>> = {}
): CapabilityTable {
  const { terminal, assets, save, license, net, host } = capabilities
  const table = new Map<string, Map<string, Grant>>()
  const add = (module: string, grants: Readonly<Record<string, Grant>>) => {
    table.set(module, new Map(Object.entries(grants)))
  }
  if (terminal !== undefined) add('terminal', terminalGrants(terminal))
  if (assets !== undefined) add('assets', assetGrants(assets, memoryBytes))
  if (save !== undefined) add('save', saveGrants(save))
  if (license !== undefined) add('license', licenseGrants(license))
  const client = net === undefined ? undefined : clientOf(net)
  const connection = client?.connect()
  if (connection !== undefined) add('net', netGrants(client!.script, connection))
  if (host !== undefined) add('host', hostGrants(host))
  return {
    modules: [...table].map(([module, grants]) => [module, [...grants].map(forGuest)]),
    find: (module, name) => table.get(module)?.get(name),
    end: () => connection?.end()
  }
}

const forGuest = ([name, grant]: [string, Grant]): ExportGrant =>
  grant.kind === 'constant' ? [name, 'constant', grant.value] : [name, grant.kind]

function terminalGrants(terminal: TerminalHost): Record<string, Grant> {
  return {
    interactive: { kind: 'constant', value: terminal.interactive },
    size: { kind: 'ask', run: () => terminal.size() },
    write: { kind: 'tell', run: ([text]) => terminal.write(text) },
    readKey: { kind: 'request', run: () => terminal.readKey() }
  }
}

function assetGrants(assets: AssetSource, memoryBytes: number): Record<string, Grant> {
  let sizes: ReadonlyMap<string, number> | undefined
  const sizeOf = (path: string) =>
    (sizes ??= new Map(assets.list().map(({ path, sizeBytes }) => [path, sizeBytes]))).get(path) ?? 0
  return {
    list: { kind: 'ask', run: () => assets.list().map(({ path, sizeBytes }) => ({ path, sizeBytes })) },
    read: {
      kind: 'request',
      run([path, offset, length]) {
        if (typeof path !== 'string') throw new TypeError('Cannot read an asset: its path must be text')
        const offsetBytes = Math.min(checkPlace(offset ?? 0), sizeOf(path))
        const lengthBytes = Math.min(checkPlace(length ?? Infinity), sizeOf(path) - offsetBytes)
        if (lengthBytes > memoryBytes)
          throw new RangeError(`Cannot read an asset: ${lengthBytes} bytes at once; read it in parts`)
        const whole = offset === undefined && length === undefined
        return whole ? assets.read(path) : assets.read(path, { offsetBytes, lengthBytes })
      }
    }
  }
}

function checkPlace(place: unknown): number {
  if (place === Infinity || (Number.isSafeInteger(place) && (place as number) >= 0)) return place as number
  throw new RangeError('Cannot read an asset: offsetBytes and lengthBytes are whole numbers from 0')
}

function saveGrants(save: SaveStore): Record<string, Grant> {
  return {
    list: { kind: 'request', run: async () => [...(await save.list())] },
    read: { kind: 'request', run: async ([slot]) => (await save.read(checkSlot(slot))) ?? null },
    commit: {
      kind: 'request',
      run: ([changes, basis]) =>
        save.commit(saveChanges(changes), typeof basis === 'number' ? basis : undefined)
    },
    revision: { kind: 'request', run: () => save.revision() }
  }
}

/** @param changes - A list of [slot, bytes or null]. */
function saveChanges(changes: unknown): SaveChange[] {
  if (!Array.isArray(changes)) throw new TypeError('Cannot save: a list of changes is expected')
  return changes.map((change: unknown) => {
    const [slot, bytes] = Array.isArray(change) ? (change as unknown[]) : []
    if (bytes !== null && !(bytes instanceof Uint8Array))
      throw new TypeError('Cannot save: the data must be text or a Uint8Array')
    return { slot: checkSlot(slot), bytes: bytes ?? undefined }
  })
}

function licenseGrants({ kind, features, expires }: LicenseTerms): Record<string, Grant> {
  return {
    kind: { kind: 'constant', value: kind },
    features: { kind: 'constant', value: features },
    expires: { kind: 'constant', value: expires }
  }
}

function clientOf(net: NonNullable<Capabilities['net']>): NetHost {
  if ('connect' in net) return net
  throw new Error('internal: a grant of the network without its client')
}

function netGrants(script: string, client: NetConnection): Record<string, Grant> {
  return {
    script: { kind: 'constant', value: script },
    open: { kind: 'request', run: ([id, request]) => client.open(id, request) },
    read: { kind: 'request', run: ([id]) => client.read(id) },
    close: { kind: 'request', run: ([id]) => client.close(id) }
  }
}

function checkSlot(slot: unknown): string {
  if (typeof slot === 'string' && /^[A-Za-z0-9._-]{1,64}$/.test(slot)) return slot
  throw new TypeError('Cannot name a save so: 1 to 64 of A-Z a-z 0-9 . _ - are allowed')
}

function hostGrants(host: Readonly<Record<string, HostFunction>>): Record<string, Grant> {
  return Object.fromEntries(
    Object.entries(host).map(([name, fn]): [string, Grant] => {
      if (!/^[A-Za-z_$][\w$]*$/.test(name))
        throw new TypeError(`Cannot grant "${name}": it is no name to import`)
      if (typeof fn !== 'function') throw new TypeError(`Cannot grant "${name}": it is not a function`)
      const synchronous = syncOf(fn)
      const called = (synchronous ?? fn) as (...args: readonly any[]) => unknown
      // Not spread where there are few: that would take longer than what many a function does.
      const run = (args: readonly any[]) => {
        if (args.length === 1) return called(args[0])
        if (args.length === 2) return called(args[0], args[1])
        return called(...args)
      }
      return [name, { kind: synchronous === undefined ? 'request' : 'ask', run }]
    })
  )
}
