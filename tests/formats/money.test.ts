/** Amounts as people read them: exact, with the digits that the currency has. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { currencyDigits, moneyText, readAmount } from '../../formats/money.js'

test('moneyText() puts the point where the minor unit of the currency ends', () => {
  const cases: readonly (readonly [number, string, string])[] = [
    [1250, 'EUR', '12.50 EUR'],
    [1250, 'JPY', '1250 JPY'],
    [1250, 'KWD', '1.250 KWD'],
    [1250, 'CLF', '0.1250 CLF'],
    [5, 'EUR', '0.05 EUR'],
    [0, 'EUR', '0.00 EUR'],
    [-0, 'EUR', '0.00 EUR'],
    [-5, 'EUR', '-0.05 EUR'],
    [-1250, 'JPY', '-1250 JPY'],
    [2 ** 53 - 1, 'EUR', '90071992547409.91 EUR'],
    [2 ** 62, 'EUR', '46116860184273879.04 EUR']
  ]
  for (const [minor, currency, text] of cases) assert.is(moneyText(minor, currency), text)
})

test('currencyDigits() are those of ISO 4217, also where a library of locales writes none', () => {
  for (const currency of 'AFN ALL COP HUF IDR LAK LBP MGA MMK PKR SOS STD TWD YER XYZ'.split(' '))
    assert.is(currencyDigits(currency), 2, currency)
  for (const currency of 'CLP ISK JPY KRW UGX VND XAF'.split(' '))
    assert.is(currencyDigits(currency), 0, currency)
})

test('readAmount() takes what moneyText() writes, and less of it; nothing that it would have to guess', () => {
  for (const [minor, currency] of [
    [0, 'EUR'],
    [5, 'EUR'],
    [900, 'EUR'],
    [1250, 'JPY'],
    [1250, 'KWD'],
    [2 ** 48, 'CLF']
  ] as const)
    assert.equal(readAmount(moneyText(minor, currency)), { minor, currency })
  assert.equal(readAmount('9EUR'), { minor: 900, currency: 'EUR' })
  assert.equal(readAmount('9.5EUR'), { minor: 950, currency: 'EUR' })
  assert.equal(readAmount('9.5 KWD'), { minor: 9500, currency: 'KWD' })
  for (const text of [
    '',
    '9',
    '900',
    'EUR',
    '9 eur',
    '-9EUR',
    '9,00EUR',
    '9.EUR',
    '.9EUR',
    '9.001EUR',
    '9.0JPY',
    '1e3EUR'
  ])
    assert.is(readAmount(text), undefined, text)
  for (const text of [
    '9  EUR',
    ' 9EUR',
    '9EURO',
    '9EUR\n',
    '9007199254740993JPY',
    '90071992547409.93EUR',
    '\u0669EUR'
  ])
    assert.is(readAmount(text), undefined, text)
})

test.run()
