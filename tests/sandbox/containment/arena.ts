/** Where hostile programs meet the sandbox: what they are given, and what became of them. */
import { utf8 } from '../../../formats/bytes.js'
import {
  type AssetRange,
  type Capabilities,
  CofferError,
  createPool,
  type Guest,
  GuestError,
  type LaunchOptions,
  type Limits,
  type TerminalHost,
  launch,
  sync
} from '../../../sandbox/index.js'
import type { Hostile } from './programs.js'

export type Way = 'inline' | 'pool' | 'thread' | 'ses'

export const WAYS: Readonly<Record<Way, LaunchOptions>> = {
  inline: { engine: 'quickjs', isolation: 'inline' },
  // From the image that the pool makes of the started program.
  pool: { engine: 'quickjs', isolation: 'inline' },
  thread: { engine: 'quickjs', isolation: 'thread' },
  ses: { engine: 'ses' }
}

/** Short, so that many programs end in little time. */
export const ARENA_LIMITS: Partial<Limits> = {
  memoryBytes: 32 * 2 ** 20,
  cpuMs: 100,
  wallMs: 1500,
  outputBytes: 2 ** 20,
  pendingJobs: 10_000,
  hostCalls: 20_000,
  valueBytes: 4 * 2 ** 20,
  valueItems: 50_000
}

export const limitsFor = (program: Hostile, way: Way): Partial<Limits> => ({
  ...ARENA_LIMITS,
  // Programs that may not end by their time get plenty of it; those that fill memory need some, on SES, where there is more of
  // it to fill, so much that they end by their memory.
  ...(program.source.startsWith('after: ')
    ? { cpuMs: 600 }
    : !expected(program, way).includes('cpuMs')
      ? { cpuMs: 6000 }
      : expected(program, way).includes('memoryBytes')
        ? { cpuMs: way === 'ses' ? 400 : 250 }
        : {}),
  ...(expected(program, way).includes('wallMs') ? {} : { wallMs: 15_000 }),
  ...(way === 'ses' ? {} : { memoryBytes: 16 * 2 ** 20 })
})

export interface Outcome {
  /** In the words of programs.ts. */
  readonly ending: string
  readonly elapsedMs: number
  readonly limit: CofferError['limit']
  readonly error: unknown
  readonly written: number
}

/** Start a guest; what it came from ends with it. */
export async function startBy(
  way: Way,
  program: Uint8Array,
  options: LaunchOptions
): Promise<AsyncDisposable & { readonly guest: Guest }> {
  options = { ...WAYS[way], ...options }
  const pool = way === 'pool' ? await createPool(program, { ...options, size: 1 }) : undefined
  try {
    const guest = await (pool?.take() ?? launch(program, options))
    return { guest, [Symbol.asyncDispose]: async () => (pool ?? guest).dispose() }
  } catch (error) {
    await pool?.dispose()
    throw error
  }
}

/** Run one program to its end. @param ready - Told when it has started, before it attacks. */
export async function attack(program: Hostile, way: Way, ready = () => {}): Promise<Outcome> {
  const [, first, body] = /^after: (\S+): (.*)$/s.exec(program.source) ?? []
  let written = 0
  const arena: { guest?: Guest } = {}
  const count = (bytes: Uint8Array) => void (written += bytes.length)
  let started = performance.now()
  const outcome = (ending: string, error?: unknown): Outcome => ({
    ending,
    elapsedMs: performance.now() - started,
    limit: error instanceof CofferError ? error.limit : undefined,
    error,
    written
  })
  try {
    const code = utf8(moduleOf(body ?? program.source))
    await using place = await startBy(way, code, {
      limits: limitsFor(program, way),
      capabilities: capabilities(arena),
      stdout: count,
      stderr: count
    })
    const { guest } = place
    arena.guest = guest
    ready()
    started = performance.now()
    try {
      if (first !== undefined) {
        const before = await guest.call('attack').then(
          () => 'gives',
          (error: unknown) => endingOf(error)
        )
        if (before !== first) return outcome(`${before} at first`)
      }
      const value = await guest.call('attack')
      return outcome(`gives ${value === undefined ? 'nothing' : JSON.stringify(value)}`)
    } finally {
      // Time for what it left running.
      if (/after its call|burns/.test(program.name)) await new Promise(resolve => setTimeout(resolve, 300))
      await guest.dispose()
    }
  } catch (error) {
    return outcome(endingOf(error), error)
  }
}

