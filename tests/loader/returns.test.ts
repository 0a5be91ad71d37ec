/** Returns, transfers and renewals from the buyer's side: what a medium gives up it has given up, at whatever moment the plug is pulled. */
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync
} from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { applyAnswer, copy, requestCopy } from '../../loader/copier/copy.js'
import { applyGrant, renewTitle, requestRenewal } from '../../loader/copier/renew.js'
import { handOn, requestHandOn, transferTitle } from '../../loader/copier/move.js'
import { applyReturn, pendingFor, requestReturn, returnTitle } from '../../loader/copier/returns.js'
import { hex } from '../../formats/bytes.js'
import { CofferError, type ErrorCode } from '../../formats/errors.js'
import { decodeRoots } from '../../formats/records/root.js'
import { acceptAnswer } from '../../loader/copier/order.js'
import { Home } from '../../loader/home.js'
import { mediumPaths } from '../../loader/medium/layout.js'
import { closeSites, librarySite } from '../helpers/library-site.js'
import { lineTo } from '../helpers/line.js'
import { rejectsWith } from '../helpers/rejects.js'

test.after(closeSites)
test.after(async () => line[Symbol.asyncDispose]())

const SCHEMES = ['certificate', 'conversion'] as const
const SAVER = `import { readText, write } from 'coffer:save'
export default async () => { const n = Number((await readText('runs')) ?? 0) + 1; await write('runs', String(n)); console.log(n) }`

const site = await librarySite()
const options = { home: site.home, powers: site.powers }
const held = async (): Promise<number> =>
  (await site.center.desk.grants()).filter(({ revoked }) => !revoked).length
/** The center is somewhere else for a while. */
const AWAY = { ...options, centerUrl: 'http://127.0.0.1:1' }
const line = await lineTo(site.url)
/** It answers, and what is given up does not reach it. */
const lost = () => ((line.state = 'lost'), { ...options, centerUrl: line.url })

for (const scheme of SCHEMES)
  test(`a returned title is gone from its medium and the books, also when its grant is put back: ${scheme}`, async () => {
    const { root, id, master } = await site.copied(`org.example.back-${scheme}`, { scheme })
    await site.center.desk.setTerms(id, { refundDays: 1 })
    const backup = site.path('backup')
    cpSync(mediumPaths(root).folder, backup, { recursive: true })
    const before = await held()
    const { refundedMinor } = await returnTitle(root, id, options)
    assert.equal([refundedMinor, await held()], [0, before - 1])
    for (const path of [mediumPaths(root).grant(id), mediumPaths(root).returned(id)])
      assert.not.ok(existsSync(path))
    await site.refuses('COFFER_TITLE_MISSING', root, id)
    // Everything is put back as it was, in place: the list that this person has seen names the copy.
    for (const part of ['grants', 'titles', 'revocations'])
      cpSync(join(backup, part), join(mediumPaths(root).folder, part), { recursive: true })
    await site.refuses('COFFER_REVOKED', root, id)
    // Another of his machines learns of it with the next master or medium that was at the center since.
    const elsewhere = await site.newHome({ withKey: false })
    cpSync(site.home.userKeyFile, elsewhere.userKeyFile)
    await site.runs(root, id, elsewhere)
    await site.copy(master, root, id)
    await site.runs(root, id, elsewhere)
  })

test('a return that does not reach the center is sent again, and the copy runs no more meanwhile', async () => {
  const { root, id } = await site.copied('org.example.away')
  const grant = readFileSync(mediumPaths(root).grant(id))
  await rejectsWith('COFFER_CENTER_UNREACHABLE', () => returnTitle(root, id, lost()))
  const error = await site.refuses('COFFER_RETURNED', root, id)
  assert.match(error.hint!, `coffer return ${root} ${id}`)
  // Not by putting the grant back, and not by removing the return either.
  writeFileSync(mediumPaths(root).grant(id), grant)
  await site.refuses('COFFER_RETURNED', root, id)
  const pending = readFileSync(mediumPaths(root).returned(id))
  rmSync(mediumPaths(root).returned(id))
  await site.refuses('COFFER_RETURNED', root, id)
  writeFileSync(mediumPaths(root).returned(id), pending)
  const before = await held()
  await returnTitle(root, id, options)
  assert.is(await held(), before - 1)
  assert.not.ok(existsSync(mediumPaths(root).grant(id)))
})

