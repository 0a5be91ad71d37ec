/** `coffer renew`: a fresh grant for a copy, over HTTP or by files. */
import { renewTitle, requestRenewal, type Renewed } from '../../copier/renew.js'
import { Home } from '../../home.js'
import { isoTime, timeText } from '../../times.js'
import type { Call, Outcome } from '../command.js'
import { harden } from '../harden.js'
import { interruptible } from '../interrupt.js'
import { requestOut, tellWait } from '../copying.js'
import { say } from '../output.js'
import { agreement } from '../price.js'
import { moneyText } from '../screen.js'

export async function execute(call: Call): Promise<Outcome> {
  harden()
  const [root, titleId] = [call.argument('medium'), call.argument('title')]
  const options = { home: new Home(), centerUrl: call.text('center'), onEvent: tellWait }
  const out = call.text('out')
  if (out === undefined) {
    return renewed(
      await interruptible(signal =>
        renewTitle(root, titleId, { ...options, signal, agree: agreement(call, signal) })
      )
    )
  }
  return requestOut(out, () => {
    const { bytes, request } = requestRenewal(root, titleId, options)
    say('Carry this file to the center; put its answer onto the medium with "coffer apply".')
    return { bytes, request }
  })
}

/** @param isAgain - Whether the answer was applied before. */
export const renewed = (result: Renewed, isAgain = false): Outcome => {
  const { title, expires, chargedMinor, currency } = result
  return {
    data: { ...result, expires: expires === null ? null : isoTime(expires), ...(isAgain && { again: true }) },
    text: `Renewed ${title}: it ${expires === null ? 'never ends' : `ends on ${timeText(expires)}`}; ${isAgain ? 'applied before, nothing is charged again' : `charged ${moneyText(chargedMinor, currency)}`}.`
  }
}
