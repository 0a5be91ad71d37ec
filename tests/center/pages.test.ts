/** The pages of seller and buyer: in a real browser where there is one, and by hand what a browser would not send. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { networkInterfaces } from 'node:os'
import { join } from 'node:path'
import { chromium, type Browser, type Page } from 'playwright-core'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { serve } from '../../center/http/http.js'
import { hex } from '../../formats/bytes.js'
import { openReceipt } from '../../formats/records/checkpoint.js'
import { openRequest } from '../../formats/records/request.js'
import { json, serving } from './command-line.js'
import {
  mediumNamed,
  newCenter,
  NOW,
  openAsBuyer,
  pressed,
  requestBytes,
  temporaryFolder,
  TITLE,
  userKeys
} from './parties.js'

const EVIL = '<script>alert(1)</script>"\'&'

async function open(host = '127.0.0.1') {
  const shop = await newCenter()
  await pressed(shop)
  await pressed(shop, { titleId: 'org.example.charts', scheme: 'conversion' })
  await shop.center.desk.setTerms(TITLE, { priceMinor: 900, copies: 5 })
  const serving = await serve(shop.center, { host, addressRate: null, signerRate: null })
  return {
    ...shop,
    serving,
    url: serving.url,
    async close() {
      await serving.close()
      await shop.center.close()
    }
  }
}

const cookieOf = (response: Response) =>
  /coffer-\w+=[^;]+/.exec(response.headers.get('set-cookie') ?? '')?.[0]

async function loggedIn(shop: Awaited<ReturnType<typeof open>>): Promise<string> {
  const link = await shop.center.sessions.open('link')
  const response = await fetch(`${shop.url}/login/${link}`, { method: 'POST', redirect: 'manual' })
  assert.is(response.status, 303)
  return cookieOf(response)!
}

const upload = (shop: { url: string }, record: Uint8Array) => {
  const form = new FormData()
  form.set('request', new Blob([record as Uint8Array<ArrayBuffer>]), 'order.request')
  return fetch(`${shop.url}/order`, { method: 'POST', body: form, redirect: 'manual' })
}

test('a link logs in once, within ten minutes, and not by being looked at', async () => {
  const shop = await open()
  const link = await shop.center.sessions.open('link')
  const at = `${shop.url}/login/${link}`
  assert.match(await (await fetch(at)).text(), 'Log in')
  const first = await fetch(at, { method: 'POST', redirect: 'manual' })
  assert.is(first.status, 303)
  assert.match(first.headers.get('set-cookie')!, /HttpOnly; SameSite=Strict/)
  assert.is((await fetch(at, { method: 'POST', redirect: 'manual' })).status, 403)
  const late = await shop.center.sessions.open('link')
  shop.powers.at = NOW + 601
  assert.is((await fetch(`${shop.url}/login/${late}`, { method: 'POST', redirect: 'manual' })).status, 403)

  const cookie = cookieOf(first)!
  const seller = () => fetch(`${shop.url}/seller`, { headers: { cookie } })
  assert.is((await seller()).status, 200)
  const out = await fetch(`${shop.url}/seller/leave`, {
    method: 'POST',
    headers: { cookie, 'content-type': 'application/x-www-form-urlencoded' },
    redirect: 'manual'
  })
  assert.is(out.status, 303)
  assert.is((await seller()).status, 403)
  await shop.close()
})

test("nobody sees or changes what is the seller's without his session, a buyer neither", async () => {
  const shop = await open()
  const order = requestBytes(shop.pinned.centerId)
  const buyer = cookieOf(await upload(shop, order))!
  const token = buyer.split('=')[1]!
  const paths = ['', '/titles', `/titles/${TITLE}`, '/copies', '/revocations', '/ledger']
  for (const cookie of [
    '',
    buyer,
    `coffer-seller=${token}`,
    'coffer-seller=',
    `coffer-seller=${'A'.repeat(43)}`
  ]) {
    for (const path of paths) {
      const response = await fetch(`${shop.url}/seller${path}`, { headers: { cookie } })
      assert.is(response.status, 403, `${path} ${cookie}`)
      assert.not.match(await response.text(), TITLE)
    }
    const response = await fetch(`${shop.url}/seller/titles/${TITLE}`, {
      method: 'POST',
      headers: { cookie, 'content-type': 'application/x-www-form-urlencoded' },
      body: 'price=0&currency=EUR&copies=&expiresDays='
    })
    assert.is(response.status, 403)
  }
  assert.is((await shop.center.desk.titles()).find(({ titleId }) => titleId === TITLE)?.priceMinor, 900)
  await shop.close()
})

test('sums never fail, whatever a publisher charges: his titles alone show what he made up', async () => {
  const shop = await open()
  const cookie = await loggedIn(shop)
  await shop.center.desk.setTerms('org.example.charts', { priceMinor: 2 ** 48 })
  await shop.center.issue(requestBytes(shop.pinned.centerId))
  for (let n = 0; n < 40; n++) {
    await shop.center.issue(
      requestBytes(shop.pinned.centerId, {
        ...{ titleId: 'org.example.charts', scheme: 'conversion', user: 'mallory', medium: `m ${n}` }
      })
    )
  }
  for (const path of ['/seller', '/seller/ledger', '/seller/titles', '/seller/copies'])
    assert.is((await fetch(`${shop.url}${path}`, { headers: { cookie } })).status, 200, path)
  const balances = new Map(
    (await shop.center.desk.balances()).map(({ account, balanceMinor }) => [account, balanceMinor])
  )
  assert.is(balances.get(`sales/${TITLE}`), -900)
  assert.is(balances.get('sales/org.example.charts'), -40 * 2 ** 48)
  assert.equal(
    (await shop.center.desk.sales(1)).map(({ titleId, amountMinor }) => [titleId, amountMinor]),
    [
      ['org.example.charts', 40 * 2 ** 48],
      [TITLE, 900]
    ]
  )
  assert.equal((await shop.center.desk.verifyLedger()).problems, [])
  await shop.close()
})

test('a form from the page of another site is refused', async () => {
  const shop = await open()
  const cookie = await loggedIn(shop)
  const post = (headers: Record<string, string>) =>
    fetch(`${shop.url}/seller/titles/${TITLE}`, {
      method: 'POST',
      headers: { cookie, 'content-type': 'application/x-www-form-urlencoded', ...headers },
      body: 'price=1&currency=EUR&copies=&expiresDays=',
      redirect: 'manual'
    })
  const foreign: Record<string, string>[] = [
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'same-site' },
    { origin: 'https://evil.example' },
    { origin: 'null' }
  ]
  for (const headers of foreign) assert.is((await post(headers)).status, 403)
  assert.is((await post({ origin: shop.url })).status, 303)
  assert.is((await shop.center.desk.titles()).find(({ titleId }) => titleId === TITLE)?.priceMinor, 1)
  await shop.close()
})

test('terms that no title can have are refused in words', async () => {
  const shop = await open()
  const cookie = await loggedIn(shop)
  for (const body of [
    'price=-1&currency=EUR',
    'price=1.5&currency=EUR',
    'price=&currency=EUR',
    'price=1&currency=eur',
    'price=1&currency=EUR&copies=9999999999999',
    'price=1&currency=EUR&expiresDays=0'
  ]) {
    const response = await fetch(`${shop.url}/seller/titles/${TITLE}`, {
      method: 'POST',
      headers: { cookie, 'content-type': 'application/x-www-form-urlencoded' },
      body
    })
    assert.is(response.status, 400, body)
    assert.match(await response.text(), 'COFFER_USAGE')
  }
  await shop.close()
})

test('a buyer gets the answer and the receipt of the order that he brings', async () => {
  const shop = await open()
  const order = requestBytes(shop.pinned.centerId)
  const response = await upload(shop, order)
  assert.equal([response.status, response.headers.get('location')], [303, '/mine'])
  const cookie = cookieOf(response)!
  const get = (path: string, as = cookie) => fetch(`${shop.url}${path}`, { headers: { cookie: as } })
  const bytesOf = async (of: Response) => new Uint8Array(await of.arrayBuffer())
  assert.match(await (await get('/mine')).text(), TITLE)
  const answer = await bytesOf(await get('/mine/answer'))
  assert.equal(openAsBuyer(shop.pinned, answer).grant.mediumId, mediumNamed())
  assert.ok(openReceipt(await bytesOf(await get('/mine/receipt')), [shop.pinned]))

  const bob = cookieOf(await upload(shop, requestBytes(shop.pinned.centerId, { user: 'bob' })))!
  assert.not.equal(await bytesOf(await get('/mine/answer', bob)), answer)
  for (const path of ['/mine/answer', '/mine/receipt']) assert.is((await get(path, '')).status, 404)
  // An old file still gives its answer, and nothing else.
  shop.powers.at = NOW + 2 * 86_400
  const old = await upload(shop, order)
  assert.is(old.status, 200)
  assert.is(old.headers.get('set-cookie'), null)
  assert.equal(await bytesOf(old), answer)
  const bad = await upload(shop, new Uint8Array(100))
  assert.is(bad.status, 400)
  assert.match(await bad.text(), 'COFFER_RECORD_DAMAGED')
  await shop.close()
})

test('a request that was made today shows itself alone: whoever reads it on its way sees nothing that was bought before', async () => {
  const shop = await open()
  const dear = 'org.example.charts'
  await shop.center.desk.setTerms(dear, { priceMinor: 9900, bearerAllowed: true })
  const earlier = requestBytes(shop.pinned.centerId, {
    ...{ titleId: dear, scheme: 'conversion', bind: ['medium'], medium: 'card' }
  })
  const before = await shop.center.issue(earlier)
  shop.powers.at = NOW + 20 * 86_400
  const request = requestBytes(shop.pinned.centerId, { created: shop.powers.at })
  await shop.center.issue(request) // by file

  const cookie = cookieOf(await upload(shop, request))!
  const get = (path: string) => fetch(`${shop.url}${path}`, { headers: { cookie } })
  const page = await (await get('/mine')).text()
  assert.match(page, TITLE)
  assert.not.match(page, dear)
  assert.not.match(page, hex(mediumNamed('card')).slice(0, 10))
  const links = [...page.matchAll(/href="(\/mine[^"]*)"/g)].map(([, link]) => link!)
  assert.equal(new Set(links), new Set(['/mine', '/mine/answer', '/mine/receipt']))
  const requestId = hex(openRequest(earlier).requestId)
  for (const path of [
    ...links,
    `/mine/answers/${requestId}`,
    `/mine/answer/${requestId}`,
    `/mine/answer?${requestId}`
  ]) {
    const bytes = Buffer.from(await (await get(path)).arrayBuffer())
    assert.not.ok(bytes.equals(before), path)
  }
  await shop.close()
})

test('what people named themselves is text, never markup; no page needs or lets a script run', async () => {
  const shop = await open()
  await shop.center.desk.addPublisher(userKeys('evil'), EVIL)
  const cookie = await loggedIn(shop)
  for (const path of [
    '/',
    '/mine',
    '/seller',
    '/seller/titles',
    '/seller/copies',
    `/login/${encodeURIComponent(EVIL)}`
  ]) {
    const response = await fetch(`${shop.url}${path}`, { headers: { cookie } })
    const text = await response.text()
    assert.not.match(text, '<script')
    assert.not.match(text, / on\w+=/)
    const policy = response.headers.get('content-security-policy')!
    assert.match(policy, "default-src 'none'")
    assert.not.match(policy, 'unsafe')
  }
  await shop.close()
})

// ---------------------------------------------------------------- in a browser

const PROGRAM = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync)
if (PROGRAM === undefined) console.log('skip: no Chromium for the pages')
/** Where to look at the pages: COFFER_SCREENSHOTS=<folder>. */
const SCREENSHOTS = process.env['COFFER_SCREENSHOTS']

