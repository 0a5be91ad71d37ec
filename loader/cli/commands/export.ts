/** `coffer export`: what a title saved, as a file that only its user can open. */
import { exportSaves, type MovedSaves, type SavesEvent } from '../../copier/saves-file.js'
import { Home } from '../../home.js'
import { isoTime } from '../../times.js'
import type { Call, Outcome } from '../command.js'
import { refuseExisting } from '../copying.js'
import { harden } from '../harden.js'
import { printable } from '../../../formats/screen.js'
import { sizeText } from '../../../formats/wording.js'
import { ProgressBar } from '../screen.js'

export function execute(call: Call): Outcome {
  harden()
  const out = call.required('out')
  refuseExisting(out)
  const exported = exportSaves(call.argument('medium'), call.argument('title'), out, {
    home: new Home(),
    onEvent: savesBars()
  })
  return movedOutcome(exported, `Exported ${amount(exported)} of ${exported.title} to ${exported.path}.`)
}

/** Less is done before a bar could be read. */
const LONG_BYTES = 32 * 1024 * 1024

/** A bar for each step of what takes a while. */
export function savesBars(): (event: SavesEvent) => void {
  const bars = { read: new ProgressBar('read'), write: new ProgressBar('write') }
  return ({ step, doneBytes, totalBytes }) => {
    if (totalBytes >= LONG_BYTES) bars[step].update(doneBytes, totalBytes)
  }
}

/** How much was exported or imported. */
export const amount = ({ slots, bytes }: MovedSaves): string =>
  `${slots} ${slots === 1 ? 'save' : 'saves'} (${sizeText(bytes)})`

export const movedOutcome = (moved: MovedSaves, text: string): Outcome => ({
  data: { ...moved, created: isoTime(moved.created) },
  text: printable(text)
})
