/** How amounts of money look. */

/**
 * Currencies whose minor unit is not a hundredth, by ISO 4217. Not what a library of locales has: that is how many digits people
 * write, none for IDR or HUF, and it changes with the version of Node.
 */
const DIGITS: Readonly<Record<string, string>> = {
  0: 'BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF',
  3: 'BHD IQD JOD KWD LYD OMR TND',
  4: 'CLF UYW'
}

/** Digits behind the point: 2 for EUR, 0 for JPY. @param currency - Three capital letters. */
export function currencyDigits(currency: string): number {
  const digits = Object.keys(DIGITS).find(digits => DIGITS[digits]!.includes(currency))
  return Number(digits ?? 2)
}

/** Whole units of the currency: 1250 EUR is 12.50 EUR, 1250 JPY is 1250 JPY. @param minor - A whole number. */
export function moneyText(minor: number, currency: string): string {
  const digits = currencyDigits(currency)
  const units = BigInt(Math.abs(minor))
    .toString()
    .padStart(digits + 1, '0')
  const whole = units.slice(0, units.length - digits)
  const part = digits === 0 ? '' : `.${units.slice(-digits)}`
  return `${minor < 0 ? '-' : ''}${whole}${part} ${currency}`
}

export interface Amount {
  /** In minor units. */
  readonly minor: number
  /** Three capital letters. */
  readonly currency: string
}

/** @param text - Of a person: `9EUR`, `9.00 EUR`. @returns undefined for what is no such amount, or too large to be exact. */
export function readAmount(text: string): Amount | undefined {
  const [, whole, part = '', currency] = /^(\d{1,16})(?:\.(\d{1,4}))? ?([A-Z]{3})$/.exec(text) ?? []
  if (whole === undefined || currency === undefined) return undefined
  const digits = currencyDigits(currency)
  const minor = Number(whole + part.padEnd(digits, '0'))
  return part.length <= digits && Number.isSafeInteger(minor) ? { minor, currency } : undefined
}
