/** `coffer import`: what a title saved on another medium, or before, out of a file of "coffer export". */
import { importSaves } from '../../copier/saves-file.js'
import { Home } from '../../home.js'
import { timeText } from '../../times.js'
import type { Call, Outcome } from '../command.js'
import { harden } from '../harden.js'
import { amount, movedOutcome, savesBars } from './export.js'

export async function execute(call: Call): Promise<Outcome> {
  harden()
  const root = call.argument('medium')
  const imported = await importSaves(call.argument('file'), root, {
    home: new Home(),
    replace: call.flag('replace'),
    onEvent: savesBars()
  })
  const { title, created } = imported
  return movedOutcome(
    imported,
    `Imported ${amount(imported)} of ${title} as they were on ${timeText(created)}.`
  )
}
