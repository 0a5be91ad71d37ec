/** What a person agrees to pay: said by `--max-price`, or asked at a terminal. A script that says nothing pays what it costs. */
import { CofferError } from '../../formats/errors.js'
import type { Quote } from '../../formats/records/quote.js'
import type { StopSignal } from '../../sandbox/guest.js'
import type { Agree } from '../copier/order.js'
import { timeText } from '../times.js'
import type { Call } from './command.js'
import { say } from './output.js'
import { agreedTo, canAsk } from './question.js'
import { moneyText } from './screen.js'

/**
 * @param signal - Ctrl-C while the person is asked.
 * @returns undefined where there is nobody to ask and nothing was said.
 */
export function agreement(call: Call, signal: StopSignal): Agree | undefined {
  const most = call.number('max-price')
  if (most === undefined && (call.json || !canAsk())) return undefined
  return async quote => {
    if (quote.chargedMinor === 0) return
    const price = moneyText(quote.chargedMinor, quote.currency)
    say(`price     ${price}, ${termText(quote)}`)
    if (most !== undefined) {
      if (quote.chargedMinor > most) throw tooMuch(price, `at most ${moneyText(most, quote.currency)}`)
      return
    }
    const interrupted = { message: 'Nothing was ordered: it was interrupted.', hint: 'Repeat the command.' }
    if (!(await agreedTo(`Pay ${price}?`, signal, interrupted))) throw tooMuch(price, 'your yes')
  }
}

const termText = ({ kind, expires }: Quote): string =>
  expires === undefined ? 'for good' : `${kind === 'lease' ? 'as a lease ' : ''}until ${timeText(expires)}`

const tooMuch = (price: string, expected: string) =>
  new CofferError('COFFER_PRICE_REFUSED', 'Nothing was ordered: the price was not agreed to.', {
    expected,
    found: price,
    hint: 'Repeat the command and agree, or give --max-price.'
  })
