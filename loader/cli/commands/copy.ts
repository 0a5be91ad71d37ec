/** `coffer copy`: order, install, verify, transfer, told as it goes. */
import { copy } from '../../copier/copy.js'
import type { Call, Outcome } from '../command.js'
import { CopyStory, ordering } from '../copying.js'
import { harden } from '../harden.js'

export async function execute(call: Call): Promise<Outcome> {
  harden()
  const { titleId, options } = ordering(call)
  const story = new CopyStory()
  const copied = await copy(call.argument('master'), call.argument('medium'), titleId, {
    ...options,
    centerUrl: call.text('center'),
    onEvent: story.tell
  })
  return story.outcome(copied)
}
