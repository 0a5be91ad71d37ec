/** The suite on guests that start from an image of their program, as a pressed title does, wherever there can be one. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { grantTable } from '../../sandbox/capabilities.js'
import { DEFAULT_LIMITS } from '../../sandbox/guest.js'
import { guestFor } from '../../sandbox/hosted.js'
import { makeTitleImage } from '../../sandbox/imaging.js'
import { launchProgram } from '../../sandbox/launch.js'
import { quickjs } from '../../sandbox/quickjs/node.js'
import type { AnyApi } from '../../sandbox/typed.js'
import { conform } from './conformance.js'

let images = 0
let sources = 0

conform('inline QuickJS, from images', { isolation: 'inline' }, async (source, options) => {
  const image = makeTitleImage(quickjs(), source, {
    name: options.name ?? 'title.js',
    grants: [grantTable(options.capabilities ?? {}).modules],
    // Little, since one program of the suite never gets there, and how long it takes is looked at.
    limits: { ...DEFAULT_LIMITS, cpuMs: 250 },
    mark: 'conformance'
  })
  if (image instanceof Uint8Array) images++
  else sources++
  const guest = await launchProgram(image instanceof Uint8Array ? { image } : { source }, options)
  return guestFor<AnyApi>(guest, { args: options.args })
})

test('most programs of the suite have an image', () => {
  assert.ok(images > 2 * sources, `${images} started from images, ${sources} from source`)
})

test.run()