/** @param told - What a browser tells of the headers of every page, and nothing of what a page does. */
async function inBrowser(look: (page: Page) => Promise<void>, told = /^$/): Promise<void> {
  const browser: Browser = await chromium.launch({
    executablePath: PROGRAM!,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync'
    ]
  })
  try {
    const page = await browser.newPage({ viewport: { width: 1000, height: 700 } })
    const refused: string[] = []
    page.on(
      'console',
      message => message.type() === 'error' && !told.test(message.text()) && refused.push(message.text())
    )
    page.on('pageerror', error => refused.push(error.message))
    await look(page)
    assert.equal(refused, [], 'the policy refused nothing that a page needs')
  } finally {
    await browser.close()
  }
}

async function picture(page: Page, name: string): Promise<void> {
  if (SCREENSHOTS === undefined) return
  mkdirSync(SCREENSHOTS, { recursive: true })
  await page.screenshot({ path: join(SCREENSHOTS, `${name}.png`), fullPage: true })
}

/** What every page must have for those who cannot see it. */
async function accessible(page: Page): Promise<void> {
  assert.is(await page.locator('html[lang]').count(), 1)
  assert.is(await page.locator('h1').count(), 1)
  assert.is(await page.locator('main').count(), 1)
  for (const input of await page.locator('input:not([type=hidden])').all()) {
    assert.is(
      await input.evaluate(node => (node as unknown as { labels: { length: number } }).labels.length),
      1
    )
  }
  for (const table of await page.locator('table').all()) assert.is(await table.locator('caption').count(), 1)
  for (const svg of await page.locator('svg').all()) assert.ok(await svg.getAttribute('aria-label'))
}

