/**
 * The language's own functions, captured before any guest code runs. In QuickJS the guest shares its realm with the
 * SDK and may rewrite every prototype; what is called through here keeps its meaning. On the host it costs nothing.
 *
 * Rules for code that the guest must not be able to disturb (wire.ts and what sandbox/guest builds on it): no
 * methods of built-in objects, no `for...of`, no array destructuring, no spread, no `await` and no writing of array
 * elements or properties that do not exist yet, other than through these.
 */

const { bind, call } = Function.prototype

/** `uncurry(String.prototype.trim)(text)` is `text.trim()` whatever has become of String.prototype. */
export const uncurry = bind.bind(call as never) as <F extends (this: any, ...args: any[]) => unknown>(
  fn: F
) => (self: any, ...args: Parameters<F>) => ReturnType<F>

const getter = <T>(prototype: object, key: PropertyKey): ((self: unknown) => T) =>
  uncurry(Object.getOwnPropertyDescriptor(prototype, key)!.get as () => unknown) as never

export const { apply, construct, ownKeys } = Reflect
export const {
  defineProperty,
  getOwnPropertyDescriptor,
  getPrototypeOf,
  keys,
  freeze,
  hasOwn,
  setPrototypeOf
} = Object
export const { isArray } = Array
export const { fromCharCode } = String
export const { isInteger, isSafeInteger } = Number
export const { trunc, floor, abs, max, min } = Math
export const BigIntOf = BigInt
export const StringOf = String
export const ErrorOf = Error
export const TypeErrorOf = TypeError
export const PromiseOf = Promise
export const Bytes = Uint8Array

export const charCodeAt = uncurry(String.prototype.charCodeAt)
export const isWellFormed: (text: string) => boolean = uncurry(String.prototype.isWellFormed)
export const includes = uncurry(String.prototype.includes)
export const startsWith = uncurry(String.prototype.startsWith)
export const slice = uncurry(String.prototype.slice)
export const bigintToString = uncurry(BigInt.prototype.toString)

const typedArray = getPrototypeOf(Uint8Array.prototype) as Uint8Array
/** 'Uint8Array' and so on for a typed array, undefined for everything else; runs no code of the guest's. */
export const typedArrayKind: (value: unknown) => string | undefined = getter(typedArray, Symbol.toStringTag)
export const typedArrayLength: (value: unknown) => number = getter(typedArray, 'length')
export const typedArrayBuffer: (value: unknown) => ArrayBuffer = getter(typedArray, 'buffer')
export const typedArrayOffset: (value: unknown) => number = getter(typedArray, 'byteOffset')
export const typedArraySet = uncurry(Uint8Array.prototype.set)
export const typedArrayFill = uncurry(Uint8Array.prototype.fill)

export const promiseThen = uncurry(Promise.prototype.then)
export const mapGet = uncurry(Map.prototype.get) as <K, V>(map: Map<K, V>, key: K) => V | undefined
export const mapSet = uncurry(Map.prototype.set)
export const mapDelete = uncurry(Map.prototype.delete)
export const mapForEach = uncurry(Map.prototype.forEach)
export const mapSize: (map: unknown) => number = getter(Map.prototype, 'size')
export const weakSetAdd = uncurry(WeakSet.prototype.add)
export const weakSetHas = uncurry(WeakSet.prototype.has)

/** `target[key] = value` as an own property, even where a prototype has a setter for the key. */
export function setOwn(target: object, key: PropertyKey, value: unknown): void {
  if (key in target && !hasOwn(target, key)) {
    defineProperty(target, key, {
      __proto__: null,
      value,
      writable: true,
      enumerable: true,
      configurable: true
    } as never)
  } else (target as Record<PropertyKey, unknown>)[key] = value
}

/** An array that no prototype reaches into: for lists that are kept and grown by `list[list.length] = item`. */
export const bareList = <T>(): T[] => setPrototypeOf([], null)
