/** `coffer order`: the request of a copy as a file, to be carried to the center. */
import { requestCopy } from '../../copier/copy.js'
import type { Call, Outcome } from '../command.js'
import { CopyStory, ordering, requestOut } from '../copying.js'
import { say } from '../output.js'

export function execute(call: Call): Outcome {
  return requestOut(call.required('out'), () => {
    const { titleId, options } = ordering(call)
    const isTransfer = call.flag('transfer')
    const made = requestCopy(call.argument('master'), call.argument('medium'), titleId, {
      ...options,
      ...(isTransfer && { kind: 'transfer' as const }),
      onEvent: new CopyStory().tell
    })
    say(
      isTransfer
        ? 'Give this file to whoever hands the copy on: he needs it for "coffer transfer".'
        : 'Carry this file to the center; put its answer onto the medium with "coffer apply".'
    )
    return made
  })
}
