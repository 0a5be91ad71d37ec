/** `coffer copy`: order, install, verify, transfer, told as it goes. */
import { keepCode } from '../../../sandbox/kept-code.js'
import { copy } from '../../copier/copy.js'
import type { Call, Outcome } from '../command.js'
import { installManager } from '../../copier/manager.js'
import { printable } from '../../../formats/screen.js'
import { say } from '../output.js'
import { CopyStory, ordering } from '../copying.js'
import { agreement } from '../price.js'
import { harden } from '../harden.js'
import { interruptible } from '../interrupt.js'

export async function execute(call: Call): Promise<Outcome> {
  harden()
  const { titleId, options } = ordering(call)
  const kept = keepCode()
  const story = new CopyStory()
  const copied = await interruptible(signal =>
    copy(call.argument('master'), call.argument('medium'), titleId, {
      ...options,
      centerUrl: call.text('center'),
      onEvent: story.tell,
      agree: agreement(call, signal),
      signal
    })
  )
  if (call.flag('with-manager'))
    say(`${printable(installManager(call.argument('medium')))} runs wherever there is Node`)
  await kept
  return story.outcome(copied)
}
