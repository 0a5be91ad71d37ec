/** Copies that are given up: returned, transferred, refunded; once, whoever sends what how often. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { hex } from '../../formats/bytes.js'
import { openAnswer } from '../../formats/records/answer.js'
import { openReceipt } from '../../formats/records/checkpoint.js'
import { openRequest } from '../../formats/records/request.js'
import { encodeReturn, type Return } from '../../formats/records/return.js'
import { openRevocations } from '../../formats/records/revocations.js'
import { encodeTransferQuestion } from '../../formats/records/transfer.js'
import type { TermsChange } from '../../center/desk.js'
import { rejectsWith } from '../helpers/rejects.js'
import {
  mediumNamed,
  newCenter,
  newRequestId,
  openAsBuyer,
  pressed,
  requestBytes,
  TITLE,
  userKeys,
  type OrderOptions
} from './parties.js'

const DAY = 86_400

async function shopWith(terms: TermsChange) {
  const shop = await newCenter()
  await pressed(shop)
  await shop.center.desk.setTerms(TITLE, { priceMinor: 900, ...terms })
  const { center, pinned, powers } = shop
  const request = (options: OrderOptions) => requestBytes(pinned.centerId, { created: powers.at, ...options })
  const order = async (options: OrderOptions = {}) =>
    openAsBuyer(pinned, await center.issue(request(options)), options)
  const given = (grantId: Uint8Array, change: Partial<Return> = {}, user = 'ann'): Uint8Array => {
    const { signKey, sealKey, signSeed } = userKeys(user)
    return encodeReturn(
      {
        centerId: pinned.centerId,
        created: powers.at,
        grantId,
        mediumId: mediumNamed(),
        requestId: newRequestId(),
        sealKey,
        signKey,
        titleId: TITLE,
        ...change
      },
      signSeed
    )
  }
  const send = async (record: Uint8Array) => openAnswer(await center.issue(record), [pinned])!.answer
  const owed = async () =>
    (await center.desk.balances())
      .filter(({ account }) => account.startsWith('receivable/'))
      .reduce((sum, { balanceMinor }) => sum + balanceMinor, 0)
  const books = async () => (await center.desk.verifyLedger()).problems
  return { ...shop, request, order, given, send, owed, books }
}

test('a return ends the copy, frees its place, lists it, and pays back what the terms say', async () => {
  const { order, given, send, owed, books, center, pinned, powers } = await shopWith({
    copies: 1,
    refundDays: 14
  })
  const { grant } = await order()
  await rejectsWith('COFFER_QUOTA', () => order({ medium: 'card' }))
  powers.at += 14 * DAY
  const answer = await send(given(grant.grantId))
  assert.equal([answer.grant, answer.chargedMinor, answer.refundedMinor], [undefined, 0, 900])
  const { entries, sequence } = openRevocations(answer.revocations, [pinned])!.revocations
  assert.equal([sequence, entries], [2, [{ id: grant.grantId, kind: 'grant' }]])
  assert.is(await owed(), 0)
  assert.equal(
    (await center.desk.grants()).map(({ ending }) => ending),
    ['returned']
  )
  const again = await order({ medium: 'card' })
  assert.is(again.answer.chargedMinor, 900)
  // The same medium is bought anew, under another id.
  await send(given(again.grant.grantId, { mediumId: mediumNamed('card') }))
  assert.not.equal((await order()).grant.grantId, grant.grantId)
  assert.equal(await books(), [])
  await center.close()
})

test('the same return sent again gives the same bytes; another one for the same copy pays nothing more', async () => {
  const { order, given, owed, books, center, pinned } = await shopWith({ refundDays: 14 })
  const { grant } = await order()
  const record = given(grant.grantId)
  const answers = await Promise.all([1, 2, 3, 4].map(() => center.issue(record)))
  for (const answer of answers) assert.equal(answer, answers[0])
  const second = openAnswer(await center.issue(given(grant.grantId)), [pinned])!.answer
  assert.is(second.refundedMinor, 0)
  assert.is(await owed(), 0)
  assert.equal(await books(), [])
  await center.close()
})

test('a return after the time for it is taken, and nothing is paid back', async () => {
  const { order, given, send, owed, powers, center } = await shopWith({ refundDays: 14 })
  const { grant } = await order()
  powers.at += 14 * DAY + 1
  assert.is((await send(given(grant.grantId))).refundedMinor, 0)
  assert.is(await owed(), 900)
  await center.close()
})

test('a copy that was used to its end is taken back, and nothing is paid back', async () => {
  const { order, given, send, owed, powers, center } = await shopWith({ refundDays: 14, expiresDays: 3 })
  const { grant } = await order()
  powers.at += 3 * DAY
  assert.is((await send(given(grant.grantId))).refundedMinor, 0)
  assert.is(await owed(), 900)
  await center.close()
})

test('what was paid for a copy that has run out is not paid back for the free one after it', async () => {
  const terms = { refundDays: 14, expiresDays: 3, trialDays: 7 }
  const { order, given, send, owed, powers, center, books } = await shopWith(terms)
  await order()
  powers.at += 3 * DAY
  const trial = await order({ kind: 'trial' })
  assert.is(trial.grant.kind, 'trial')
  assert.is((await send(given(trial.grant.grantId))).refundedMinor, 0)

  await order({ user: 'bob' })
  powers.at += 3 * DAY
  await center.desk.setTerms(TITLE, { priceMinor: 0 })
  const free = await order({ user: 'bob' })
  assert.is((await send(given(free.grant.grantId, {}, 'bob'))).refundedMinor, 0)
  assert.equal([await owed(), await books()], [1800, []])
  await center.close()
})

test("a return is its own user's, for its own medium, title and center", async () => {
  const { order, given, send, center } = await shopWith({})
  const { grant } = await order()
  const refused = (record: Uint8Array) => rejectsWith('COFFER_GRANT_MISSING', () => send(record))
  await refused(given(grant.grantId, {}, 'bob'))
  await refused(given(grant.grantId, { mediumId: mediumNamed('card') }))
  await refused(given(grant.grantId, { titleId: 'org.example.other' }))
  await refused(given(new Uint8Array(16)))
  await rejectsWith('COFFER_REQUEST_REFUSED', () =>
    send(given(grant.grantId, { centerId: new Uint8Array(32) }))
  )
  assert.equal(
    (await center.desk.grants()).map(({ revoked }) => revoked),
    [false]
  )
  await center.close()
})

test('a transfer ends the copy here and begins it there, with its terms, in one step', async () => {
  const terms = { copies: 1, expiresDays: 30, renewPriceMinor: 100, features: ['pro'] }
  const { order, request, given, center, pinned, powers, owed, books } = await shopWith(terms)
  const { grant } = await order()
  powers.at += 10 * DAY
  const wanted = request({ kind: 'transfer', medium: 'card' })
  const record = given(grant.grantId, { order: wanted })
  const answers = await Promise.all([1, 2, 3].map(() => center.issue(record)))
  assert.equal(answers[1], answers[0])
  const moved = openAsBuyer(pinned, answers[0]!, { medium: 'card' })
  assert.equal(
    [moved.grant.kind, moved.grant.expires, moved.grant.features, moved.answer.chargedMinor],
    ['lease', grant.expires, ['pro'], 0]
  )
  assert.equal(moved.grant.mediumId, mediumNamed('card'))
  const { entries } = openRevocations(moved.answer.revocations, [pinned])!.revocations
  assert.equal(entries, [{ id: grant.grantId, kind: 'grant' }])
  const states = (await center.desk.grants()).map(({ mediumId, ending }) => [mediumId, ending])
  assert.equal(new Map(states as [string, string][]).get(hex(mediumNamed('card'))), null)
  assert.is(states.filter(([, ending]) => ending === null).length, 1)
  assert.equal([await owed(), await books()], [900, []])
  // The other return of the same copy, however it is meant, is too late.
  await rejectsWith('COFFER_REVOKED', () =>
    center.issue(given(grant.grantId, { order: request({ kind: 'transfer', medium: 'third' }) }))
  )
  await center.close()
})

test('a copy that moves to another medium of its user can be returned for what was paid, one that goes to another user cannot', async () => {
  const terms = { refundDays: 14, expiresDays: 20, transfer: 'users' } as const
  const { order, request, given, send, center, pinned, powers, owed, books } = await shopWith(terms)
  /** @returns The id of the copy as it is there. */
  const moved = async (from: Uint8Array, medium: string, user = 'ann') => {
    const record = given(from, { order: request({ kind: 'transfer', medium, user }) })
    return openAsBuyer(pinned, await center.issue(record), { medium, user }).grant.grantId
  }
  const { grant } = await order()
  powers.at += 5 * DAY
  const card = await moved(grant.grantId, 'card')
  powers.at += 9 * DAY
  const { refundedMinor } = await send(given(card, { mediumId: mediumNamed('card') }))
  assert.equal([refundedMinor, await owed()], [900, 0], 'counted from the payment, not from the move')

  // Bob paid for an older copy of his own, which has ended there: that is not paid back for this one.
  await order({ user: 'bob', medium: 'his' })
  powers.at += 21 * DAY
  const fresh = await order()
  const his = await moved(fresh.grant.grantId, 'his', 'bob')
  const back = await send(given(his, { mediumId: mediumNamed('his') }, 'bob'))
  assert.equal([back.refundedMinor, await owed(), await books()], [0, 1800, []])
  await center.close()
})

