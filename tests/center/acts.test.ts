/** The desk over HTTP: signed requests of admins and publishers, and what is no such thing. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { parseDictionary, type InnerList } from 'structured-headers'
import { ACTS } from '../../center/http/acts.js'
import { serve } from '../../center/http/http.js'
import { actPath } from '../../center/http/interface.js'
import { contentDigest, SKEW_SECONDS, signatureBase } from '../../center/http/message-signature.js'
import { openStore } from '../../center/books/store.js'
import { PLACE } from '../../center/orders/ended.js'
import { fromBase64url, hex, utf8 } from '../../formats/bytes.js'
import { formatPublicKeys, userIdOf } from '../../formats/keys.js'
import { Ed25519Signer } from '../../formats/primitives.js'
import { tamper } from '../helpers/databases.js'
import { rejectsWith } from '../helpers/rejects.js'
import {
  newCenter,
  newNonce,
  NOW,
  openAsBuyer,
  pressed,
  publisherKeys,
  registrationBytes,
  requestBytes,
  signedAct,
  TITLE,
  userKeys,
  type ActOptions,
  type TestCenter
} from './parties.js'

const OTHER = 'org.example.other'
interface Asked extends ActOptions {
  readonly centerId?: string
  /** What is sent in place of what was signed. */
  readonly headers?: Record<string, string>
  readonly body?: string
  readonly path?: string
}

async function open() {
  const shop: TestCenter = await newCenter()
  await pressed(shop)
  await pressed(shop, { titleId: OTHER, publisher: 'second' })
  await shop.center.desk.setTerms(TITLE, { priceMinor: 900, refundDays: 14 })
  await shop.center.desk.setTerms(OTHER, { priceMinor: 500 })
  await shop.center.admins.add(publisherKeys('admin'), 'Admin')
  const faults: unknown[] = []
  const serving = await serve(shop.center, {
    addressRate: null,
    signerRate: null,
    onFault: (_id, cause) => void faults.push(cause)
  })
  const ask = async (act: string, given: object = {}, asked: Asked = {}) => {
    const { body, headers } = signedAct(asked.centerId ?? shop.center.centerId, act, given, asked)
    const response = await fetch(`${serving.url}${asked.path ?? actPath(act)}`, {
      method: 'POST',
      headers: { ...headers, ...asked.headers },
      body: asked.body ?? body
    })
    return { status: response.status, headers: response.headers, json: (await response.json()) as any }
  }
  const order = async (titleId: string, user: string) =>
    openAsBuyer(shop.pinned, await shop.center.issue(requestBytes(shop.pinned.centerId, { titleId, user })), {
      user
    })
  return {
    ...shop,
    serving,
    ask,
    order,
    async close() {
      assert.equal(faults, [])
      assert.equal((await shop.center.desk.verifyLedger()).problems, [])
      await serving.close()
      await shop.center.close()
    }
  }
}

test('a signature over the example of RFC 9421 B.2.6 is the one that stands there', () => {
  const input = `sig-b26=("date" "@method" "@path" "@authority" "content-type" "content-length");created=1618884473;keyid="test-key-ed25519"`
  const values: Record<string, string> = {
    date: 'Tue, 20 Apr 2021 02:07:55 GMT',
    '@method': 'POST',
    '@path': '/foo',
    '@authority': 'example.com',
    'content-type': 'application/json',
    'content-length': '18'
  }
  const base = signatureBase(parseDictionary(input).get('sig-b26') as InnerList, name => values[name])
  // RFC 9421 B.1.4: what is behind the header of its private key in PKCS #8.
  const signer = new Ed25519Signer(fromBase64url('n4Ni-HpISpVObnQMW0wOhCKROaIKqKtW_2ZYb2p9KcU'))
  assert.is(
    Buffer.from(signer.sign(base)).toString('base64'),
    'wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw=='
  )
  // RFC 9530 appendix A.
  assert.is(
    contentDigest(utf8('{"hello": "world"}\n')),
    'sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:'
  )
})

