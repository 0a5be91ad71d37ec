/** `coffer order`: the request of a copy as a file, to be carried to the center. */
import { hex } from '../../../formats/bytes.js'
import { CofferError } from '../../../formats/errors.js'
import { requestCopy } from '../../copier/copy.js'
import { inspectFile, writeFile } from '../../files.js'
import type { Call, Outcome } from '../command.js'
import { CopyStory, ordering } from '../copying.js'
import { printable, say } from '../output.js'

export function execute(call: Call): Outcome {
  const out = call.required('out')
  if (inspectFile(out) !== undefined) {
    throw new CofferError('COFFER_EXISTS', `There is a file at ${out} already, and it was left as it is.`, {
      hint: 'Give another name with --out, or remove that file first.'
    })
  }
  const { titleId, options } = ordering(call)
  const { tell } = new CopyStory()
  const { bytes, request } = requestCopy(call.argument('master'), call.argument('medium'), titleId, {
    ...options,
    onEvent: tell
  })
  writeFile(out, bytes)
  say('Carry this file to the center; put its answer onto the medium with "coffer apply".')
  return {
    data: {
      path: out,
      bytes: bytes.length,
      title: request.titleId,
      release: request.release,
      mediumId: hex(request.mediumId),
      centerId: hex(request.centerId),
      userId: hex(request.userId),
      requestId: hex(request.requestId)
    },
    text: printable(out)
  }
}