test('whatever of a return was done when the power failed, either the copy runs or the return is there to be sent', async () => {
  const { root, id } = await site.copied('org.example.power')
  const paths = mediumPaths(root)
  const running = site.path('running')
  const homeBefore = site.path('home-before')
  cpSync(paths.folder, running, { recursive: true })
  cpSync(site.home.folder, homeBefore, { recursive: true })
  requestReturn(root, id, options)
  const given = readFileSync(paths.returned(id))
  const grant = readFileSync(join(running, 'grants', `${id}.grant`))
  const marks = (await import('node:fs')).readdirSync(join(site.home.folder, 'centers'))[0]!
  const homeMarks = join(site.home.folder, 'centers', marks, 'marks')
  const marked = readFileSync(homeMarks)
  /** After each write and removal, in their order: the return, the home's mark, the grant gone. */
  const moments: [string, () => void][] = [
    ['nothing yet', () => rmSync(paths.returned(id), { force: true })],
    ['the return is written', () => writeFileSync(paths.returned(id), given)],
    ['and noted at home', () => writeFileSync(homeMarks, marked)],
    ['and the grant is gone', () => rmSync(paths.grant(id))]
  ]
  rmSync(homeMarks)
  writeFileSync(paths.grant(id), grant)
  for (const [moment, reach] of moments) {
    reach()
    const failure = await site.failure(root, id)
    if (moment === 'nothing yet') assert.is(failure, undefined, moment)
    else assert.is(failure?.code, 'COFFER_RETURNED', moment)
    // Each time the same record, until it is answered.
    if (existsSync(paths.returned(id))) assert.equal(readFileSync(paths.returned(id)), given, moment)
  }
  const before = await held()
  await returnTitle(root, id, options)
  assert.is(await held(), before - 1)
})

test('by files: the return goes out, the answer comes in, twice without harm', async () => {
  const { root, id } = await site.copied('org.example.file-return')
  const { bytes } = requestReturn(root, id, options)
  assert.equal(requestReturn(root, id, options).bytes, bytes)
  const answer = await site.center.issue(bytes)
  const pending = pendingFor(root, acceptAnswer(answer, site.home).answer)!
  applyReturn(answer, root, pending, site.home)
  assert.is(pendingFor(root, acceptAnswer(answer, site.home).answer), undefined)
  await rejectsWith('COFFER_TITLE_MISSING', () => requestReturn(root, id, options))
})

test('nobody gives up a copy of another medium or user', async () => {
  const { root, id } = await site.copied('org.example.not-yours')
  const other = site.prepare()
  cpSync(mediumPaths(root).grants, mediumPaths(other).grants, { recursive: true })
  cpSync(mediumPaths(root).revocations, mediumPaths(other).revocations)
  await rejectsWith('COFFER_MEDIUM_MISMATCH', () => returnTitle(other, id, options))
  const stranger = await site.newHome()
  await rejectsWith('COFFER_USER_MISMATCH', () => returnTitle(root, id, { ...options, home: stranger }))
  await site.runs(root, id)
})

for (const scheme of SCHEMES)
  test(`a transfer moves title and saves, and at no moment are there two: ${scheme}`, async () => {
    const { root, id, master } = await site.copied(`org.example.move-${scheme}`, {
      scheme,
      source: SAVER,
      fields: { permissions: ['save'] }
    })
    const save = { capabilities: { save: true } }
    for (const n of [1, 2]) assert.is((await site.run(root, id, save)).stdout, `${n}\n`)
    const target = site.prepare()
    const before = await held()
    if (scheme === 'conversion')
      await rejectsWith('COFFER_USAGE', () => transferTitle(root, id, target, options))
    const from = scheme === 'conversion' ? { master } : {}
    // The first try does not reach the center; the second goes on from there.
    await rejectsWith('COFFER_CENTER_UNREACHABLE', () =>
      transferTitle(root, id, target, { ...lost(), ...from })
    )
    await site.refuses('COFFER_RETURNED', root, id)
    await site.refuses('COFFER_TITLE_MISSING', target, id)
    await transferTitle(root, id, target, { ...options, ...from })
    assert.is((await site.run(target, id, save)).stdout, '3\n')
    assert.is(await held(), before)
    await site.refuses('COFFER_TITLE_MISSING', root, id)
    const here = (await site.center.desk.grants()).filter(({ titleId }) => titleId === id)
    assert.equal(here.map(({ ending }) => ending).sort(), [null, 'transferred'])
  })