test('an admin changes terms, sees sales and users, refunds and revokes; each act is in the log', async () => {
  const shop = await open()
  const { grant } = await shop.order(TITLE, 'ann')
  const ann = hex(userIdOf(userKeys('ann')))
  const set = await shop.ask('title-set', {
    titleId: TITLE,
    priceMinor: 1200,
    copies: null,
    features: ['pro']
  })
  assert.is(set.status, 200)
  assert.is(set.json.priceMinor, 1200)
  assert.equal(set.json.features, ['pro'])
  assert.equal((await shop.ask('sales', { days: 30 })).json, [
    { day: '2027-01-15', titleId: TITLE, currency: 'EUR', amountMinor: 900 }
  ])
  const users = await shop.ask('users')
  assert.equal(users.json, {
    rows: [{ userId: ann, name: null, enrolled: NOW, blocked: false }],
    next: null
  })
  const grants = await shop.ask('grants', { userId: ann })
  assert.is(grants.json.rows[0].grantId, hex(grant.grantId))
  assert.is((await shop.ask('find', { kind: 'user', typed: ann.slice(0, 8) })).json, ann)
  assert.equal((await shop.ask('refund', { grantId: hex(grant.grantId) })).json, {
    refundedMinor: 900,
    currency: 'EUR'
  })
  assert.is((await shop.ask('revoke', { kind: 'user', id: ann })).json, 3)
  assert.is((await shop.ask('revocations')).json.rows.length, 2)
  assert.is((await shop.ask('enrolment', { open: false })).json, false)
  assert.is((await shop.ask('user-add', { key: formatPublicKeys('user', userKeys('bob')) })).status, 200)
  assert.is((await shop.ask('publishers')).json.length, 2)
  assert.equal((await shop.ask('ledger-verify')).json.problems, [])
  assert.is(typeof (await shop.ask('login')).json, 'string')
  await shop.close()
})

