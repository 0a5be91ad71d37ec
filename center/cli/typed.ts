/** Words and numbers as they are typed after `coffer-center`, and what they mean. */
import { InvalidArgumentError } from 'commander'
import { CofferError } from '../../formats/errors.js'
import { readAmount, type Amount } from '../../formats/money.js'
import { areFeatures } from '../../formats/records/fields.js'
import { MAX_PRICE_MINOR } from '../orders/terms.js'
import { isProviderName, isReference } from '../payment.js'

export function integer(min: number, max: number) {
  return (typed: string): number => {
    const value = Number(typed)
    if (/^\d{1,15}$/.test(typed) && value >= min && value <= max) return value
    throw new InvalidArgumentError(`Expected a whole number from ${min} to ${max}.`)
  }
}

/** A price in whole cents, as it is kept; 9.00 was meant as 900, and is not taken for it. */
export function minorUnits(max: number) {
  const parse = integer(0, max)
  return (typed: string): number => {
    const [, units, cents] = /^(\d{1,12})[.,](\d\d)$/.exec(typed) ?? []
    if (units === undefined) return parse(typed)
    throw new InvalidArgumentError(
      `Expected minor units: ${Number(units + cents)} for ${typed.replace(',', '.')}.`
    )
  }
}

export function amountOf(typed: string): Amount {
  const amount = readAmount(typed)
  if (amount !== undefined && amount.minor > 0 && amount.minor <= MAX_PRICE_MINOR) return amount
  throw new CofferError('COFFER_USAGE', 'This is no amount of money that can be paid.', {
    expected: 'an amount above 0 with its currency, such as 9.00EUR',
    found: typed,
    hint: 'See "coffer-center ledger paid --help".'
  })
}

export function referenceOf(typed: string): string {
  if (isReference(typed)) return typed
  throw new CofferError('COFFER_USAGE', 'This is no reference of a payment.', {
    expected: 'at most 100 letters, digits, ".", "_" and "-", such as invoice-17',
    found: typed,
    hint: 'See "coffer-center ledger paid --help".'
  })
}

export function providerName(typed: string): string {
  if (isProviderName(typed)) return typed
  throw new InvalidArgumentError('Expected a name of small letters, such as stripe.')
}

/** What stands for null while commander has it, which makes '' of null. */
const NONE = Symbol('none')

export const integerOr = (word: string, min: number, max: number) => numberOr(word, integer(min, max))

export const numberOr =
  (word: string, parse: (typed: string) => number) =>
  (typed: string): number | typeof NONE =>
    typed === word ? NONE : parse(typed)

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
