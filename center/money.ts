/** How amounts of money look. */

/** Whole units of the currency: 1250 EUR is 12.50 EUR, 1250 JPY is 1250 JPY. */
export function moneyText(minor: number, currency: string): string {
  const digits =
    new Intl.NumberFormat('en', { style: 'currency', currency }).resolvedOptions().maximumFractionDigits ?? 2
  return `${(minor / 10 ** digits).toFixed(digits)} ${currency}`
}
