/** A publisher registers what he presses and gets its key. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { hex } from '../../formats/bytes.js'
import { rejectsWith } from '../helpers/rejects.js'
import {
  named,
  newCenter,
  newRequestId,
  NOW,
  openAsBuyer,
  openTicket,
  pressed,
  publisherKeys,
  registrationBytes,
  requestBytes,
  TITLE
} from './parties.js'

test('register() gives the key sealed to the publisher, and his certificate', async () => {
  const { center, pinned } = await newCenter()
  await center.desk.addPublisher(publisherKeys(), 'Press')
  for (const scheme of ['certificate', 'conversion'] as const) {
    const titleId = `org.example.${scheme}`
    const ticket = await center.register(registrationBytes(pinned.centerId, { scheme, titleId }))
    const opened = openTicket(pinned, ticket)
    assert.is(opened.releaseKey.length, 32)
    assert.is(opened.ticket.scheme, scheme)
    assert.is(opened.certificate.name, 'Press')
    assert.equal(opened.certificate.signKey, publisherKeys().signKey)
    await rejectsWith('COFFER_KEY_UNWRAP', () => openTicket(pinned, ticket, 'another press'))
  }
  await center.close()
})

test('register() gives the same key again for the same release, another for every other', async () => {
  const shop = await newCenter()
  for (const scheme of ['certificate', 'conversion'] as const) {
    const titleId = `org.example.${scheme}`
    const key = await pressed(shop, { scheme, titleId })
    assert.equal(await pressed(shop, { scheme, titleId }), key)
    assert.not.equal(await pressed(shop, { scheme, titleId, release: 2 }), key)
    assert.not.equal(await pressed(shop, { scheme, titleId: `${titleId}.2` }), key)
  }
  await shop.center.close()
})

test('register() refuses a publisher that the seller did not add', async () => {
  const { center, pinned } = await newCenter()
  await rejectsWith('COFFER_PUBLISHER_UNKNOWN', () => center.register(registrationBytes(pinned.centerId)))
  assert.equal(await center.desk.titles(), [])
  await center.close()
})

test("register() refuses another publisher's title", async () => {
  const shop = await newCenter()
  await pressed(shop)
  await rejectsWith('COFFER_REQUEST_REFUSED', () => pressed(shop, { publisher: 'rival', release: 2 }))
  await shop.center.close()
})

test('register() takes one release under both schemes, each with a key of its own, and both are sold', async () => {
  const shop = await newCenter()
  const titleKey = await pressed(shop, { scheme: 'certificate' })
  const masterMediumKey = await pressed(shop, { scheme: 'conversion' })
  assert.not.equal(titleKey, masterMediumKey)
  const [title] = await shop.center.desk.titles()
  assert.equal(title!.releases, [
    { release: 1, scheme: 'certificate' },
    { release: 1, scheme: 'conversion' }
  ])
  for (const scheme of ['certificate', 'conversion'] as const) {
    const answer = await shop.center.issue(requestBytes(shop.pinned.centerId, { scheme, medium: scheme }))
    assert.is(openAsBuyer(shop.pinned, answer, { medium: scheme }).grant.scheme, scheme)
  }
  await shop.center.close()
})

test('register() answers a repeated registration with the same bytes, and refuses an altered one', async () => {
  const { center, pinned } = await newCenter()
  await center.desk.addPublisher(publisherKeys(), 'Press')
  const requestId = newRequestId()
  const registration = registrationBytes(pinned.centerId, { requestId })
  const ticket = await center.register(registration)
  assert.equal(await center.register(registration), ticket)
  await rejectsWith('COFFER_REQUEST_ALTERED', () =>
    center.register(registrationBytes(pinned.centerId, { requestId, release: 2 }))
  )
  await center.close()
})

test('register() refuses a stale registration, one for another center, and a revoked publisher or title', async () => {
  const shop = await newCenter()
  const { center, pinned } = shop
  await pressed(shop)
  await rejectsWith('COFFER_REQUEST_STALE', () =>
    center.register(registrationBytes(pinned.centerId, { created: NOW - 31 * 86_400 }))
  )
  await rejectsWith('COFFER_REQUEST_REFUSED', () => center.register(registrationBytes(named('elsewhere'))))
  await center.desk.revoke('title', TITLE, 1)
  await rejectsWith('COFFER_REVOKED', () => center.register(registrationBytes(pinned.centerId)))
  await center.register(registrationBytes(pinned.centerId, { release: 2 }))
  await center.desk.revoke('publisher', hex(publisherKeys().signKey))
  await rejectsWith('COFFER_REVOKED', () =>
    center.register(registrationBytes(pinned.centerId, { release: 3 }))
  )
  await center.close()
})

test.run()
