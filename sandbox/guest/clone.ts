/** structuredClone (HTML): plain data, collections, buffers and errors, cycles included. */
import { DOMException } from './exception.js'
import { isProxy } from './link.js'

export function structuredClone(value: unknown, options: { transfer?: readonly unknown[] } = {}): unknown {
  const transfer = [...(options.transfer ?? [])]
  const seen = new Map<object, unknown>()
  for (const buffer of transfer) {
    if (!(buffer instanceof ArrayBuffer)) throw refusal('only an ArrayBuffer can be transferred')
    seen.set(buffer, undefined)
  }
  for (const buffer of transfer as (ArrayBuffer & { transfer(): ArrayBuffer })[])
    seen.set(buffer, buffer.transfer())
  return copy(value, seen)
}

const refusal = (reason: string) => new DOMException(`Cannot clone: ${reason}`, 'DataCloneError')

const ERRORS = [EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError]

function copy(value: any, seen: Map<object, unknown>): unknown {
  if (typeof value === 'function' || typeof value === 'symbol') throw refusal(`it holds a ${typeof value}`)
  if (typeof value !== 'object' || value === null) return value
  if (seen.has(value)) return seen.get(value)
  if (isProxy(value)) throw refusal('it holds a proxy')
  const keep = <T>(made: T): T => {
    seen.set(value, made)
    return made
  }
  for (const Primitive of [Boolean, Number, String, BigInt]) {
    if (value instanceof Primitive) return keep(Object(value.valueOf()))
  }
  if (value instanceof Symbol) throw refusal('it holds a symbol')
  if (value instanceof Date) return keep(new Date(value.getTime()))
  if (value instanceof RegExp) return keep(new RegExp(value.source, value.flags))
  if (value instanceof ArrayBuffer) return keep(value.slice(0))
  if (ArrayBuffer.isView(value)) {
    const buffer = copy(value.buffer, seen) as ArrayBuffer
    const { constructor: View, byteOffset } = value as any
    return keep(
      new View(buffer, byteOffset, value instanceof DataView ? value.byteLength : (value as any).length)
    )
  }
  if (value instanceof Map) {
    const made = keep(new Map())
    for (const [key, item] of [...value]) made.set(copy(key, seen), copy(item, seen))
    return made
  }
  if (value instanceof Set) {
    const made = keep(new Set())
    for (const item of [...value]) made.add(copy(item, seen))
    return made
  }
  if (value instanceof DOMException) return keep(new DOMException(value.message, value.name))
  if (value instanceof Error) return copyError(value, keep, seen)
  if (UNCLONABLE.some(kind => value instanceof kind)) throw refusal('it holds what has no copy')
  const made: any = keep(Array.isArray(value) ? new Array(value.length) : {})
  for (const key of Object.keys(value)) {
    Object.defineProperty(made, key, {
      value: copy(value[key], seen),
      writable: true,
      enumerable: true,
      configurable: true
    })
  }
  return made
}

const UNCLONABLE = [Promise, WeakMap, WeakSet]

function copyError(error: Error, keep: <T>(made: T) => T, seen: Map<object, unknown>): Error {
  const Kind = ERRORS.find(kind => kind.name === error.name) ?? Error
  const made = keep(new Kind(`${error.message}`))
  const hidden = (key: string, value: unknown) =>
    Object.defineProperty(made, key, { value, writable: true, configurable: true, enumerable: false })
  if (typeof error.stack === 'string') hidden('stack', error.stack)
  if (Object.hasOwn(error, 'cause')) hidden('cause', copy(error.cause, seen))
  return made
}
