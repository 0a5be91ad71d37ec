/** `coffer apply`: install what the center answered to a request file. */
import { CofferError } from '../../../formats/errors.js'
import { MAX_ANSWER_BYTES } from '../../../formats/limits.js'
import { applyAnswer } from '../../copier/copy.js'
import { readFile } from '../../files.js'
import { Home } from '../../home.js'
import type { Call, Outcome } from '../command.js'
import { CopyStory } from '../copying.js'
import { harden } from '../harden.js'

export function execute(call: Call): Outcome {
  harden()
  const path = call.argument('answer')
  const answer = readFile(path, MAX_ANSWER_BYTES)
  if (answer === undefined) {
    throw new CofferError('COFFER_FILE_MISSING', `There is no answer at ${path}.`, {
      expected: 'the file that the center made with "coffer-center issue"',
      found: 'no such file',
      hint: 'Check the path.'
    })
  }
  const story = new CopyStory()
  return story.outcome(
    applyAnswer(answer, call.required('master'), call.argument('medium'), {
      home: new Home(),
      release: call.number('release'),
      onEvent: story.tell
    })
  )
}
