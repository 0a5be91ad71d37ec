/** The guest's end of the wire: the one place that sends. Nothing here can be reached by the program. */
import {
  ErrorOf,
  StringOf,
  apply,
  construct,
  defineProperty,
  getOwnPropertyDescriptor,
  getPrototypeOf,
  hasOwn,
  includes,
  mapGet,
  slice,
  startsWith,
  weakSetAdd,
  weakSetHas
} from '../primordials.js'
import { type FlatError, MOST_TEXT, writeError } from '../protocol.js'
import { type Bounds, Reader, type WireHost, Writer } from '../wire.js'
import { define } from './globals.js'

/** What an engine gives the SDK. */
export interface Native {
  /** Hand the host a message, read during the call; its answer, if any, belongs to the SDK. */
  send(message: Uint8Array): Uint8Array | undefined
  /** UTF-8 of well-formed text without U+0000. */
  encodeText?(text: string): Uint8Array
  /** The inverse; undefined for bytes with a zero among them. */
  decodeText?(bytes: Uint8Array): string | undefined
  /** Hand the host a call's number and result; false for a value that it cannot read by itself. */
  result?(id: number, value: unknown): boolean
  /** Granted functions by module and name, that call the host without messages. */
  readonly functions?: Readonly<Record<string, (...args: unknown[]) => unknown>>
  /**
   * Where the realm has no clock and no Math.random of its own, and calls back by itself (SES): what the dice start from.
   *
   * @see MachinePort.dice
   */
  readonly dice?: Uint8Array
}

export interface Link {
  /** A message to fill and {@link send}. One at a time: nothing that fills one runs code of the program's. */
  begin(opcode: number): Writer
  send(): Uint8Array | undefined
  reader(message: Uint8Array): Reader
  /** What a value of the program's may be; the host says it before the program begins. */
  bounds: Bounds
}

export function makeLink(native: Native): Link {
  const { encodeText, decodeText } = native
  const host: WireHost = {
    encodeText: encodeText && (text => (includes(text, '\0') ? undefined : encodeText(text))),
    decodeText,
    isProxy
  }
  const writer = new Writer(host)
  return {
    begin: opcode => writer.begin(opcode),
    send: () => native.send(writer.message),
    reader: message => new Reader(message, host),
    bounds: { valueBytes: 0, valueItems: 0, valueDepth: 0 }
  }
}

const proxies = new WeakSet<object>()
export const isProxy = (value: object): boolean => weakSetHas(proxies, value)

/**
 * Keep book of proxies: JavaScript cannot tell one from its target, and every look at one runs its traps. The
 * constructor that the program sees is the engine's own but for this note.
 */
export function installProxy(): void {
  const NativeProxy = Proxy
  const noted = <T extends object>(proxy: T): T => {
    weakSetAdd(proxies, proxy)
    return proxy
  }
  // A bound function is a constructor without `prototype`, as Proxy is.
  const shell = function () {}.bind(undefined)
  const define = (key: string, value: unknown) =>
    defineProperty(shell, key, {
      __proto__: null,
      value,
      writable: key === 'revocable',
      configurable: true
    } as never)
  define('name', 'Proxy')
  define('length', 2)
  const { revocable } = NativeProxy
  define(
    'revocable',
    {
      revocable(target: object, handler: ProxyHandler<object>) {
        const pair = revocable(target, handler)
        noted(pair.proxy)
        return pair
      }
    }.revocable
  )
  const Noting = new NativeProxy(shell, {
    __proto__: null,
    apply() {
      throw new TypeError("Class constructor Proxy cannot be invoked without 'new'")
    },
    construct: (_shell: unknown, args: [object, ProxyHandler<object>]) => noted(construct(NativeProxy, args))
  } as never)
  defineProperty(globalThis, 'Proxy', {
    __proto__: null,
    value: Noting,
    writable: true,
    configurable: true
  } as never)
}

/**
 * Name, message and stack of whatever was thrown, without running any code of the program's: no `instanceof`, which a
 * proxy and `Symbol.hasInstance` answer. Cut here too, so that nobody pays for text that the host would cut.
 */
function flatten(thrown: unknown): FlatError {
  if (typeof thrown !== 'object' || thrown === null) {
    const message = typeof thrown === 'function' ? 'a function' : cut(StringOf(thrown), MOST_TEXT.message)
    return { name: 'Error', message, stack: '' }
  }
  return {
    name: cut(readText(thrown, 'name'), MOST_TEXT.name) || 'Error',
    message: cut(readText(thrown, 'message'), MOST_TEXT.message),
    stack: cut(readText(thrown, 'stack'), MOST_TEXT.stack)
  }
}

const cut = (text: string, most: number): string => (text.length > most ? slice(text, 0, most) : text)

/** A text property of the object or its prototypes that is plain data; '' otherwise. */
function readText(object: object, key: string): string {
  let owner: object | null = object
  for (let steps = 0; owner !== null && steps < 16 && !isProxy(owner); steps++) {
    const property = getOwnPropertyDescriptor(owner, key)
    if (property !== undefined) {
      if (hasOwn(property, 'value')) return typeof property.value === 'string' ? property.value : ''
      // SES keeps the names of errors behind accessors of its own.
      if (key === 'name' && !property.configurable) return mapGet(ERROR_NAMES, owner) ?? ''
      // Any other accessor is the program's.
      if (key !== 'stack' || property.get === undefined || property.get !== readStack) return ''
      const text: unknown = apply(readStack, owner, [])
      return typeof text === 'string' ? text : ''
    }
    owner = getPrototypeOf(owner) as object | null
  }
  return ''
}

/** V8's own accessor, which each error has from Node 22 on. What it runs is the engine's and ours. */
const readStack = getOwnPropertyDescriptor(new Error(), 'stack')?.get

const ERROR_NAMES = new Map<object, string>()
const ERRORS = new Map<string, ErrorConstructor>()
for (const kind of [Error, TypeError, RangeError, SyntaxError, ReferenceError, EvalError, URIError]) {
  ERRORS.set(kind.name, kind)
  ERROR_NAMES.set(kind.prototype, kind.name)
}

/** An error of the host's, made anew in the guest. */
export function revive({ name, message }: Pick<FlatError, 'name' | 'message'>): Error {
  const args = [message]
  const known = mapGet(ERRORS, name)
  const error = construct(known ?? ErrorOf, args) as Error
  if (known !== undefined) return error
  // A CofferError arrives under its code.
  const coded = startsWith(name, 'COFFER_')
  define(error, 'name', coded ? 'CofferError' : name)
  if (coded) define(error, 'code', name)
  return error
}

export function sendError(link: Link, opcode: number, id: number | undefined, thrown: unknown): void {
  const error = flatten(thrown)
  const writer = link.begin(opcode)
  if (id !== undefined) writer.value(id)
  writeError(writer, error)
  link.send()
}
