/** The buyer's side of a receipt: proved without a network, or refused. */
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { hex } from '../../formats/bytes.js'
import { requestCopy } from '../../loader/copier/copy.js'
import { closeSites, librarySite } from '../helpers/library-site.js'

test.after(closeSites)
const BIN = fileURLToPath(new URL('../../loader/cli/bin.js', import.meta.url))

test('coffer inspect proves a receipt, and shows order, copy and charge; an altered or foreign one is refused', async () => {
  const site = await librarySite()
  const { master, id } = await site.press('org.example.receipt')
  await site.center.desk.setTerms(id, { priceMinor: 900 })
  const order = requestCopy(master, site.prepare(), id, { home: site.home, powers: site.powers })
  await site.center.issue(order.bytes)
  const receipt = await site.center.receipt(order.bytes)
  const path = site.path('receipt')
  const inspect = (bytes: Uint8Array, home = site.home.folder) => {
    writeFileSync(path, bytes)
    const { status, stdout } = spawnSync(process.execPath, [BIN, 'inspect', path, '--json'], {
      encoding: 'utf8',
      env: { ...process.env, COFFER_HOME: home }
    })
    return { status, json: JSON.parse(stdout) }
  }
  const { status, json } = inspect(receipt)
  assert.is(status, 0, JSON.stringify(json))
  assert.equal([json.type, json.verdict, json.centerId], ['receipt', 'proved', site.center.centerId])
  assert.is(json.requests[0].requestHash, hex(order.request.requestHash))
  assert.is(json.copies[0].titleId, id)
  assert.equal(json.charges.map(({ amountMinor }: any) => amountMinor).sort(), [-900, 900])

  const refused = (bytes: Uint8Array, home?: string) => {
    const { status, json } = inspect(bytes, home)
    return [status, json.error?.code]
  }
  for (let at = 20; at < receipt.length; at += 257) {
    const altered = receipt.slice()
    altered[at]! ^= 1
    assert.is.not(refused(altered)[0], 0, `byte ${at}`)
  }
  assert.equal(refused(receipt, site.path('nobody')), [77, 'COFFER_CENTER_UNTRUSTED'])
})

test.run()