test('whom a copy may go to is for the seller to say', async () => {
  for (const [transfer, toSelf, toBob] of [
    ['no', false, false],
    ['media', true, false],
    ['users', true, true]
  ] as const) {
    const { order, request, given, center } = await shopWith({ transfer })
    for (const [user, allowed] of [
      ['bob', toBob],
      ['ann', toSelf]
    ] as const) {
      const { grant } = await order()
      const record = given(grant.grantId, {
        order: request({ kind: 'transfer', medium: `of ${user}`, user })
      })
      const sent = () => center.issue(record)
      if (allowed) await sent()
      else await rejectsWith('COFFER_REQUEST_REFUSED', sent)
    }
    await center.close()
  }
})

test('nothing but an order for it transfers a copy, and a refused transfer changes nothing', async () => {
  const { order, request, given, center } = await shopWith({ transfer: 'users', copies: 1 })
  const { grant } = await order()
  const tried = (wanted: Uint8Array) => () => center.issue(given(grant.grantId, { order: wanted }))
  await rejectsWith('COFFER_REQUEST_REFUSED', tried(request({ medium: 'card', user: 'bob' })))
  await rejectsWith(
    'COFFER_REQUEST_REFUSED',
    tried(request({ kind: 'transfer', titleId: 'org.example.other' }))
  )
  // An order that somebody signed to be handed a copy buys him none.
  const wanted = request({ kind: 'transfer', medium: 'card', user: 'bob' })
  await rejectsWith('COFFER_REQUEST_REFUSED', () => center.issue(wanted))
  // Who takes it over holds as many as he may already.
  await order({ user: 'bob', medium: 'his own' })
  await rejectsWith('COFFER_QUOTA', tried(wanted))
  await center.desk.revoke('medium', hex(mediumNamed('card')))
  await rejectsWith('COFFER_REVOKED', tried(wanted))
  assert.equal(
    (await center.desk.grants({ userId: hex(grant.userId) })).map(({ ending }) => ending),
    [null]
  )
  await center.close()
})