test('a publisher has his own titles: terms, sales, grants, gifts; anything else is not there for him', async () => {
  const shop = await open()
  const mine = await shop.order(TITLE, 'ann')
  const others = await shop.order(OTHER, 'bob')
  const ann = hex(userIdOf(userKeys('ann')))
  const bob = hex(userIdOf(userKeys('bob')))
  const ask = (act: string, given: object = {}) => shop.ask(act, given, { keys: publisherKeys() })
  assert.equal(
    (await ask('titles')).json.map(({ titleId }: any) => titleId),
    [TITLE]
  )
  assert.is((await ask('title-set', { titleId: TITLE, priceMinor: 100 })).status, 200)
  assert.equal((await ask('sales', { days: 1 })).json.length, 1)
  assert.equal(
    (await ask('grants')).json.rows.map(({ grantId }: any) => grantId),
    [hex(mine.grant.grantId)]
  )
  assert.equal((await ask('balances')).json.rows, [
    { account: `sales/${TITLE}`, currency: 'EUR', balanceMinor: -900 }
  ])
  assert.is((await ask('give', { titleId: TITLE, userId: ann, priceMinor: 0 })).status, 200)
  assert.is((await ask('find', { kind: 'user', typed: ann.slice(0, 9) })).json, ann)

  const refusals: readonly (readonly [string, object, number, string])[] = [
    ['title-set', { titleId: OTHER, priceMinor: 1 }, 404, 'COFFER_TITLE_MISSING'],
    ['give', { titleId: OTHER, userId: bob, priceMinor: 0 }, 404, 'COFFER_TITLE_MISSING'],
    ['revoke', { kind: 'title', id: OTHER }, 404, 'COFFER_TITLE_MISSING'],
    ['revoke', { kind: 'title', id: TITLE, release: 2 }, 404, 'COFFER_TITLE_UNKNOWN'],
    ['refund', { grantId: hex(others.grant.grantId) }, 400, 'COFFER_USAGE'],
    ['revoke', { kind: 'grant', id: hex(others.grant.grantId) }, 400, 'COFFER_USAGE'],
    ['find', { kind: 'grant', typed: hex(others.grant.grantId) }, 400, 'COFFER_USAGE'],
    ['find', { kind: 'user', typed: bob.slice(0, 8) }, 400, 'COFFER_USAGE'],
    ['revoke', { kind: 'user', id: ann }, 403, 'COFFER_NOT_AUTHORIZED'],
    ['revoke', { kind: 'medium', id: hex(mine.grant.mediumId) }, 403, 'COFFER_NOT_AUTHORIZED'],
    ['users', {}, 403, 'COFFER_NOT_AUTHORIZED'],
    [
      'publisher-add',
      { key: formatPublicKeys('publisher', publisherKeys('x')), name: 'x' },
      403,
      'COFFER_NOT_AUTHORIZED'
    ],
    ['enrolment', { open: false }, 403, 'COFFER_NOT_AUTHORIZED'],
    ['ledger-verify', {}, 403, 'COFFER_NOT_AUTHORIZED'],
    [
      'ledger-paid',
      { userId: ann, amountMinor: 900, currency: 'EUR', isBack: false, reference: 'a' },
      403,
      'COFFER_NOT_AUTHORIZED'
    ],
    ['login', {}, 403, 'COFFER_NOT_AUTHORIZED']
  ]
  for (const [act, given, status, code] of refusals) {
    const refused = await ask(act, given)
    assert.equal([act, refused.status, refused.json.code], [act, status, code])
  }
  assert.is((await ask('refund', { grantId: hex(mine.grant.grantId) })).status, 200)
  assert.is((await ask('revoke', { kind: 'title', id: TITLE, release: 1 })).status, 200)
  await shop.close()
})

test('a publisher cannot fill the revocation list, by which the copies of all others end', async () => {
  const shop = await open()
  // As a thousand acts would leave it, but for the log.
  const store = await openStore(shop.place, async () => ({
    begun: Promise.resolve(),
    writeDown: async () => {}
  }))
  const rows = Array.from({ length: 1000 }, (_, i) => ({
    ...{ kind: 'title' as const, id: TITLE, release: i + 2, sequence: 1000 + i },
    ...{ revoked: NOW, place: PLACE.list, ends: null }
  }))
  await store.transaction(books => books.insertInto('revocations').values(rows).execute())
  await store.close()
  const revoke = (release: number | null, keys = publisherKeys()) =>
    shop.ask('revoke', { kind: 'title', id: TITLE, release }, { keys })
  const refused = await revoke(1)
  assert.equal([refused.status, refused.json.code], [403, 'COFFER_QUOTA'])
  assert.is((await revoke(1, publisherKeys('admin'))).status, 200)
  const other = await shop.ask(
    'revoke',
    { kind: 'title', id: OTHER, release: 1 },
    { keys: publisherKeys('second') }
  )
  assert.is(other.status, 200)
  await shop.serving.close()
  await shop.center.close()
})

test('what publishers ask at once is counted one after the other: 1000 entries are not exceeded', async () => {
  const shop = await open()
  for (let release = 2; release <= 6; release++)
    await shop.center.register(registrationBytes(shop.pinned.centerId, { release }))
  const rows = Array.from({ length: 997 }, (_, i) => ({
    ...{ kind: 'title' as const, id: TITLE, release: i + 100, sequence: 1000 + i },
    ...{ revoked: NOW, place: PLACE.list, ends: null }
  }))
  const store = await openStore(shop.place, async () => ({
    begun: Promise.resolve(),
    writeDown: async () => {}
  }))
  await store.transaction(books => books.insertInto('revocations').values(rows).execute())
  await store.close()
  const outcomes = await Promise.allSettled(
    [1, 2, 3, 4, 5, 6].map(release => {
      const given = { kind: 'title', id: TITLE, release }
      const { valueOf, body } = signedAct(shop.center.centerId, 'revoke', given, { keys: publisherKeys() })
      return shop.center.act('revoke', { valueOf, body: utf8(body) })
    })
  )
  assert.is(outcomes.filter(({ status }) => status === 'fulfilled').length, 3)
  for (const outcome of outcomes)
    if (outcome.status === 'rejected') assert.is(outcome.reason.code, 'COFFER_QUOTA')
  assert.is((await shop.center.desk.revocations()).length, 1000)
  await shop.serving.close()
  await shop.center.close()
})

