/** How a global is put in place: as engines do it, writable and configurable and not enumerable. */
import { defineProperty, keys } from '../primordials.js'

export function installGlobals(globals: Readonly<Record<string, unknown>>): void {
  const names = keys(globals)
  for (let i = 0; i < names.length; i++) define(globalThis, names[i]!, named(globals[names[i]!], names[i]!))
}

/** The bundler shortens the names of functions and classes; here they get their own back. */
export function named<T>(value: T, name: string): T {
  if (typeof value === 'function')
    defineProperty(value, 'name', { __proto__: null, value: name, configurable: true } as never)
  return value
}

export function define(target: object, key: PropertyKey, value: unknown, enumerable = false): void {
  defineProperty(target, key, {
    __proto__: null,
    value,
    writable: true,
    enumerable,
    configurable: true
  } as never)
}

/** The tag that `Object.prototype.toString` and inspectors show; constants on a class and its instances. */
export const tag = (constructor: { prototype: object }, name: string): void => {
  defineProperty(constructor.prototype, Symbol.toStringTag, { value: name, configurable: true })
}