test('an order to be handed a copy is good once, and for as long as other orders', async () => {
  const { order, request, given, center, powers, pinned, books } = await shopWith({ transfer: 'users' })
  const [first, second] = [await order({ medium: 'one' }), await order({ medium: 'two' })]
  const giving = ({ grant }: typeof first, wanted: Uint8Array) =>
    given(grant.grantId, { mediumId: grant.mediumId, order: wanted })
  const wanted = (created: number) =>
    request({ kind: 'transfer', medium: 'his', user: 'bob', created, requestId: new Uint8Array(16).fill(7) })
  for (const created of [powers.at - 30 * DAY - 1, powers.at + DAY + 1])
    await rejectsWith('COFFER_REQUEST_STALE', () => center.issue(giving(first, wanted(created))))

  const record = giving(first, wanted(powers.at - 30 * DAY))
  const answer = await center.issue(record)
  // Whoever takes it over may ask for his answer by himself; its receipt is that of the return.
  const wish = wanted(powers.at - 30 * DAY)
  assert.equal(await center.issue(wish), answer)
  const noReceipt = await rejectsWith('COFFER_REQUEST_REFUSED', () => center.receipt(wish))
  assert.match(noReceipt.message, 'within a return')
  const his = openAsBuyer(pinned, answer, { medium: 'his', user: 'bob' }).grant
  await center.issue(given(his.grantId, { mediumId: his.mediumId }, 'bob'))
  // Bob has given it back; with what he signed once, nobody hands him another.
  const used = wanted(powers.at - 30 * DAY)
  await rejectsWith('COFFER_REQUEST_REFUSED', () => center.issue(giving(second, used)))
  await rejectsWith('COFFER_REQUEST_REFUSED', () => center.issue(giving(second, wanted(powers.at))))
  await rejectsWith('COFFER_REQUEST_REFUSED', () =>
    center.mayTransfer(encodeTransferQuestion({ grantId: second.grant.grantId, order: used }))
  )
  const sameId = { requestId: new Uint8Array(16).fill(7), medium: 'his', user: 'bob' }
  await rejectsWith('COFFER_REQUEST_ALTERED', () => center.issue(request(sameId)))
  const known = request({ kind: 'transfer', medium: 'his', user: 'bob' })
  const { requestId } = openRequest(known)
  await rejectsWith('COFFER_REQUEST_REFUSED', () =>
    center.issue(given(second.grant.grantId, { mediumId: second.grant.mediumId, order: known, requestId }))
  )

  powers.at += 100 * DAY
  assert.equal(await center.issue(record), answer, 'whenever it comes again')
  assert.ok(openReceipt(await center.receipt(record), [pinned]))
  assert.equal(await books(), [])
  await center.close()
})