export const expected = (program: Hostile, way: Way): string =>
  typeof program.ends === 'string' ? program.ends : program.ends[way === 'ses' ? 'ses' : 'quickjs']

/** Is this one of the endings that the program may have? */
export const accepts = (endings: string, ending: string): boolean =>
  endings.split('|').some(one => one === ending || (one === 'throws' && ending.startsWith('throws ')))

function endingOf(error: unknown): string {
  if (error instanceof GuestError) return `throws ${error.name}`
  if (!(error instanceof CofferError)) return `host error ${String(error)}`
  if (error.limit !== undefined) return error.limit.name
  return (
    (
      {
        COFFER_GUEST_GONE: 'gone',
        COFFER_VALUE_UNSUPPORTED: 'unsupported',
        COFFER_PROGRAM_INVALID: 'invalid'
      } as Record<string, string>
    )[error.code] ?? error.code
  )
}

const moduleOf = (source: string): string =>
  source.startsWith('module: ')
    ? source.slice(8)
    : `import * as hostModule from 'coffer:host'; import * as terminal from 'coffer:terminal'
import * as assets from 'coffer:assets'; import * as save from 'coffer:save'
const host = hostModule
const find = async fn => { try { const found = await fn(); return found === undefined || found === null ? 'none' : 'found ' + typeof found } catch { return 'none' } }
export const attack = async () => { ${source}\n}`

function capabilities(arena: { guest?: Guest }): Capabilities {
  const terminal: TerminalHost = {
    interactive: false,
    size: () => ({ columns: 80, rows: 24 }),
    write: () => {},
    readKey: () => new Promise(() => {})
  }
  return {
    terminal,
    assets: {
      list: () => [{ path: 'large', sizeBytes: LARGE_BYTES }],
      read: (_path, { offsetBytes = 0, lengthBytes = LARGE_BYTES } = {} as AssetRange) =>
        new Uint8Array(lengthBytes).fill(offsetBytes & 255)
    },
    save: {
      list: () => ['large'],
      read: () => new Uint8Array(LARGE_BYTES).fill(1),
      commit: () => {},
      revision: () => 1
    },
    host: {
      echo: sync((value: unknown) => value),
      later: async (value: unknown) => value,
      never: () => new Promise(() => {}),
      size: sync((bytes: Uint8Array) => bytes.length),
      bytes: sync((count: number) => new Uint8Array(Math.min(count, 1e6))),
      bytes2: sync(() => new Uint8Array([1, 2])),
      fail: sync(() => {
        throw new RangeError('the host fails')
      }),
      again: (name: string, ...args: never[]) => arena.guest!.call(name, ...args),
      poke: sync((name: string) => void arena.guest!.call(name).catch(() => {})),
      end: sync(() => void arena.guest!.dispose()),
      endLater: async () => arena.guest!.dispose(),
      otherLimit: sync(() => {
        throw new CofferError('COFFER_LIMIT_CPU', 'another guest was ended')
      }),
      odd: async (kind: string) => odd(kind)
    }
  }
}

/** Of an asset and a save: what fits into a guest a few times. */
const LARGE_BYTES = 4e6

/** What a careless host might answer with. */
function odd(kind: string): unknown {
  switch (kind) {
    case 'function':
      return () => process
    case 'symbol':
      return Symbol.for('nodejs.util.inspect.custom')
    case 'cycle': {
      const cycle: Record<string, unknown> = {}
      cycle['self'] = cycle
      return cycle
    }
    case 'instance':
      return new (class Secret {
        key = 'secret'
      })()
    case 'getter':
      return {
        get a() {
          return process
        }
      }
    case 'date':
      return new Date()
    case 'proto':
      return JSON.parse('{"__proto__": {"polluted": true}}')
    case 'deep': {
      let deep: unknown[] = []
      for (let i = 0; i < 10_000; i++) deep = [deep]
      return deep
    }
    case 'error':
      throw Object.assign(new Error('told'), {
        name: 'Secretive',
        secret: Buffer.from('secret'),
        code: 'E',
        cause: process
      })
    case 'proxy error':
      throw new Proxy(new Error('x'), {})
    case 'thrown text':
      throw 'a secret text'
    case 'thrown null':
      throw null
    case 'message getter':
      throw Object.defineProperty(new Error('x'), 'message', {
        get() {
          throw new Error('no message')
        }
      })
    case 'endless thenable':
      // oxlint-disable-next-line unicorn/no-thenable -- that is the attack
      return { then() {} }
    case 'large':
      return new Uint8Array(4e6)
    default:
      return undefined
  }
}