const browserTest = PROGRAM === undefined ? test.skip : test

browserTest(
  'a seller logs in, reads his sales, changes a price, takes a copy back and verifies',
  async () => {
    const shop = await open()
    for (let n = 0; n < 9; n++) {
      shop.powers.at = NOW + Math.floor((n * n) / 4) * 86_400
      const user = `user ${n % 4}`
      await shop.center.issue(
        requestBytes(shop.pinned.centerId, { user, medium: `stick ${n}`, created: shop.powers.at })
      )
    }
    const link = await shop.center.sessions.open('link')
    await inBrowser(async page => {
      await page.goto(`${shop.url}/login/${link}`)
      await picture(page, 'login')
      await page.getByRole('button', { name: 'Log in' }).click()
      await page.waitForURL('**/seller')
      assert.match((await page.locator('svg.chart').getAttribute('aria-label')) ?? '', '81.00 EUR')
      await accessible(page)
      await picture(page, 'seller-sales')
      await page.getByRole('link', { name: 'Titles' }).click()
      await accessible(page)
      await picture(page, 'seller-titles')
      await page.getByRole('row', { name: TITLE }).getByRole('link', { name: 'Change' }).click()
      await page.getByLabel('Price').fill('1250')
      await accessible(page)
      await picture(page, 'seller-title')
      await page.getByRole('button', { name: 'Save' }).click()
      await page.waitForURL('**/seller/titles')
      assert.match(await page.locator('table').innerText(), '12.50 EUR')
      await page.getByRole('link', { name: 'Copies' }).click()
      await accessible(page)
      await picture(page, 'seller-copies')
      await page.getByRole('link', { name: 'Revoke' }).first().click()
      await picture(page, 'seller-revoke')
      await page.getByRole('button', { name: 'Revoke it' }).click()
      await page.waitForURL('**/seller/revocations')
      await accessible(page)
      await picture(page, 'seller-revocations')
      await page.getByRole('link', { name: 'Ledger' }).click()
      await page.getByRole('button', { name: 'Verify the ledger' }).click()
      assert.match(await page.getByRole('status').innerText(), 'they agree')
      await accessible(page)
      await picture(page, 'seller-ledger')
      await page.setViewportSize({ width: 380, height: 700 })
      await page.emulateMedia({ colorScheme: 'dark' })
      await page.goto(`${shop.url}/seller`)
      await picture(page, 'seller-narrow-dark')
    })
    await shop.close()
  }
)