test('whoever is an admin no more is logged out, and his links open nothing', async () => {
  const shop = await open()
  const login = async () => (await shop.ask('login')).json as string
  const use = (link: string) =>
    fetch(`${shop.serving.url}/login/${link}`, { method: 'POST', redirect: 'manual' })
  const [first, second] = [await login(), await login()]
  const cookie = (await use(first)).headers.get('set-cookie')!.split(';')[0]!
  const sellersOwn = await shop.center.sessions.exchange(await shop.center.sessions.open('link'))
  const seller = async (cookie: string) =>
    (await fetch(`${shop.serving.url}/seller`, { headers: { cookie } })).status
  assert.is(await seller(cookie), 200)

  const admin = hex(publisherKeys('admin').signKey)
  await shop.center.admins.remove(admin)
  assert.is(await seller(cookie), 403)
  assert.is((await use(second)).status, 403)
  await rejectsWith('COFFER_NOT_AUTHORIZED', () => shop.center.sessions.open('link', admin))
  assert.is(await seller(`coffer-seller=${sellersOwn}`), 200, 'what was asked for where the folder is')
  await shop.close()
})

test('sums are exact and never fail, whatever prices add up to', async () => {
  const shop = await open()
  await shop.order(OTHER, 'ann')
  // More than 64 bits; and as much there as back, but for 7.
  const dear = 2 ** 48 - 1
  await tamper(
    shop.place,
    `insert into ledger (posting, account, "amountMinor", currency, posted)
     with recursive numbers(n) as (select 1 union all select n + 1 from numbers where n < 70000)
     select 'a' || cast(n as text), 'sales/${TITLE}', -${dear}, 'EUR', ${NOW} from numbers union all
     select 'b' || cast(n as text), 'sales/${TITLE}', -${dear}, 'CHF', ${NOW} from numbers union all
     select 'c' || cast(n as text), 'sales/${TITLE}', ${dear}, 'CHF', ${NOW} from numbers union all
     select 'd', 'sales/${TITLE}', -7, 'CHF', ${NOW}`
  )
  const sold = [
    { day: '2027-01-15', titleId: TITLE, currency: 'CHF', amountMinor: 7 },
    { day: '2027-01-15', titleId: TITLE, currency: 'EUR', amountMinor: Number(70_000n * BigInt(dear)) }
  ]
  const asked = async (act: string, given?: object) =>
    (await shop.ask(act, given, { keys: publisherKeys() })).json
  assert.equal(await asked('sales', { days: 1 }), sold)
  const balances = sold.map(({ currency, amountMinor }) => ({
    ...{ account: `sales/${TITLE}`, currency, balanceMinor: -amountMinor }
  }))
  assert.equal((await asked('balances')).rows, balances)
  assert.equal(
    (await shop.center.desk.balances()).filter(({ account }) => account.startsWith('sales/')),
    [...balances, { account: `sales/${OTHER}`, currency: 'EUR', balanceMinor: -500 }]
  )
  assert.equal((await shop.center.reports.sales(1)).get('CHF'), [{ day: '2027-01-15', amountMinor: 7 }])
  assert.ok(await shop.center.reports.sales(1).then(sales => sales.has('EUR')))
  await shop.serving.close()
  await shop.center.close()
})

