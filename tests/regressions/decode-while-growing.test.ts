/** Bytes that were decoded at the moment at which the engine's memory had to grow came out as ''. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { utf8 } from '../../formats/bytes.js'
import { launch } from '../../sandbox/index.js'

test('text is whole whether or not decoding it makes the memory grow', async () => {
  await using guest = await launch(
    utf8(`export const lengths = () => {
      const kept = []
      for (let i = 0; i < 100; i++) kept.push(new TextDecoder().decode(new Uint8Array(100_000).fill(97)))
      return kept.map(text => text.length)
    }`)
  )
  assert.equal(await guest.call('lengths'), Array(100).fill(100_000))
})

test.run()
