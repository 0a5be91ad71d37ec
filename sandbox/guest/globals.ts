/** How a global is put in place: as engines do it, writable and configurable and not enumerable. */
import { defineProperty, keys } from '../primordials.js'

export function installGlobals(globals: Readonly<Record<string, unknown>>): void {
  const names = keys(globals)
  for (let i = 0; i < names.length; i++) define(globalThis, names[i]!, globals[names[i]!])
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
