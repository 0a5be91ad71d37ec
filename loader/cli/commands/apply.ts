/** `coffer apply`: what the center answered to a request file: a copy, a fresh grant, or the credit for a return. */
import { keepCode } from '../../../sandbox/kept-code.js'
import { equalBytes } from '../../../formats/bytes.js'
import { CofferError, orNone } from '../../../formats/errors.js'
import { recordTypeOf } from '../../../formats/frame.js'
import { MAX_ANSWER_BYTES, MAX_RECORD_BYTES } from '../../../formats/limits.js'
import { readGrantClaim } from '../../../formats/records/grant.js'
import { asTyped } from '../../../formats/wording.js'
import { applyAnswer } from '../../copier/copy.js'
import { acceptAnswer } from '../../copier/order.js'
import { applyGrant, type Renewed } from '../../copier/renew.js'
import { applyReturn, pendingFor } from '../../copier/returns.js'
import { readFile } from '../../files.js'
import { Home } from '../../home.js'
import { mediumPaths } from '../../medium/layout.js'
import { licenseName } from '../../read.js'
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
  refuseRequest(bytes, path)
  const home = new Home()
  const { answer } = acceptAnswer(bytes, home)
  const pending = pendingFor(root, answer)
  if (pending !== undefined) return returned(applyReturn(bytes, root, pending, home))
  const isAgain = answer.grant !== undefined && isInPlace(answer.grant, root)
  const master = call.text('master')
  if (master === undefined) return renewed(applyRenewal(bytes, path, root, home), isAgain)
  const kept = keepCode()
  const story = new CopyStory(isAgain)
  const copied = await interruptible(signal =>
    applyAnswer(bytes, master, root, { home, release: call.number('release'), onEvent: story.tell, signal })
  )
  await kept
  return story.outcome(copied)
}

/** Whoever carries files between two machines has both of them. @throws CofferError COFFER_RECORD_DAMAGED */
function refuseRequest(bytes: Uint8Array, path: string): void {
  const kind = recordTypeOf(bytes)
  if (kind !== 'request' && kind !== 'return') return
  throw new CofferError('COFFER_RECORD_DAMAGED', `${path} is a ${kind}, not the answer to one.`, {
    expected: 'the file that the center made with "coffer-center issue"',
    found: `the ${kind} that goes to the center`,
    hint: 'Carry it to the center, and apply the file that comes back.'
  })
}

/** Whether a grant is on the medium already, byte by byte: its answer was applied before. */
function isInPlace(grant: Uint8Array, root: string): boolean {
  const { titleId, userId } = readGrantClaim(grant)
  const path = mediumPaths(root).grant(licenseName(root, titleId, userId))
  // One that cannot be read is not this one, and is about to be replaced.
  const there = orNone(() => readFile(path, MAX_RECORD_BYTES))
  return there !== undefined && equalBytes(there, grant)
}

/** Without a master only what is on the medium can be given a fresh grant. */
function applyRenewal(bytes: Uint8Array, path: string, root: string, home: Home): Renewed {
  try {
    return applyGrant(bytes, root, { home })
  } catch (error) {
    if (!(error instanceof CofferError) || error.code !== 'COFFER_TITLE_MISSING') throw error
    throw new CofferError(error.code, 'The title that this answer is for is not on the medium yet.', {
      expected: error.expected,
      found: error.found,
      hint: `Say where it comes from: coffer apply ${asTyped(path)} ${asTyped(root)} --master <master>`,
      cause: error
    })
  }
}