/** Of this machine, as others reach it: no browser trusts it without TLS as it trusts 127.0.0.1. */
const ADDRESS = Object.values(networkInterfaces())
  .flat()
  .find(one => one?.family === 'IPv4' && !one.internal)?.address
if (ADDRESS === undefined) console.log('skip: no address but 127.0.0.1 for a browser')

const farTest = ADDRESS === undefined ? test.skip : browserTest
farTest('forms work over plain HTTP from another machine', async () => {
  const shop = await open(ADDRESS)
  const link = await shop.center.sessions.open('link')
  const file = join(temporaryFolder(), 'hello.request')
  writeFileSync(file, requestBytes(shop.pinned.centerId))
  await inBrowser(async page => {
    await page.goto(`${shop.url}/login/${link}`)
    await page.getByRole('button', { name: 'Log in' }).click()
    await page.waitForURL('**/seller')
    assert.match(await page.locator('h1').innerText(), 'Sales')
    await page.goto(shop.url)
    await page.getByLabel('Request file').setInputFiles(file)
    await page.getByRole('button', { name: 'Order' }).click()
    await page.waitForURL('**/mine')
    assert.match(await page.getByRole('status').innerText(), 'answered')
  }, /Cross-Origin-Opener-Policy header has been ignored/)
  await shop.close()
})

