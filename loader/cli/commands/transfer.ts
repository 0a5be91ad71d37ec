/** `coffer transfer`: a copy moves to another medium, or to whoever made an order for it. */
import { CofferError } from '../../../formats/errors.js'
import { MAX_ANSWER_BYTES } from '../../../formats/limits.js'
import { handOn, requestHandOn, transferTitle } from '../../copier/move.js'
import { readFile } from '../../files.js'
import { clearLeftovers, PendingFile } from '../../pending.js'
import { Home } from '../../home.js'
import type { Call, Outcome } from '../command.js'
import { CopyStory, refuseExisting, requestOut, tellWait } from '../copying.js'
import { harden } from '../harden.js'
import { interruptible } from '../interrupt.js'
import { printable } from '../../../formats/screen.js'
import { say } from '../output.js'

export async function execute(call: Call): Promise<Outcome> {
  harden()
  const [target, orderFile] = [call.text('to'), call.text('order')]
  if ((target === undefined) === (orderFile === undefined)) throw whereTo()
  return target === undefined ? give(call, orderFile!) : move(call, target)
}

/** To another medium of the same person. */
async function move(call: Call, target: string): Promise<Outcome> {
  const story = new CopyStory()
  const moved = await interruptible(signal =>
    transferTitle(call.argument('medium'), call.argument('title'), target, {
      home: new Home(),
      centerUrl: call.text('center'),
      master: call.text('master'),
      onEvent: story.tell,
      signal
    })
  )
  const { title, name, release } = moved
  return {
    ...story.outcome(moved),
    text: printable(
      `Moved "${name}" (${title}, release ${release}) from ${call.argument('medium')} to ${target}.`
    )
  }
}

/** To someone else, who made the order: the answer is for him. */
async function give(call: Call, orderFile: string): Promise<Outcome> {
  const [root, titleId] = [call.argument('medium'), call.argument('title')]
  const options = { home: new Home(), centerUrl: call.text('center'), onEvent: tellWait }
  const order = readFile(orderFile, MAX_ANSWER_BYTES)
  if (order === undefined) throw noOrder(orderFile)
  const out = call.text('out')
  if (out !== undefined)
    return requestOut(out, () => {
      const { bytes, given } = requestHandOn(root, titleId, order, options)
      say('The medium has given the copy up. Carry this file to the center; its answer goes to both media,')
      say('with "coffer apply": to yours, which is rid of the copy then, and to the other, which gets it.')
      return { bytes, request: given }
    })
  const answerFile = call.text('answer')
  if (answerFile === undefined) throw whereTo()
  refuseExisting(answerFile)
  clearLeftovers(answerFile)
  // Before the copy is given up it is known that the answer can be written there.
  using file = new PendingFile(answerFile)
  const result = await handOn(root, titleId, order, {
    ...options,
    keep(answer) {
      file.write(answer)
      file.commit()
    }
  })
  say('Give this file to whoever made the order: "coffer apply" puts the copy onto his medium.')
  return { data: { ...result, path: answerFile, bytes: file.writtenBytes }, text: printable(answerFile) }
}

const whereTo = () =>
  new CofferError('COFFER_USAGE', 'Where shall the copy go?', {
    expected: '--to <medium>; or --order <file> with --answer <file> or --out <file>',
    found: 'something else',
    hint: 'To another medium of yours: --to. To someone else: his order, made with "coffer order --transfer".'
  })

const noOrder = (path: string) =>
  new CofferError('COFFER_FILE_MISSING', `There is no order at ${path}.`, {
    expected: 'the file that "coffer order ... --transfer" made',
    found: 'no such file',
    hint: 'Check the path.'
  })