test('a transfer that failed can go to another medium instead, and back', async () => {
  const { root, id } = await site.copied('org.example.elsewhere')
  const [first, second] = [site.prepare(), site.prepare()]
  await rejectsWith('COFFER_CENTER_UNREACHABLE', () => transferTitle(root, id, first, lost()))
  await transferTitle(root, id, second, options)
  await site.runs(second, id)
  await site.refuses('COFFER_TITLE_MISSING', first, id)
  // Back to where it was: a medium can get again what it gave up.
  await transferTitle(second, id, root, options)
  await site.runs(root, id)
})

test('a copy is handed on to someone else, who alone can use the answer', async () => {
  const { root, id, master } = await site.copied('org.example.gift')
  await site.center.desk.setTerms(id, { transfer: 'users' })
  const friend = await site.newHome()
  const hers = site.prepare()
  const wanted = requestCopy(master, hers, id, { ...options, home: friend, kind: 'transfer' }).bytes
  const { bytes, given } = requestHandOn(root, id, wanted, options)
  await site.refuses('COFFER_RETURNED', root, id)
  const answer = await site.center.issue(bytes)
  applyReturn(answer, root, pendingFor(root, acceptAnswer(answer, site.home, given).answer)!, site.home)
  await applyAnswer(answer, master, hers, { ...options, home: friend })
  await site.runs(hers, id, friend)
  await site.refuses('COFFER_USER_MISMATCH', hers, id)
})

test('a copy is not given up while its center does not answer, or another one does', async () => {
  const { root, id } = await site.copied('org.example.nobody-there')
  const target = site.prepare()
  const other = await librarySite()
  const order = requestCopy((await site.press(id)).master, target, id, { ...options, kind: 'transfer' }).bytes
  for (const [code, away] of [
    ['COFFER_CENTER_UNREACHABLE', AWAY],
    ['COFFER_CENTER_UNTRUSTED', { ...options, centerUrl: other.url }]
  ] as const)
    for (const act of [
      () => returnTitle(root, id, away),
      () => transferTitle(root, id, target, away),
      () => handOn(root, id, order, { ...away, keep: () => assert.unreachable() })
    ]) {
      const error = await rejectsWith(code, act)
      assert.match(error.hint!, `has its copy of ${id} still`)
      await site.runs(root, id)
    }
})

test('where it is not known where the center listens, each command names its own way by files, or none', async () => {
  const { root, id, master } = await site.copied('org.example.no-address')
  const target = site.prepare()
  const order = requestCopy(master, target, id, { ...options, kind: 'transfer' }).bytes
  const folder = site.path('home-without-url')
  cpSync(site.home.folder, folder, { recursive: true })
  rmSync(join(folder, 'centers', site.center.centerId, 'url'), { force: true })
  const nowhere = { ...options, home: new Home(folder) }
  const ways: [string, () => Promise<unknown>][] = [
    ['"coffer order"', () => copy(master, target, id, nowhere)],
    [`"coffer renew ${root} ${id} --out <file>"`, () => renewTitle(root, id, nowhere)],
    [`"coffer return ${root} ${id} --out <file>"`, () => returnTitle(root, id, nowhere)],
    [
      `"coffer transfer ${root} ${id} --order <file> --out <file>"`,
      () => handOn(root, id, order, { ...nowhere, keep: () => assert.unreachable() })
    ]
  ]
  for (const [way, act] of ways)
    assert.match(
      (await rejectsWith('COFFER_USAGE', act)).hint!,
      `--center <URL>, or go by files with ${way}.`
    )
  const moved = await rejectsWith('COFFER_USAGE', () => transferTitle(root, id, target, nowhere))
  assert.not.match(moved.hint!, 'by files')
  await site.runs(root, id)
})

test('what fails once the copy is given up says so, and what to type next', async () => {
  const { root, id } = await site.copied('org.example.told')
  const target = site.prepare()
  const moved = await rejectsWith('COFFER_CENTER_UNREACHABLE', () => transferTitle(root, id, target, lost()))
  assert.match(moved.hint!, 'has given its copy')
  assert.match(moved.hint!, `coffer transfer ${root} ${id} --to ${target}`)
  const returned = await rejectsWith('COFFER_CENTER_UNREACHABLE', () => returnTitle(root, id, lost()))
  assert.match(returned.hint!, 'has given its copy')
  assert.match(returned.hint!, `coffer return ${root} ${id}`)
})

