/** What a person agrees to pay: said by `--max-price`, or asked at a terminal. A script that says nothing pays what it costs. */
import { CofferError } from '../../formats/errors.js'
import { moneyText, readAmount, type Amount } from '../../formats/money.js'
import type { Quote } from '../../formats/records/quote.js'
import type { StopSignal } from '../../sandbox/guest.js'
import type { Agree } from '../copier/order.js'
import { timeText } from '../times.js'
import type { Call } from './command.js'
import { say } from './output.js'
import { agreedTo, canAsk } from './question.js'

/**
 * @param signal - Ctrl-C while the person is asked.
 * @returns undefined where there is nobody to ask and nothing was said.
 * @throws CofferError COFFER_USAGE for a `--max-price` that is no amount.
 */
export function agreement(call: Call, signal: StopSignal): Agree | undefined {
  const most = mostOf(call)
  if (most === undefined && (call.json || !canAsk())) return undefined
  return async quote => {
    const { chargedMinor, currency } = quote
    if (chargedMinor === 0) return
    const price = moneyText(chargedMinor, currency)
    say(`price     ${price}, ${termText(quote)}`)
    if (most !== undefined) {
      if (currency === most.currency && chargedMinor <= most.minor) return
      throw notAgreed(
        price,
        `at most ${moneyText(most.minor, most.currency)}`,
        'Repeat the command with a higher --max-price if you agree.'
      )
    }
    const interrupted = { message: 'Nothing was ordered: it was interrupted.', hint: 'Repeat the command.' }
    if (!(await agreedTo(`Pay ${price}?`, signal, interrupted)))
      throw notAgreed(price, 'your yes', 'Repeat the command and agree, or give --max-price.')
  }
}

function mostOf(call: Call): Amount | undefined {
  const said = call.text('max-price')
  if (said === undefined) return undefined
  const amount = readAmount(said)
  if (amount !== undefined) return amount
  throw new CofferError('COFFER_USAGE', '--max-price is no amount of money.', {
    expected: 'an amount with its currency, such as 9.00EUR',
    found: said,
    hint: `See "coffer ${call.command.name} --help".`
  })
}

const termText = ({ kind, expires }: Quote): string =>
  expires === undefined ? 'for good' : `${kind === 'lease' ? 'as a lease ' : ''}until ${timeText(expires)}`

const notAgreed = (price: string, expected: string, hint: string) =>
  new CofferError('COFFER_PRICE_REFUSED', 'Nothing was ordered: the price was not agreed to.', {
    expected,
    found: price,
    hint
  })