browserTest('a buyer brings a request file and takes his answer and receipt home', async () => {
  const shop = await open()
  const file = join(temporaryFolder(), 'hello.request')
  writeFileSync(file, requestBytes(shop.pinned.centerId))
  await inBrowser(async page => {
    await page.goto(shop.url)
    await accessible(page)
    await picture(page, 'buyer-order')
    await page.getByLabel('Request file').setInputFiles(file)
    await page.getByRole('button', { name: 'Order' }).click()
    await page.waitForURL('**/mine')
    await accessible(page)
    await picture(page, 'buyer-mine')
    const [answer] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('link', { name: 'Download the answer' }).click()
    ])
    assert.ok(openAsBuyer(shop.pinned, new Uint8Array(readFileSync(await answer.path()))))
    const [receipt] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('link', { name: 'Receipt' }).click()
    ])
    assert.ok(openReceipt(new Uint8Array(readFileSync(await receipt.path())), [shop.pinned]))
    await page.getByRole('button', { name: 'Leave' }).click()
    await page.goto(`${shop.url}/mine`)
    assert.not.match(await page.locator('main').innerText(), TITLE)
  })
  await shop.close()
})

test('however an address is spelled, it is one endpoint to who counts, and none is a link that logs in', async () => {
  const shop = await newCenter()
  await pressed(shop)
  const told: string[] = []
  const serving = await serve(shop.center, {
    addressRate: null,
    signerRate: null,
    onRequest: ({ route, path }) => told.push(`${route} ${path}`)
  })
  const titles = ['/seller/titles', '/%73eller/titles', '/seller/t%69tles', `/seller/titles/${TITLE}`]
  for (const path of titles) await (await fetch(`${serving.url}${path}`)).text()
  assert.equal(new Set(told), new Set(['/seller/titles /seller/titles']))
  told.length = 0
  for (const [method, path] of [
    ['GET', '/login/secret/'],
    ['OPTIONS', '/login/secret'],
    ['GET', '/login/secret']
  ] as const)
    await (await fetch(`${serving.url}${path}`, { method })).text()
  assert.is(told.length, 3)
  assert.not.match(told.join(' '), 'secret')
  await serving.close()
  await shop.center.close()
})

test('the program sends its pages as they are written: in UTF-8, once', async () => {
  const cwd = temporaryFolder()
  await json(cwd, 'init shop --name Ex\u00e4mple')
  const shop = await serving(cwd)
  const text = await (await fetch(shop.url)).text()
  assert.match(text, /<title>[^<]* &middot; Ex\u00e4mple<\/title>/)
  assert.not.match(text, /[\u00c2\u00c3]/)
  await shop.end('SIGTERM')
})

test.run()
