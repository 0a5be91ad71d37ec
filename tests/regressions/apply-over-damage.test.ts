/**
 * An answer that is applied again mends a grant that cannot be read: for whoever has no network there is no other way. It once
 * ended with the damage that it was to mend.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { expectSuccess, HELLO, jsonOf, newSite } from '../helpers/site.js'

test('coffer apply takes the place of a damaged grant, and says of a whole one that nothing is charged again', async () => {
  const site = await newSite()
  try {
    const [master, medium] = [await site.master('certificate'), await site.prepared()]
    const [request, answer] = [site.fresh('request'), site.fresh('answer')]
    expectSuccess(await site.coffer('order', master, medium, '--out', request))
    expectSuccess(await site.center('issue', 'shop', request, '--out', answer))
    const apply = async () =>
      jsonOf(expectSuccess(await site.coffer('apply', answer, medium, '--master', master, '--json')))
    assert.is((await apply()).again, undefined)
    assert.is((await apply()).again, true)
    const grant = join(medium, '.coffer/grants', `${HELLO}.grant`)
    for (const damage of [new Uint8Array(2_000_000), new Uint8Array(7), new Uint8Array(0)]) {
      writeFileSync(grant, damage)
      assert.is((await apply()).again, undefined)
      assert.is((await site.coffer('run', medium)).code, 0)
    }
  } finally {
    await site.close()
  }
})

test.run()
