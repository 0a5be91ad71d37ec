/** What a host hands over, checked where a slip would be without effect, or end in a failure that names something else. */
import type { Capabilities, LaunchOptions } from './guest.js'

type Check = readonly [expected: string, holds: (value: unknown) => boolean]

const TEXT: Check = ['a text', value => typeof value === 'string']
const NUMBER: Check = ['a number', value => typeof value === 'number']
const FINITE: Check = ['a finite number', Number.isFinite]
const FUNCTION: Check = ['a function', value => typeof value === 'function']
const OBJECT: Check = ['an object', value => typeof value === 'object' && value !== null]
const TEXTS: Check = [
  'a list of texts',
  value => Array.isArray(value) && value.every(item => typeof item === 'string')
]
const SIGNAL: Check = [
  'an AbortSignal',
  value => {
    if (!OBJECT[1](value)) return false
    const { aborted, addEventListener } = value as Partial<AbortSignal>
    return typeof aborted === 'boolean' && FUNCTION[1](addEventListener)
  }
]

/** All of them: one that is added to the type does not compile without its entry here. */
const OPTIONS: Readonly<Record<keyof LaunchOptions, Check>> = {
  engine: TEXT,
  isolation: TEXT,
  limits: OBJECT,
  capabilities: OBJECT,
  args: TEXTS,
  name: TEXT,
  locate: FUNCTION,
  stdout: FUNCTION,
  stderr: FUNCTION,
  signal: SIGNAL,
  softShare: NUMBER,
  onSoftLimit: FUNCTION,
  seed: FINITE
}

const CAPABILITIES: Readonly<Record<keyof Capabilities, true>> = {
  terminal: true,
  assets: true,
  save: true,
  license: true,
  net: true,
  host: true
}

/** @throws TypeError for an option that is not what its type says, or a capability that there is not. */
export function checkOptions(options: LaunchOptions): void {
  for (const [name, [expected, holds]] of CHECKS) {
    const value = options[name]
    if (value !== undefined && !holds(value))
      throw new TypeError(`launch: "${name}" must be ${expected}, and is ${kindOf(value)}`)
  }
  checkNames(options.capabilities, 'capability', CAPABILITIES)
}

const CHECKS = Object.entries(OPTIONS) as [keyof LaunchOptions, Check][]

/**
 * For who takes these options and no others.
 *
 * @param more - Beside those of a launch.
 * @throws TypeError for an option that there is not.
 */
export function checkOptionNames(options: object, more: readonly string[] = []): void {
  if (!OBJECT[1](options))
    throw new TypeError(`launch: options must be an object, and are ${kindOf(options)}`)
  checkNames(options, 'option', OPTIONS, more)
}

function checkNames(
  given: object | undefined,
  what: string,
  known: object,
  more: readonly string[] = []
): void {
  for (const name in given) {
    if (Object.hasOwn(known, name) || more.includes(name)) continue
    const all = [...Object.keys(known), ...more].join(', ')
    throw new TypeError(`launch: there is no ${what} "${name}"; there are ${all}`)
  }
}

const kindOf = (value: unknown): string =>
  value === null || Number.isNaN(value)
    ? String(value)
    : Array.isArray(value)
      ? 'a list'
      : `a ${typeof value}`
