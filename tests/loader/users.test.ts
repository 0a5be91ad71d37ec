/** Several users of one title on one medium: each command finds his own copy and his own saves, and nobody else's. */
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { utf8 } from '../../formats/bytes.js'
import { readGrantClaim } from '../../formats/records/grant.js'
import { exportSaves } from '../../loader/copier/index.js'
import { renewTitle, requestRenewal } from '../../loader/copier/renew.js'
import { transferTitle } from '../../loader/copier/move.js'
import { requestReturn, returnTitle } from '../../loader/copier/returns.js'
import type { Home } from '../../loader/home.js'
import { mediumPaths, ownName } from '../../loader/medium/layout.js'
import { closeSites, librarySite, snapshot } from '../helpers/library-site.js'
import { lineTo } from '../helpers/line.js'
import { rejectsWith } from '../helpers/rejects.js'

const site = await librarySite()
test.after(closeSites)

const TITLE = {
  source: `export { readText, write } from 'coffer:save'
    export default () => 0`,
  fields: { permissions: ['save'] }
}
const SAVE = { capabilities: { save: true } } as const
const of = (home: Home) => ({ home, powers: site.powers })

async function save(root: string, id: string, text: string, home: Home) {
  await using guest = await site.launch(root, id, SAVE, home)
  await guest.call('write', 'slot', utf8(text))
}
async function saved(root: string, id: string, home: Home) {
  await using guest = await site.launch(root, id, SAVE, home)
  return (await guest.call('readText', 'slot')) ?? null
}

/** One medium with a lease of each of two users, and what each saved. */
async function shared(id: string) {
  const { master } = await site.press(id, TITLE)
  await site.center.desk.setTerms(id, { expiresDays: 30, renewPriceMinor: 100, refundDays: 30 })
  const root = site.prepare()
  const [first, second] = [site.home, await site.newHome()]
  for (const [home, text] of [
    [first, 'of the first'],
    [second, 'of the second']
  ] as const) {
    await site.copy(master, root, id, { home })
    await save(root, id, text, home)
  }
  const end = (name: string) => readGrantClaim(readFileSync(mediumPaths(root).grant(name))).expires!
  const names = [id, ownName(id, second.requireUserKeys().userId)] as const
  return { id, master, root, first, second, ends: () => names.map(end) }
}

test('renew extends the copy of whoever renews, over HTTP and by files', async () => {
  const { id, root, first, second, ends } = await shared('org.users.renew')
  const before = ends()
  await renewTitle(root, id, of(second))
  assert.equal(ends(), [before[0], before[1]! + 30 * 86_400])
  const order = requestRenewal(root, id, of(first))
  assert.equal(order.request.userId, first.requireUserKeys().userId)
  await renewTitle(root, id, of(first))
  assert.equal(
    ends(),
    before.map(end => end + 30 * 86_400)
  )
})

test('transfer takes the copy and the saves of whoever transfers, and leaves the others', async () => {
  const { id, root, first, second } = await shared('org.users.transfer')
  const card = site.prepare()
  await transferTitle(root, id, card, of(second))
  assert.is(await saved(card, id, second), 'of the second')
  assert.is(await saved(root, id, first), 'of the first')
  await site.refuses('COFFER_USER_MISMATCH', root, id, second)
  // The first follows to the same medium.
  await transferTitle(root, id, card, of(first))
  assert.equal(
    [await saved(card, id, second), await saved(card, id, first)],
    ['of the second', 'of the first']
  )
  await site.refuses('COFFER_TITLE_MISSING', root, id, first)
})

for (const order of ['first', 'second'] as const)
  test(`return, by the ${order} user before the other, and buying again in the other order`, async () => {
    const { id, root, master, ...users } = await shared(`org.users.return.${order}`)
    const one = users[order]
    const two = order === 'first' ? users.second : users.first
    const texts = new Map([
      [users.first, 'of the first'],
      [users.second, 'of the second']
    ])
    await returnTitle(root, id, of(one))
    assert.is(await saved(root, id, two), texts.get(two))
    await returnTitle(root, id, of(two))
    await site.refuses('COFFER_TITLE_MISSING', root, id, two)
    // Whoever comes first then, his saves are there, and nobody meets another's.
    const third = await site.newHome()
    for (const home of [third, one, two]) await site.copy(master, root, id, { home })
    assert.equal(
      [await saved(root, id, third), await saved(root, id, one), await saved(root, id, two)],
      [null, texts.get(one), texts.get(two)]
    )
  })

for (const command of ['return', 'transfer'] as const)
  test(`a ${command} of the second user that did not reach the center is found again`, async () => {
    const { id, root, first, second } = await shared(`org.users.again.${command}`)
    const card = site.prepare()
    await using line = await lineTo(site.url)
    line.state = 'lost'
    const act = (centerUrl?: string) =>
      command === 'return'
        ? returnTitle(root, id, { ...of(second), centerUrl })
        : transferTitle(root, id, card, { ...of(second), centerUrl })
    await rejectsWith('COFFER_CENTER_UNREACHABLE', async () => act(line.url))
    await site.refuses('COFFER_RETURNED', root, id, second)
    await act()
    assert.is(await saved(root, id, first), 'of the first')
    if (command === 'transfer') assert.is(await saved(card, id, second), 'of the second')
  })

test('a return of a title that was returned and bought again before is found again', async () => {
  const { id, root, master, second } = await shared('org.users.bought-again')
  await returnTitle(root, id, of(second))
  await returnTitle(root, id, of(site.home))
  await site.copy(master, root, id, { home: second })
  await using line = await lineTo(site.url)
  line.state = 'lost'
  await rejectsWith('COFFER_CENTER_UNREACHABLE', () =>
    returnTitle(root, id, { ...of(second), centerUrl: line.url })
  )
  await returnTitle(root, id, of(second))
  assert.equal(readdirSync(mediumPaths(root).returns), [])
})

test('whoever has no copy among those of others is told so, and nothing is touched or asked of the center', async () => {
  const { id, root } = await shared('org.users.stranger')
  const stranger = await site.newHome()
  const before = snapshot(root)
  const grants = async () => (await site.center.desk.grants()).length
  const issued = await grants()
  for (const [what, act] of Object.entries({
    renew: () => renewTitle(root, id, of(stranger)),
    'renew by files': () => requestRenewal(root, id, of(stranger)),
    return: () => returnTitle(root, id, of(stranger)),
    'return by files': () => requestReturn(root, id, of(stranger)),
    transfer: () => transferTitle(root, id, site.prepare(), of(stranger)),
    export: () => exportSaves(root, id, site.path('saves'), of(stranger))
  })) {
    const error = await rejectsWith('COFFER_USER_MISMATCH', async () => act())
    assert.match(error.message, "another user's", what)
    assert.match(error.hint!, 'coffer copy', what)
  }
  assert.equal(snapshot(root), before)
  assert.is(await grants(), issued)
})

test.run()
