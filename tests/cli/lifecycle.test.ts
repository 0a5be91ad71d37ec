/** The life of a grant after it was bought, as it is typed: both programs, over HTTP and by files, and without a network. */
import { cpSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { COFFER_CENTER, expectSuccess, jsonOf, newSite, run, type Site } from '../helpers/site.js'

const TELLER = `
import { expires, features, kind } from 'coffer:license'
export default () => { console.log(JSON.stringify({ expires, features, kind })) }`

let site: Site
test.before(async () => {
  site = await newSite()
})
test.after(() => site.close())

const center = async (...words: string[]) => jsonOf(expectSuccess(await site.center(...words, '--json')))
const coffer = async (...words: string[]) => jsonOf(expectSuccess(await site.coffer(...words, '--json')))
const refused = async (code: string, ...words: string[]) => {
  const ran = await site.coffer(...words, '--json')
  assert.is(jsonOf(ran).error?.code, code, ran.stdout)
  assert.is(ran.code, 77)
}
/** A title that tells its license, on these terms. */
async function sold(id: string, ...terms: string[]) {
  const master = await site.press(site.app(id, TELLER))
  if (terms.length > 0) await center('title', 'shop', 'set', id, ...terms)
  return master
}
const told = async (medium: string) => JSON.parse(expectSuccess(await site.coffer('run', medium)).stdout)

test('features, trial and purchase: a title reads what was bought', async () => {
  const id = 'org.example.trial'
  const master = await sold(id, '--price', '900', '--trial-days', '14', '--features', 'export,pro')
  const medium = await site.prepared()
  await coffer('copy', master, medium, '--trial')
  const trial = await told(medium)
  assert.equal([trial.kind, trial.features], ['trial', ['export', 'pro']])
  assert.ok(trial.expires > Date.now() + 13 * 86_400_000 && trial.expires < Date.now() + 15 * 86_400_000)
  const [listed] = (await coffer('list', medium)).titles
  assert.equal([listed.kind, listed.features], ['trial', ['export', 'pro']])
  assert.match((await site.coffer('list', medium)).stdout, /trial/)
  assert.is((await coffer('copy', master, medium)).chargedMinor, 900)
  assert.equal(await told(medium), { expires: null, features: ['export', 'pro'], kind: 'perpetual' })
  const other = await site.prepared()
  await refused('COFFER_QUOTA', 'copy', master, other, '--trial')
})

test('what costs more than was agreed to is not ordered', async () => {
  const id = 'org.example.dear'
  const master = await sold(id, '--price', '900', '--expires-days', '30', '--renew-price', '300')
  const medium = await site.prepared()
  const dear = await site.coffer('copy', master, medium, '--max-price', '8.99EUR')
  assert.match(dear.stderr, /with a higher --max-price[^]*COFFER_PRICE_REFUSED/)
  assert.equal((await coffer('list', medium)).titles, [])
  await refused('COFFER_PRICE_REFUSED', 'copy', master, medium, '--max-price', '9JPY')
  for (const amount of ['900', '9,00EUR', 'EUR'])
    assert.is((await site.coffer('copy', master, medium, '--max-price', amount)).code, 64, amount)
  const bought = await site.coffer('copy', master, medium, '--max-price', '9EUR')
  assert.match(expectSuccess(bought).stderr, /^price {5}9\.00 EUR, as a lease until /m)
  // A copy that is held costs nothing.
  expectSuccess(await site.coffer('copy', master, medium, '--max-price', '0EUR'))
  await refused('COFFER_PRICE_REFUSED', 'renew', medium, id, '--max-price', '2.99EUR')
  const renewed = await coffer('renew', medium, id, '--max-price', '3EUR')
  assert.is(renewed.chargedMinor, 300)
})

test('renew and return over HTTP', async () => {
  const id = 'org.example.rented'
  const terms = ['--price', '500', '--expires-days', '30', '--renew-price', '200', '--refund-days', '7']
  const master = await sold(id, ...terms)
  const medium = await site.prepared()
  await coffer('copy', master, medium)
  const first = (await told(medium)).expires
  const renewed = await coffer('renew', medium, id)
  assert.equal([renewed.kind, renewed.chargedMinor], ['lease', 200])
  assert.is((await told(medium)).expires, first + 30 * 86_400_000)
  assert.is((await site.coffer('run', medium)).stderr, '')
  await refused('COFFER_REQUEST_REFUSED', 'renew', medium, id)
  const { grants } = await center('grant', 'shop', 'list')
  const mine = grants.find(({ titleId }: { titleId: string }) => titleId === id)
  const returned = await coffer('return', medium, id)
  assert.equal([returned.title, returned.refundedMinor], [id, 200])
  assert.is((await site.coffer('run', medium)).code, 66)
  const { grant } = await center('grant', 'shop', 'show', mine.grantId)
  assert.equal([grant.ending, grant.revoked], ['returned', true])
  assert.match((await site.coffer('return', medium, id)).stderr, 'COFFER_TITLE_MISSING')
})

test('renew and return by files, and a lost answer', async () => {
  const id = 'org.example.files'
  const master = await sold(id)
  const medium = await site.prepared()
  await coffer('copy', master, medium)
  const [request, answer] = [site.fresh('renewal'), site.fresh('answer')]
  await coffer('renew', medium, id, '--out', request)
  assert.is(
    jsonOf(await site.coffer('renew', medium, id, '--out', request, '--json')).error.code,
    'COFFER_EXISTS'
  )
  await center('issue', 'shop', request, '--out', answer)
  assert.is((await coffer('apply', answer, medium)).kind, 'perpetual')

  const [given, credit] = [site.fresh('return'), site.fresh('credit')]
  await coffer('return', medium, id, '--out', given)
  assert.is(jsonOf(await site.coffer('inspect', given, '--json')).type, 'return')
  assert.match((await site.coffer('run', medium)).stderr, /"coffer apply <answer> [^]*COFFER_RETURNED/)
  // The file is lost: made again it is the same one.
  const again = site.fresh('return')
  await coffer('return', medium, id, '--out', again)
  assert.equal(readFileSync(again), readFileSync(given))
  await center('issue', 'shop', given, '--out', credit)
  const retry = site.fresh('credit')
  await center('issue', 'shop', again, '--out', retry)
  assert.equal(readFileSync(retry), readFileSync(credit))
  assert.is((await coffer('apply', credit, medium)).title, id)
  assert.match((await site.coffer('apply', credit, medium)).stderr, 'perhaps it was applied here before')
  assert.is((await site.coffer('run', medium)).code, 66)
})

test('transfer to another medium, and by files to another person', async () => {
  const id = 'org.example.moved'
  const master = await sold(id, '--transfer', 'users', '--copies', '1')
  const [stick, card] = [await site.prepared(), await site.prepared()]
  await coffer('copy', master, stick)
  const [away, moved] = [await site.prepared(), await site.coffer('transfer', stick, id, '--to', card)]
  assert.is(moved.stdout, `Moved "${id}" (${id}, release 1) from ${stick} to ${card}.\n`)
  await coffer('transfer', card, id, '--to', away)
  assert.is((await coffer('transfer', away, id, '--to', card)).title, id)
  assert.is((await told(card)).kind, 'perpetual')
  assert.is((await site.coffer('run', stick)).code, 66)

  const env = { COFFER_HOME: site.fresh('home') }
  const friend = (...words: string[]) => site.cofferWith({ env }, ...words)
  expectSuccess(await friend('keygen'))
  expectSuccess(await friend('trust', site.url))
  const hers = await site.prepared()
  const [order, answer] = [site.fresh('order'), site.fresh('answer')]
  expectSuccess(await friend('order', master, hers, '--transfer', '--out', order))
  assert.is((await site.coffer('transfer', card, id)).code, 64)
  // Whatever the answer or the return could not be written to is known before the copy is given up.
  for (const option of ['--answer', '--out']) {
    const nowhere = join(site.fresh('no-folder'), 'file')
    assert.is((await site.coffer('transfer', card, id, '--order', order, option, nowhere)).code, 66)
    assert.is((await site.coffer('run', card)).code, 0)
  }
  expectSuccess(await site.coffer('transfer', card, id, '--order', order, '--answer', answer))
  expectSuccess(await friend('apply', answer, hers, '--master', master))
  assert.is((await friend('run', hers)).code, 0)
  await refused('COFFER_USER_MISMATCH', 'run', hers)
  assert.is((await site.coffer('run', card)).code, 66)
})

test('on a medium of two people run takes the one title that is whose it is, and asks where there are more', async () => {
  const titles = ['org.example.hers', 'org.example.his', 'org.example.his2']
  const [hers, his, another] = await Promise.all(titles.map(id => sold(id)))
  const env = { COFFER_HOME: site.fresh('home') }
  const friend = (...words: string[]) => site.cofferWith({ env }, ...words)
  expectSuccess(await friend('keygen'))
  expectSuccess(await friend('trust', site.url))
  const medium = await site.prepared()
  expectSuccess(await friend('copy', hers!, medium))
  await coffer('copy', his!, medium)
  assert.is(jsonOf(await friend('run', medium, '--json')).title, titles[0])
  assert.is(jsonOf(await site.coffer('run', medium, '--json')).title, titles[1])
  const nobody = await site.cofferWith({ env: { COFFER_HOME: site.fresh('home') } }, 'run', medium, '--json')
  assert.is(jsonOf(nobody).error.found, `${titles[0]}, ${titles[1]}`)

  await coffer('copy', another!, medium)
  const { error } = jsonOf(await site.coffer('run', medium, '--json'))
  assert.equal([error.code, error.found], ['COFFER_USAGE', `${titles[1]}, ${titles[2]}`])
  assert.is(jsonOf(await friend('run', medium, '--json')).title, titles[0])
})

test('a refund by the seller reaches the medium with the next order that is installed on it', async () => {
  const id = 'org.example.refunded'
  const master = await sold(id, '--price', '300')
  const medium = await site.prepared()
  await coffer('copy', master, medium)
  const { grants } = await center('grant', 'shop', 'list')
  const { grantId } = grants.find(({ titleId }: { titleId: string }) => titleId === id)
  assert.is((await center('grant', 'shop', 'refund', grantId)).refundedMinor, 300)
  assert.is((await site.coffer('run', medium)).code, 0)
  await coffer('copy', await sold('org.example.next'), medium)
  await refused('COFFER_REVOKED', 'run', medium, id)
})

test('revocation travels offline: center to master, master to medium, medium to another home, and never back', async () => {
  const id = 'org.example.travels'
  const master = await sold(id)
  const [here, there] = [await site.prepared(), await site.prepared()]
  await coffer('copy', master, here)
  await coffer('copy', master, there)
  const old = readFileSync(join(there, '.coffer/revocations'))
  const env = { COFFER_HOME: site.fresh('home') }
  cpSync(site.home, env.COFFER_HOME, { recursive: true })
  const offline = (...words: string[]) => site.cofferWith({ env }, ...words)

  await center('revoke', 'shop', 'title', id)
  assert.is((await offline('run', here)).code, 0)
  // By a file that the seller puts onto a master, which a copy of another title, by files, brings to one medium.
  const other = await sold('org.example.carrier')
  await center('revoke', 'shop', 'export', join(other, 'revocations'))
  const [request, answer] = [site.fresh('request'), site.fresh('answer')]
  expectSuccess(await offline('order', other, here, '--out', request))
  await center('issue', 'shop', request, '--out', answer)
  expectSuccess(await offline('apply', answer, here, '--master', other))
  assert.is((await offline('run', here, id)).code, 77)
  // What this home has seen counts on every medium, whatever older list is there.
  const ran = await offline('run', there, '--json')
  assert.is(jsonOf(ran).error.code, 'COFFER_REVOKED')
  writeFileSync(join(there, '.coffer/revocations'), old)
  assert.is((await offline('run', there)).code, 77)
})

test('rotate and revoke key: old media run on, and a revoked key is followed without a network', async () => {
  const id = 'org.example.keys'
  const master = await sold(id)
  const [old, fresh] = [await site.prepared(), await site.prepared()]
  await coffer('copy', master, old)
  const [first] = (await center('rotate', 'shop')).keys
  await center('rotate', 'shop', 'key')
  await coffer('copy', master, fresh)
  assert.is((await site.coffer('run', old)).code, 0)
  assert.is((await site.coffer('run', fresh)).code, 0)
  await center('rotate', 'shop', 'retire', first.publicKey)
  assert.is((await site.coffer('run', old)).code, 0)

  const revoked = await center('revoke', 'shop', 'key', first.publicKey)
  assert.is(revoked.kind, 'key')
  const states = (await center('rotate', 'shop')).keys.map(({ state }: { state: string }) => state)
  assert.equal(states, ['in use', 'revoked'])
  assert.is((await site.coffer('run', old)).code, 0)
  expectSuccess(await site.coffer('trust', join(site.folder, 'shop', 'center.roots')))
  await refused('COFFER_REVOKED', 'run', old)
  // Whoever holds it renews for nothing, without the master.
  assert.is((await coffer('renew', old, id)).chargedMinor, 0)
  assert.is((await site.coffer('run', old)).code, 0)
})

test('a vault is locked by a key file, opens with it, and is unlocked again', async () => {
  const folder = site.fresh('other-shop')
  const key = site.fresh('shop.key')
  const typed = (env: Record<string, string>, ...words: string[]) =>
    run(COFFER_CENTER, words, { cwd: site.folder, env })
  expectSuccess(await typed({}, 'init', folder))
  assert.is(expectSuccess(await typed({}, 'vault', folder)).stdout, 'open\n')
  expectSuccess(await typed({}, 'vault', folder, 'lock', '--key-file', key))
  const locked = await typed({}, 'title', folder, '--json')
  assert.equal([locked.code, jsonOf(locked).error.code], [77, 'COFFER_VAULT_LOCKED'])
  assert.match(jsonOf(locked).error.hint, 'COFFER_VAULT_KEY')
  expectSuccess(await typed({ COFFER_VAULT_KEY: key }, 'title', folder))
  assert.is((await typed({ COFFER_VAULT_PASSPHRASE: 'not that' }, 'title', folder)).code, 77)
  expectSuccess(await typed({ COFFER_VAULT_KEY: key }, 'vault', folder, 'unlock'))
  assert.is((await typed({}, 'vault', folder, 'lock')).code, 64)
  const passphrase = 'four words that fit'
  expectSuccess(await typed({ COFFER_VAULT_NEW_PASSPHRASE: passphrase }, 'vault', folder, 'lock'))
  expectSuccess(await typed({ COFFER_VAULT_PASSPHRASE: passphrase }, 'rotate', folder, 'key'))
  assert.not.ok(existsSync(`${folder}/vault.next`))
})

test.run()
