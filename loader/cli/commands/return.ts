/** `coffer return`: the medium gives its copy up, then the center credits it. */
import { requestReturn, returnTitle, type Returned } from '../../copier/returns.js'
import { Home } from '../../home.js'
import type { Call, Outcome } from '../command.js'
import { requestOut, tellWait } from '../copying.js'
import { say } from '../output.js'
import { moneyText } from '../screen.js'

export async function execute(call: Call): Promise<Outcome> {
  const [root, titleId] = [call.argument('medium'), call.argument('title')]
  const options = { home: new Home(), centerUrl: call.text('center'), onEvent: tellWait }
  const out = call.text('out')
  if (out === undefined) return returned(await returnTitle(root, titleId, options))
  return requestOut(out, () => {
    const { bytes, given } = requestReturn(root, titleId, options)
    say('The medium has given the copy up. Carry this file to the center, and put its answer onto the medium')
    say('with "coffer apply": until then the copy is not credited. If the file is lost, repeat the command.')
    return { bytes, request: given }
  })
}

export const returned = (result: Returned): Outcome => ({
  data: result,
  text: `Returned ${result.title}; paid back ${moneyText(result.refundedMinor, result.currency)}.`
})
