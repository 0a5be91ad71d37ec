/** Words and numbers as they are typed after `coffer-center`, and what they mean. */
import { InvalidArgumentError } from 'commander'
import { CofferError } from '../../formats/errors.js'
import { areFeatures } from '../../formats/records/fields.js'

export function integer(min: number, max: number) {
  return (typed: string): number => {
    const value = Number(typed)
    if (/^\d{1,15}$/.test(typed) && value >= min && value <= max) return value
    throw new InvalidArgumentError(`Expected a whole number from ${min} to ${max}.`)
  }
}

/** What stands for null while commander has it, which makes '' of null. */
const NONE = Symbol('none')

export function integerOr(word: string, min: number, max: number) {
  const parse = integer(min, max)
  return (typed: string): number | typeof NONE => (typed === word ? NONE : parse(typed))
}

export const orNull = <T>(value: T | typeof NONE): T | null => (value === NONE ? null : (value as T))

export function featureNames(typed: string): string[] {
  const names = typed === 'none' ? [] : typed.split(',').map(name => name.trim())
  if (areFeatures(names)) return names
  throw new InvalidArgumentError('Expected names of a-z, 0-9, "." and "-", separated by commas; at most 32.')
}

/** Those of the options that were typed. */
export const only = <T extends Record<string, any>>(options: T, ...names: readonly string[]) =>
  Object.fromEntries(
    names.filter(name => options[name] !== undefined).map(name => [name, orNull(options[name])])
  )

export function currencyCode(typed: string): string {
  if (/^[A-Z]{3}$/.test(typed)) return typed
  throw new InvalidArgumentError('Expected three capital letters, such as EUR.')
}

export function enrolmentChoice(typed: string | undefined): 'open' | 'closed' | undefined {
  if (typed === undefined || typed === 'open' || typed === 'closed') return typed
  throw new CofferError('COFFER_USAGE', 'Enrolment is either open or closed.', {
    expected: 'open or closed',
    found: typed,
    hint: 'See "coffer-center user enrolment --help".'
  })
}