test('a transfer that the center would refuse leaves the copy where it is', async () => {
  const { root, id, master } = await site.copied('org.example.not-so')
  const [mine, hers] = [site.prepare(), site.prepare()]
  const friend = await site.newHome()
  const order = requestCopy(master, hers, id, { ...options, home: friend, kind: 'transfer' }).bytes
  const refusals = async (code: ErrorCode, ...acts: (() => Promise<unknown>)[]) => {
    for (const act of acts) {
      assert.match((await rejectsWith(code, act)).hint!, `has its copy of ${id} still`)
      await site.runs(root, id)
    }
  }
  const move = () => transferTitle(root, id, mine, options)
  const give = () => handOn(root, id, order, { ...options, keep: () => {} })
  await refusals('COFFER_REQUEST_REFUSED', give)
  await site.center.desk.setTerms(id, { transfer: 'no' })
  await refusals('COFFER_REQUEST_REFUSED', move, give)
  await site.center.desk.setTerms(id, { transfer: 'users' })
  await site.copy(master, mine, id)
  await refusals('COFFER_REQUEST_REFUSED', move)
  await returnTitle(mine, id, options)
  await site.copy(master, hers, id, { home: friend })
  await refusals('COFFER_REQUEST_REFUSED', give)
  // The only copy that he may hold can move: it is counted once.
  await site.center.desk.setTerms(id, { copies: 1 })
  await move()
  await site.runs(mine, id)
})

test('a center that does not know the question is not asked', async () => {
  const { root, id } = await site.copied('org.example.older-center')
  const target = site.prepare()
  line.state = 'older'
  await transferTitle(root, id, target, { ...options, centerUrl: line.url })
  await site.runs(target, id)
})

test('nothing is given up where the question gets no answer', async () => {
  const { root, id } = await site.copied('org.example.failing')
  line.state = 'failing'
  const sent = line.sent.length
  await rejectsWith('COFFER_CENTER_FAILED', () =>
    transferTitle(root, id, site.prepare(), { ...options, centerUrl: line.url })
  )
  assert.is(line.sent.length, sent)
  await site.runs(root, id)
})

test('a transfer that the center refuses becomes a return, and no refusal brings the copy back', async () => {
  const { root, id } = await site.copied('org.example.refused')
  await site.center.desk.setTerms(id, { refundDays: 1 })
  const target = site.prepare()
  line.state = 'forged'
  const through = { ...options, centerUrl: line.url }
  const error = await rejectsWith('COFFER_REQUEST_REFUSED', () => transferTitle(root, id, target, through))
  assert.match(error.hint!, `coffer return ${root} ${id}`)
  await site.refuses('COFFER_RETURNED', root, id)
  const before = await held()
  await returnTitle(root, id, options)
  assert.is(await held(), before - 1)
  await site.refuses('COFFER_TITLE_MISSING', root, id)
})

test('a return after a transfer that the center did take pays nothing back, and leaves the copy to the other medium', async () => {
  const { root, id, master } = await site.copied('org.example.taken')
  await site.center.desk.setTerms(id, { refundDays: 1, priceMinor: 100 })
  const target = site.prepare()
  line.state = 'unanswered'
  const through = { ...options, centerUrl: line.url }
  await rejectsWith('COFFER_CENTER_UNREACHABLE', () => transferTitle(root, id, target, through))
  const before = await held()
  assert.is((await returnTitle(root, id, options)).refundedMinor, 0)
  assert.is(await held(), before)
  assert.is((await site.copy(master, target, id)).chargedMinor, 0)
  await site.runs(target, id)
})

test('a return that has become too old is made anew', async () => {
  const old = await librarySite()
  const { root, id } = await old.copied('org.example.too-old')
  const [online, files] = [{ home: old.home, powers: old.powers }, old.prepare()]
  await old.copy((await old.press(id)).master, files, id)
  const first = requestReturn(root, id, online).bytes
  const other = requestReturn(files, id, online).bytes
  old.clock.at += 31 * 86_400
  assert.not.equal(requestReturn(files, id, online).bytes, other)
  await old.center.issue(requestReturn(files, id, online).bytes)
  // Over HTTP the center says so: it has the answer to one that it took in time.
  assert.equal(readFileSync(mediumPaths(root).returned(id)), Buffer.from(first))
  await returnTitle(root, id, online)
  assert.not.ok(existsSync(mediumPaths(root).returned(id)))
})

test('a copy that was bought since is not given up with the one before it', async () => {
  const { root, id, master } = await site.copied('org.example.bought-since')
  line.state = 'unanswered'
  await rejectsWith('COFFER_CENTER_UNREACHABLE', () =>
    returnTitle(root, id, { ...options, centerUrl: line.url })
  )
  await site.copy(master, root, id)
  await site.runs(root, id)
  await returnTitle(root, id, options)
  await site.runs(root, id)
  await returnTitle(root, id, options)
  await site.refuses('COFFER_TITLE_MISSING', root, id)
})

