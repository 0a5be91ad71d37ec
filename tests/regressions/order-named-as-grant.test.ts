/** A buyer who gave an order the id of a copy kept the seller from paying that copy back, or was told of a failure inside. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { hex } from '../../formats/bytes.js'
import { newCenter, openAsBuyer, pressed, requestBytes, TITLE } from '../center/parties.js'

async function shopWithCopy() {
  const shop = await newCenter()
  await pressed(shop)
  const { center, pinned } = shop
  await center.desk.setTerms(TITLE, { priceMinor: 900, copies: 10 })
  const order = async (medium: string, requestId?: Uint8Array) =>
    openAsBuyer(pinned, await center.issue(requestBytes(center.centerId, { medium, requestId })), { medium })
  const { grant } = await order('first')
  return { center, order, id: grant.grantId, grantId: hex(grant.grantId) }
}

test('a copy whose id an order has taken can be paid back', async () => {
  const { center, order, id, grantId } = await shopWithCopy()
  await order('second', id)
  assert.equal(await center.desk.refund(grantId), { refundedMinor: 900, currency: 'EUR' })
  assert.equal((await center.desk.verifyLedger()).problems, [])
  await center.close()
})

test('an order may have the id of a copy that was paid back', async () => {
  const { center, order, id, grantId } = await shopWithCopy()
  await center.desk.refund(grantId)
  assert.is((await order('second', id)).answer.chargedMinor, 900)
  assert.equal((await center.desk.verifyLedger()).problems, [])
  await center.close()
})

test.run()