test('a key that was removed or revoked does nothing from then on', async () => {
  const shop = await open()
  const admin = hex(publisherKeys('admin').signKey)
  assert.is((await shop.ask('users')).status, 200)
  assert.equal(
    (await shop.center.admins.list()).map(({ signKey }) => signKey),
    [admin]
  )
  await shop.center.admins.remove(admin.slice(0, 8))
  const unknown = await shop.ask('users')
  assert.equal([unknown.status, unknown.json.found], [401, 'the signature of a key that is not known there'])
  await shop.center.desk.revoke('publisher', hex(publisherKeys().signKey))
  assert.is((await shop.ask('titles', {}, { keys: publisherKeys() })).status, 401)
  await shop.close()
})

test('forged, altered, replayed and stale requests are refused, and change nothing', async () => {
  const shop = await open()
  const given = { titleId: TITLE, priceMinor: 1 }
  const set = (asked: Asked) => shop.ask('title-set', given, asked)
  const zeros = Buffer.alloc(64).toString('base64')
  const nonce = newNonce()
  const cases: readonly (readonly [string, Asked, number])[] = [
    ['nobody we know', { keys: publisherKeys('mallory') }, 401],
    ['a user', { keys: userKeys('ann') }, 401],
    ['another body', { body: '{"titleId":"org.example.hello","priceMinor":2}' }, 401],
    [
      'another body with its digest',
      { body: '{}', headers: { 'content-digest': contentDigest(utf8('{}')) } },
      401
    ],
    ['another path', { path: actPath('refund') }, 401],
    ['another type of body', { headers: { 'content-type': 'application/json; charset=utf-8' } }, 401],
    ['a signature of zeros', { headers: { signature: `sig1=:${zeros}:` } }, 401],
    ['no signature', { headers: { signature: '' } }, 401],
    ['no input', { headers: { 'signature-input': '' } }, 401],
    ['an input that is none', { headers: { 'signature-input': 'sig1=(((' } }, 401],
    ['no digest', { headers: { 'content-digest': '' } }, 401],
    ['a weak digest', { headers: { 'content-digest': 'md5=:AAAA:' } }, 401],
    [
      'less covered',
      {
        headers: {
          'signature-input': `sig1=("@method");created=${NOW};keyid="${hex(publisherKeys('admin').signKey)}";nonce="${nonce}";tag="coffer-desk"`
        }
      },
      401
    ],
    ['another center', { centerId: '0'.repeat(64) }, 403],
    ['too old', { created: NOW - SKEW_SECONDS - 1 }, 403],
    ['of the future', { created: NOW + SKEW_SECONDS + 1 }, 403],
    ['a time that no clock has', { created: 999_999_999_999_999 }, 401],
    ['a short nonce', { nonce: 'abc' }, 401],
    ['a query', { path: `${actPath('title-set')}?x=1` }, 400]
  ]
  for (const [what, asked, status] of cases) {
    const refused = await set(asked)
    assert.is(refused.status, status, `${what}: ${JSON.stringify(refused.json)}`)
    if (status === 401) assert.match(refused.headers.get('accept-signature') ?? '', /tag="coffer-desk"/)
  }
  assert.is((await shop.center.desk.titles())[0]!.priceMinor, 900)

  assert.is((await set({ nonce, created: NOW - SKEW_SECONDS })).status, 200)
  const replayed = await set({ nonce, created: NOW - SKEW_SECONDS })
  assert.equal([replayed.status, replayed.json.code], [403, 'COFFER_REQUEST_REFUSED'])
  const altered = await shop.ask('title-set', { titleId: TITLE, priceMinor: 5 }, { nonce })
  assert.is(altered.status, 403, 'a nonce is used once, whatever it is for')
  // One by one they could be forgotten; in parallel they are one.
  const again = newNonce()
  const many = await Promise.all(Array.from({ length: 8 }, () => set({ nonce: again })))
  assert.equal(many.map(({ status }) => status).sort(), [200, 403, 403, 403, 403, 403, 403, 403])
  assert.is((await shop.ask('titles', {}, { created: NOW + SKEW_SECONDS })).status, 200)
  await shop.close()
})

