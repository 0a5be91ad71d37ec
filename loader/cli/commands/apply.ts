/** `coffer apply`: what the center answered to a request file: a copy, a fresh grant, or the credit for a return. */
import { keepCode } from '../../../sandbox/kept-code.js'
import { CofferError } from '../../../formats/errors.js'
import { MAX_ANSWER_BYTES } from '../../../formats/limits.js'
import { applyAnswer } from '../../copier/copy.js'
import { acceptAnswer } from '../../copier/order.js'
import { applyGrant } from '../../copier/renew.js'
import { applyReturn, pendingFor } from '../../copier/returns.js'
import { readFile } from '../../files.js'
import { Home } from '../../home.js'
import type { Call, Outcome } from '../command.js'
import { CopyStory } from '../copying.js'
import { harden } from '../harden.js'
import { interruptible } from '../interrupt.js'
import { renewed } from './renew.js'
import { returned } from './return.js'

export async function execute(call: Call): Promise<Outcome> {
  harden()
  const path = call.argument('answer')
  const root = call.argument('medium')
  const bytes = readFile(path, MAX_ANSWER_BYTES)
  if (bytes === undefined) {
    throw new CofferError('COFFER_FILE_MISSING', `There is no answer at ${path}.`, {
      expected: 'the file that the center made with "coffer-center issue"',
      found: 'no such file',
      hint: 'Check the path.'
    })
  }
  const home = new Home()
  const pending = pendingFor(root, acceptAnswer(bytes, home).answer)
  if (pending !== undefined) return returned(applyReturn(bytes, root, pending, home))
  const master = call.text('master')
  if (master === undefined) return renewed(applyGrant(bytes, root, { home }))
  const kept = keepCode()
  const story = new CopyStory()
  const copied = await interruptible(signal =>
    applyAnswer(bytes, master, root, { home, release: call.number('release'), onEvent: story.tell, signal })
  )
  await kept
  return story.outcome(copied)
}