test('the answer to a copy that is handed on is kept before the medium is rid of it', async () => {
  const { root, id, master } = await site.copied('org.example.kept')
  await site.center.desk.setTerms(id, { transfer: 'users' })
  const friend = await site.newHome()
  const hers = site.prepare()
  const wanted = requestCopy(master, hers, id, { ...options, home: friend, kind: 'transfer' }).bytes
  const full = new CofferError('COFFER_DISK_FULL', 'No space.', { hint: 'Free some.' })
  const failed = await rejectsWith('COFFER_DISK_FULL', () =>
    handOn(root, id, wanted, {
      ...options,
      keep() {
        throw full
      }
    })
  )
  assert.match(failed.hint!, 'has given its copy')
  let answer: Uint8Array | undefined
  await handOn(root, id, wanted, { ...options, keep: bytes => (answer = bytes) })
  await applyAnswer(answer!, master, hers, { ...options, home: friend })
  await site.runs(hers, id, friend)
})

test('a copy is not moved to where it is, whatever that is called', async () => {
  const { root, id } = await site.copied('org.example.itself')
  const link = site.path('link')
  symlinkSync(root, link)
  for (const same of [root, link, `${root}/.`])
    assert.match(
      (await rejectsWith('COFFER_USAGE', () => transferTitle(root, id, same, options))).message,
      'the same medium'
    )
  await site.runs(root, id)
})

test('both media are locked until the transfer is done', async () => {
  const { root, id } = await site.copied('org.example.locked')
  const target = site.prepare()
  const steps: string[] = []
  await transferTitle(root, id, target, {
    ...options,
    onEvent({ step }) {
      steps.push(step)
      for (const medium of [root, target])
        assert.is(readdirSync(join(mediumPaths(medium).folder, 'lock')).length, 1, `${step} at ${medium}`)
    }
  })
  assert.ok(steps.includes('verify'))
})

test('what is left of a title that was returned is named', async () => {
  const { root, id } = await site.copied('org.example.left', {
    source: SAVER,
    fields: { permissions: ['save'] }
  })
  await site.run(root, id, { capabilities: { save: true } })
  await returnTitle(root, id, options)
  const error = await site.refuses('COFFER_TITLE_MISSING', root, id)
  assert.match(error.message, 'any more; what it saved is still there')
  assert.match(error.hint!, `coffer copy <master> ${root} --title ${id}`)
  // What somebody else saved is not told of.
  const stranger = await site.newHome()
  assert.match((await site.refuses('COFFER_TITLE_MISSING', root, id, stranger)).message, 'There is no title')
})

test('a lease is renewed over HTTP and by files, before its end and in its grace, and keeps its payload', async () => {
  const { master } = await site.press('org.example.lease')
  const id = 'org.example.lease'
  await site.center.desk.setTerms(id, { expiresDays: 10, renewPriceMinor: 50, graceDays: 5 })
  const root = site.prepare()
  await site.copy(master, root, id)
  const start = site.clock.at
  const days = (count: number) => (site.clock.at = start + count * 86_400)
  days(12)
  await site.runs(root, id) // in its grace
  const renewed = await renewTitle(root, id, options)
  assert.equal([renewed.kind, renewed.chargedMinor, renewed.expires], ['lease', 50, start + 22 * 86_400])
  days(21)
  await site.runs(root, id)
  const { bytes } = requestRenewal(root, id, options)
  const answer = await site.center.issue(bytes)
  assert.is(applyGrant(answer, root, options).expires, start + 32 * 86_400)
  days(37)
  const error = await site.refuses('COFFER_EXPIRED', root, id)
  assert.match(error.hint!, 'coffer copy')
  await rejectsWith('COFFER_REQUEST_REFUSED', () => renewTitle(root, id, options))
  await site.copy(master, root, id)
  await site.runs(root, id)
  mkdirSync(site.path('unused'))
})

test('renewing puts a revoked signing key behind without the master', async () => {
  const other = await librarySite()
  const { root, id } = await other.copied('org.example.rekeyed')
  const [first] = other.home.centers()[0]!.keys
  await other.center.keys.revoke(hex(first!))
  other.home.follow(decodeRoots(await other.center.roots()))
  await other.refuses('COFFER_REVOKED', root, id)
  await renewTitle(root, id, { home: other.home, powers: other.powers })
  await other.runs(root, id)
})

test.run()
