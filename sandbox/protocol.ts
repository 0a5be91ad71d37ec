/**
 * The messages between a guest's SDK (sandbox/guest) and its host (sandbox/session.ts): one byte that says which,
 * then fields in the encoding of wire.ts. The host treats every message as hostile: guest code can reach the SDK's
 * side of the wall if it breaks the engine, so an odd message ends the guest and nothing else.
 *
 * A call is numbered by who makes it, and answered under that number.
 *
 * @see docs/spec.md §7.3
 */
import type { Value } from './guest.js'
import type { Limits } from './guest.js'
import { type Reader, type WireHost, Writer } from './wire.js'

/** From the host. */
export const TO_GUEST = {
  /** pendingJobs, valueBytes, valueItems, valueDepth: counts; modules: a list of {@link ModuleGrant}. Before the program;
   * where it has started already, in a guest from an image, answered by `ready` */
  begin: 1,
  /** id, export, arguments: list, signals among them: list of place and whether aborted */
  call: 2,
  /** id, true, value | id, false, error: answers a `request` */
  settle: 3,
  /** The time asked for has come: run one timer */
  wake: 4,
  /** Jobs have run: say which rejections nobody handled */
  settled: 5,
  /** id of a call, place: the signal there is aborted */
  abort: 6,
  /** id, id of the call that gave a stream, ending: boolean. Its next item, or its end */
  step: 7,
  /** error, limit: text, value, used. A limit is nearly used up; only to who has asked */
  pressed: 8,
  /** Run the callbacks of what was collected */
  finalize: 9
} as const

/** From the guest. */
export const TO_HOST = {
  /** exports: list of text. The program has started */
  ready: 1,
  /** error: the program threw while it started */
  failed: 2,
  /** id, value: the call's result */
  result: 3,
  /** id, error: what the call threw */
  threw: 4,
  /** id, reason: text. The result cannot cross */
  unsupported: 5,
  /** id: no such export, or not a function */
  missing: 6,
  /** module, function, arguments: list; answered at once with true, value | false, error */
  ask: 7,
  /** id, module, function, arguments: list; answered by `settle` */
  request: 8,
  /** milliseconds from now: number; negative when no timer waits. Replaces the wish before */
  wake: 9,
  /** stream: 1 or 2, text */
  print: 10,
  /** count; answered with that many bytes as they are */
  random: 11,
  /** answered with milliseconds since 1970, milliseconds since the start: numbers. A seeded guest's are one and the same */
  clock: 12,
  /** error: nobody caught it */
  uncaught: 13,
  /** Asks for `settled` once all jobs have run */
  rejected: 14,
  /** More timers wait than are allowed */
  flooded: 15,
  /** id, limit: text, used: number. The result is too large */
  excess: 16,
  /** id: the result is an async iterator, which waits for steps under this number */
  stream: 17,
  /** id of a step: there is no more */
  done: 18,
  /** Asks whether a limit is nearly used up: false, or true and what `pressed` says */
  pressure: 19,
  /** What the program registered was collected: asks for `finalize`. Between turns too */
  collected: 20
} as const

/**
 * A `coffer:` module for the guest: its name, and its exports. `ask` and `request` are functions of the host,
 * answered at once or by a promise; `tell` is an `ask` whose answer is empty.
 */
export type ModuleGrant = readonly [name: string, exports: readonly ExportGrant[]]
export type ExportGrant =
  | readonly [name: string, kind: 'ask' | 'tell' | 'request']
  | readonly [name: string, kind: 'constant', value: Value]

/** What every program can import, whatever was granted: the SDK's own. */
const ALWAYS: ReadonlyMap<string, readonly string[]> = new Map([['coffer:limits', ['softLimit']]])

/**
 * What a program can import of a module that the SDK makes something of (sandbox/guest/modules.ts); of any other, what
 * was granted.
 */
const OWN_EXPORTS: Readonly<Record<string, readonly string[]>> = {
  terminal: ['interactive', 'size', 'write', 'readKey', 'readLine'],
  assets: ['list', 'read', 'readText', 'open'],
  save: ['list', 'read', 'readText', 'write', 'remove', 'transaction'],
  net: ['fetch', 'Headers', 'Request', 'Response', 'Blob', 'ReadableStream']
}

/** The modules that a program can be linked with, by specifier, and their exports. */
export const linksOf = (grants: readonly ModuleGrant[]): ReadonlyMap<string, readonly string[]> =>
  new Map([
    ...ALWAYS,
    ...grants.map(
      ([module, exports]) =>
        [`coffer:${module}`, OWN_EXPORTS[module] ?? exports.map(([name]) => name)] as const
    )
  ])

/** Granted functions by module and name, as a machine with direct calls binds them. */
export const functionsOf = (grants: readonly ModuleGrant[]): readonly string[] =>
  grants.flatMap(([module, exports]) =>
    exports.flatMap(([name, kind]) => (kind === 'constant' ? [] : [`${module}.${name}`]))
  )

/** The exports among them that are no functions, as bytes. */
export const constantsOf = (
  grants: readonly ModuleGrant[],
  wire: WireHost
): ReadonlyMap<string, Uint8Array> =>
  new Map(
    grants.map(([module, exports]) => [
      `coffer:${module}`,
      new Writer(wire).begin(0).value(exports.filter(([, kind]) => kind === 'constant')).message
    ])
  )

/** The message `begin`: the same for every guest of one program with one set of options. */
export const beginMessage = (
  writer: Writer,
  { pendingJobs, valueBytes, valueItems, valueDepth }: Limits,
  grants: readonly ModuleGrant[]
): Uint8Array =>
  writer
    .begin(TO_GUEST.begin)
    .value(pendingJobs)
    .value(valueBytes)
    .value(valueItems)
    .value(valueDepth)
    .value(grants).message

/** An error on the wire: name, message, stack, texts all. */
export interface FlatError {
  readonly name: string
  readonly message: string
  readonly stack: string
}

/** How much of an error's texts is told, in characters. */
export const MOST_TEXT = { name: 100, message: 10_000, stack: 20_000 } as const

export const writeError = (writer: Writer, error: FlatError): Writer =>
  writer.value(error.name).value(error.message).value(error.stack)

export const readError = (reader: Reader): FlatError => ({
  name: reader.text(),
  message: reader.text(),
  stack: reader.text()
})

/** State of Math.random (sandbox/random.ts). */
export const DICE_BYTES = 8

/** The most that one call of crypto.getRandomValues may ask for (Web Crypto). */
export const MAX_RANDOM_BYTES = 65_536
