/** `coffer prepare`: make a medium, and say how hard it is to make a second one like it. */
import type { MediumKind } from '../../../formats/records/fields.js'
import { prepare } from '../../copier/prepare.js'
import type { Call, Outcome } from '../command.js'
import { factorText } from '../factors.js'
import { fields } from '../screen.js'

export function execute(call: Call): Outcome {
  const { path, kind, mediumId, factors } = prepare(
    call.argument('folder'),
    call.text('kind') as MediumKind | undefined
  )
  return {
    data: { path, kind, mediumId, factors },
    text: fields([
      ['medium', path],
      ['id', mediumId],
      ['kind', kind],
      ...factors.map((factor): [string, string] => ['known by', factorText(factor)])
    ])
  }
}
