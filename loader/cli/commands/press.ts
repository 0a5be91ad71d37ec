/** `coffer press`: an app's source in, a sealed title out. */
import type { Scheme } from '../../../formats/records/fields.js'
import { press, type PressEvent } from '../../copier/press.js'
import { installManager } from '../../copier/manager.js'
import { Home } from '../../home.js'
import type { Call, Outcome } from '../command.js'
import { tellWait } from '../copying.js'
import { printable } from '../../../formats/screen.js'
import { say } from '../output.js'
import { interruptible } from '../interrupt.js'
import { sizeText } from '../../../formats/wording.js'
import { ProgressBar } from '../screen.js'

export async function execute(call: Call): Promise<Outcome> {
  const sealing = new ProgressBar('seal')
  const onEvent = (event: PressEvent) => {
    switch (event.step) {
      case 'bundle':
        return say(`bundle ${event.app.id}, release ${event.app.release}`)
      case 'compile':
        return say(`compile, ${sizeText(event.programBytes)}`)
      case 'image':
        return say(
          event.reason === undefined
            ? `image, ${sizeText(event.imageBytes)}`
            : `no image, so it starts from source: ${printable(event.reason)}`
        )
      case 'register':
        return say(`register at ${printable(event.center)}`)
      case 'wait':
        return tellWait(event)
      case 'seal':
        return sealing.update(event.doneBytes, event.totalBytes)
    }
  }
  const pressed = await interruptible(signal =>
    press(call.argument('app'), {
      home: new Home(),
      out: call.required('out'),
      centerUrl: call.required('center'),
      publisherKeyFile: call.required('publisher'),
      scheme: call.text('scheme') as Scheme | undefined,
      onEvent,
      signal
    })
  )
  if (call.flag('with-manager'))
    say(`${printable(installManager(call.required('out')))} runs wherever there is Node`)
  const { id, ...others } = pressed
  return { data: { title: id, ...others }, text: printable(pressed.path) }
}