test('a trial, and what has ended, are not handed on', async () => {
  const { order, request, given, center, powers } = await shopWith({ trialDays: 5, expiresDays: 3 })
  const trial = await order({ kind: 'trial' })
  const wanted = () => request({ kind: 'transfer', medium: 'card' })
  await rejectsWith('COFFER_REQUEST_REFUSED', () =>
    center.issue(given(trial.grant.grantId, { order: wanted() }))
  )
  powers.at += 6 * DAY
  await rejectsWith('COFFER_EXPIRED', () => center.issue(given(trial.grant.grantId, { order: wanted() })))
  await center.close()
})

test('the seller refunds a copy once, and the ledger knows why', async () => {
  const { order, center, owed, books } = await shopWith({})
  const { grant } = await order()
  assert.equal(await center.desk.refund(hex(grant.grantId)), { refundedMinor: 900, currency: 'EUR' })
  await rejectsWith('COFFER_USAGE', () => center.desk.refund(hex(grant.grantId)))
  assert.equal([await owed(), await books()], [0, []])
  assert.equal(
    (await center.desk.grants()).map(({ ending }) => ending),
    ['refunded']
  )
  assert.is((await order()).answer.chargedMinor, 900)
  await center.close()
})

test('a transfer question is answered as the transfer would be, and changes nothing', async () => {
  const { order, request, given, send, center } = await shopWith({ transfer: 'users', copies: 1 })
  const { grant } = await order()
  const ask = (options: OrderOptions, grantId = grant.grantId) =>
    center.mayTransfer(encodeTransferQuestion({ grantId, order: request({ kind: 'transfer', ...options }) }))
  const before = await center.desk.grants()
  await ask({ medium: 'card' })
  await ask({ medium: 'hers', user: 'bob' })
  await rejectsWith('COFFER_REQUEST_REFUSED', () => ask({ medium: 'card', kind: 'order' }))
  await rejectsWith('COFFER_GRANT_MISSING', () => ask({ medium: 'card' }, newRequestId()))
  await center.desk.setTerms(TITLE, { transfer: 'media' })
  await rejectsWith('COFFER_REQUEST_REFUSED', () => ask({ medium: 'hers', user: 'bob' }))
  await center.desk.setTerms(TITLE, { transfer: 'no' })
  await rejectsWith('COFFER_REQUEST_REFUSED', () => ask({ medium: 'card' }))
  await center.desk.setTerms(TITLE, { transfer: 'users' })
  assert.equal(await center.desk.grants(), before)
  await order({ medium: 'hers', user: 'bob' })
  await rejectsWith('COFFER_QUOTA', () => ask({ medium: 'more', user: 'bob' }))
  await send(given(grant.grantId))
  await rejectsWith('COFFER_REVOKED', () => ask({ medium: 'card' }))
  // The ids of copies that have ended are published: a stranger is told nothing of them.
  await rejectsWith('COFFER_GRANT_MISSING', () => ask({ medium: 'hers', user: 'carl' }))
  await rejectsWith('COFFER_ENCODING', () => center.mayTransfer(new Uint8Array(3)))
})

test.run()