test('a nonce is remembered for as long as its request is good, and no longer', async () => {
  const shop = await open()
  const nonce = newNonce()
  const ask = () => shop.ask('titles', {}, { nonce, created: NOW + SKEW_SECONDS })
  assert.is((await ask()).status, 200)
  shop.powers.at = NOW + 2 * SKEW_SECONDS
  assert.is((await shop.ask('titles', {}, { created: shop.powers.at })).status, 200)
  assert.is((await ask()).status, 403, 'still in time, and remembered')
  shop.powers.at++
  const late = await ask()
  assert.equal([late.status, late.json.code], [403, 'COFFER_REQUEST_STALE'])
  await shop.close()
})

test('what an act does not take is refused by name', async () => {
  const shop = await open()
  const cases: readonly (readonly [string, object])[] = [
    ['title-set', { titleId: TITLE, priceMinor: -1 }],
    ['title-set', { titleId: TITLE, priceMinor: 1.5 }],
    ['title-set', { titleId: TITLE, priceMinor: '1' }],
    ['title-set', { titleId: TITLE, priceMinor: null }],
    ['title-set', { titleId: TITLE, currency: 'EURO' }],
    ['title-set', { titleId: TITLE, transfer: 'all' }],
    ['title-set', { titleId: TITLE, features: ['A B'] }],
    ['title-set', { titleId: TITLE, publisher: 'mallory' }],
    ['title-set', { priceMinor: 1 }],
    ['title-set', JSON.parse('{"titleId":"org.example.hello","__proto__":{"priceMinor":1}}')],
    ['title-set', ['titleId']],
    ['revoke', { kind: 'user', id: "x'; drop table users; --" }],
    ['revoke', { kind: 'user', id: 'abcdef' }],
    ['grants', { after: 'é' }],
    ['sales', { days: 0 }],
    ['find', { kind: 'user', typed: '%' }],
    ['user-add', { key: 'coffer-user-AAAA' }],
    ['user-add', { key: formatPublicKeys('user', userKeys('bob')), name: 'a\u202eb' }]
  ]
  for (const [act, given] of cases) {
    const { status, json } = await shop.ask(act, given)
    assert.equal([act, given, status, json.code], [act, given, 400, 'COFFER_USAGE'])
  }
  assert.is((await shop.ask('title-set', { titleId: 'org.example.none' })).status, 404)
  await shop.close()
})

test('lists come in pages, each row once', async () => {
  const shop = await open()
  const count = 1001
  await Promise.all(
    Array.from({ length: count }, (_, n) => shop.center.desk.addUser(userKeys(`user ${n}`), `user ${n}`))
  )
  const first = (await shop.ask('users')).json
  const second = (await shop.ask('users', { after: first.next })).json
  assert.equal([first.rows.length, second.rows.length, second.next], [1000, 1, null])
  assert.is(new Set([...first.rows, ...second.rows].map(({ userId }: any) => userId)).size, count)
  await shop.close()
})

test('the OpenAPI document has every act, what it takes, and how to sign', async () => {
  const shop = await open()
  const document = (await (await fetch(`${shop.serving.url}/v1/openapi.json`)).json()) as any
  for (const name of Object.keys(ACTS)) {
    const { post } = document.paths[actPath(name)]
    assert.equal(post.security, [{ messageSignature: [] }])
    assert.is(post.requestBody.content['application/json'].schema.additionalProperties, false)
  }
  assert.match(document.components.securitySchemes.messageSignature.description, /RFC 9421/)
  await shop.close()
})

test.run()
