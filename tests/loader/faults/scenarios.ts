/** What a person does when the disk fails, and what must hold then. */
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import * as assert from 'uvu/assert'
import { hex, utf8Decode } from '../../../formats/bytes.js'
import { CofferError } from '../../../formats/errors.js'
import { formatPublicKeys } from '../../../formats/keys.js'
import type { Scheme } from '../../../formats/records/fields.js'
import { readGrantClaim } from '../../../formats/records/grant.js'
import { openRequest } from '../../../formats/records/request.js'
import {
  applyAnswer,
  CenterClient,
  exportSaves,
  Home,
  importSaves,
  listMaster,
  prepare,
  requestCopy
} from '../../../loader/copier/index.js'
import { renewTitle } from '../../../loader/copier/renew.js'
import { transferTitle } from '../../../loader/copier/move.js'
import { returnTitle } from '../../../loader/copier/returns.js'
import { mediumPaths } from '../../../loader/medium/layout.js'
import { measureMedium } from '../../../loader/medium/measure.js'
import { filesUnder, librarySite, snapshot, writeApp, type TitleToPress } from '../../helpers/library-site.js'
import {
  PRICE,
  site,
  options,
  type Attempt,
  type Scenario,
  retype,
  running,
  checkTidy,
  checkTidyFolder,
  once,
  onceEach
} from './attempt.js'

export const preparing: Scenario = {
  name: 'prepare',
  async begin() {
    const place = site.path('place')
    mkdirSync(place)
    const root = join(place, 'stick')
    const identity = () => {
      try {
        return hex(measureMedium(root).mediumId)
      } catch (error) {
        if (error instanceof CofferError && error.code === 'COFFER_MEDIUM_MISSING') return undefined
        throw error
      }
    }
    return {
      places: [place],
      words: ['prepare', root, '--json'],
      async check(done, stdout) {
        if (done) assert.is(identity(), JSON.parse(stdout).mediumId)
        else identity()
      },
      async repeat() {
        const before = identity()
        const made = before === undefined ? prepare(root, 'folder', site.powers).mediumId : before
        assert.is(identity(), made)
        // What was prepared before the fault can be used; the first writer clears up.
        await site.copy((await hello()).master, root, 'org.faults.hello')
        await site.runs(root, 'org.faults.hello')
        checkTidy(root)
      }
    }
  }
}
const hello = once(() => site.press('org.faults.hello'))

export const says = (text: string): TitleToPress => ({
  source: `console.log('${text}'); export default () => 0`,
  assets: { noise: new Uint8Array(300_000).fill(text.charCodeAt(0)) }
})

/** Only its owner can read a secret key, whole or not. */
function checkPrivate(place: string): void {
  for (const file of filesUnder(place)) assert.is(statSync(join(place, file)).mode & 0o777, 0o600, file)
}

export const generating: Scenario = {
  name: 'keygen',
  async begin() {
    const place = site.path('place')
    mkdirSync(place)
    const home = join(place, 'home')
    const path = join(home, 'user.key')
    const publicKey = () => {
      const keys = new Home(home).userKeys()
      return keys && formatPublicKeys('user', keys)
    }
    const attempt: Attempt = {
      places: [place],
      words: ['keygen', '--json'],
      home,
      async check(done, stdout) {
        checkPrivate(place)
        if (done) assert.is(publicKey(), JSON.parse(stdout).publicKey)
        else publicKey()
      },
      async repeat() {
        const before = publicKey()
        await retype(attempt)
        assert.ok(publicKey())
        assert.is(publicKey(), before ?? publicKey(), 'a key was replaced')
        assert.equal(readdirSync(home), ['user.key'])
        assert.is(statSync(path).mode & 0o777, 0o600)
      }
    }
    return attempt
  }
}

/** A center is pinned, or newer records of one that is. @param isKnown - Whether older ones are pinned. */
export const trusting = (name: string, isKnown: boolean): Scenario => ({
  name,
  async begin() {
    const { older, url } = await rotated()
    const home = site.path('home')
    mkdirSync(home)
    if (isKnown) new Home(home).pin(older, url)
    const sequence = () => {
      const [center, ...others] = new Home(home).centers()
      assert.equal(others, [])
      return center && [center.sequence, center.url]
    }
    const [before, after] = [isKnown ? [0, url] : undefined, [1, url]]
    assert.equal(sequence(), before)
    const attempt: Attempt = {
      places: [home],
      words: ['trust', url],
      home,
      async check(done) {
        const found = JSON.stringify(sequence())
        const may = done ? [after] : [before, after, [1, undefined]]
        assert.ok(
          may.some(one => found === JSON.stringify(one)),
          `found ${found}`
        )
        checkPrivate(home)
      },
      async repeat() {
        await retype(attempt)
        assert.equal(sequence(), after)
      }
    }
    return attempt
  }
})
const rotated = once(async () => {
  const { center, url } = await librarySite(Math.floor(Date.now() / 1000))
  const older = await new CenterClient(url).roots()
  await center.keys.rotateKey()
  return { older, url }
})

/** A release in the place of the same one as it was pressed before. */
export const pressing = (scheme: Scheme): Scenario => ({
  name: `press ${scheme}`,
  async begin() {
    const { id, app, old } = await appToPress(scheme)
    const place = site.path('place')
    const master = join(place, 'master')
    cpSync(old, master, { recursive: true })
    const whole = () => {
      const { titles, damaged } = listMaster(master)
      assert.equal(damaged, [])
      assert.equal(
        titles.map(({ release }) => release),
        [1]
      )
    }
    const copied = async () => {
      const root = site.prepare()
      await site.copy(master, root, id)
      return running(root, id)
    }
    const attempt: Attempt = {
      places: [place],
      words: [
        ...['press', app, '--out', master, '--center', site.url],
        ...['--publisher', site.publisherKeyFile, '--scheme', scheme]
      ],
      async check(done) {
        whole()
        const found = await copied()
        assert.ok((done ? ['new'] : ['old', 'new']).includes(found), `found ${found}`)
      },
      async repeat() {
        await retype(attempt)
        whole()
        assert.is(await copied(), 'new')
        checkTidyFolder(place)
      }
    }
    return attempt
  }
})
const appToPress = onceEach(async scheme => {
  const id = `org.faults.press-${scheme}`
  const fields = { code: 'source' }
  const { master } = await site.press(id, { scheme, ...says('old'), fields })
  const app = site.path('app')
  writeApp(app, id, { scheme, ...says('new'), fields })
  return { id, app, old: master }
})

/** The request goes out by a file. */
export const ordering: Scenario = {
  name: 'order',
  fewestCalls: 5,
  async begin() {
    const { id, master } = await pressedOrder()
    const root = site.prepare()
    const path = join(site.path('place'), 'request')
    mkdirSync(dirname(path))
    const before = snapshot(root)
    const attempt: Attempt = {
      places: [root, dirname(path)],
      words: ['order', master, root, '--title', id, '--out', path],
      async check(done) {
        assert.equal(snapshot(root), before, 'the medium was changed')
        assert.ok(existsSync(path) || !done)
        if (existsSync(path)) openRequest(readFileSync(path))
      },
      async repeat() {
        await retype(attempt)
        assert.equal(readdirSync(dirname(path)), ['request'])
        await applyAnswer(await site.center.issue(readFileSync(path)), master, root, options)
        assert.is(await running(root, id), 'new')
      }
    }
    return attempt
  },
  async end(attempts) {
    assert.is(await salesOf((await pressedOrder()).id), PRICE * attempts, 'each was charged once')
  }
}
const pressedOrder = once(() => sold('org.faults.order', says('new'), {}))

/** Copies of one title, each onto a medium that has `from` or nothing. */
export function copying(
  name: string,
  from: TitleToPress | undefined,
  to: TitleToPress,
  byFiles = false
): Scenario {
  const id = `org.faults.${name.replaceAll(' ', '-').replaceAll(',', '')}`
  const pressed = once(async () => {
    const old = from && (await site.press(id, from))
    const now = await site.press(id, to)
    await site.center.desk.setTerms(id, { priceMinor: PRICE, currency: 'EUR' })
    return { old: old?.master, now: now.master }
  })
  return {
    name,
    async begin() {
      const { old, now } = await pressed()
      const root = site.prepare()
      if (old !== undefined) await site.copy(old, root, id)
      const before = await running(root, id)
      let words = ['copy', now, root, '--title', id]
      let repeat: () => unknown = () => site.copy(now, root, id)
      if (byFiles) {
        const answer = await site.center.issue(requestCopy(now, root, id, options).bytes)
        const path = site.path('answer')
        writeFileSync(path, answer)
        words = ['apply', path, root, '--master', now]
        repeat = () => applyAnswer(answer, now, root, options)
      }
      return {
        places: [root],
        words,
        async check(done) {
          const found = await running(root, id)
          if (done) return assert.is(found, 'new')
          // What had run runs on until the new one does.
          const may =
            old === undefined ? ['COFFER_TITLE_MISSING', 'COFFER_GRANT_MISSING', 'new'] : [before, 'new']
          assert.ok(may.includes(found), `found ${found}`)
        },
        async repeat() {
          await repeat()
          assert.is(await running(root, id), 'new')
          const { certificateOrKey } = await verdict(root, id)
          assert.ok(certificateOrKey)
          checkTidy(root)
        }
      }
    },
    async end(attempts) {
      assert.is(await salesOf(id), PRICE * attempts, 'each medium was charged once')
    }
  }
}

async function verdict(root: string, id: string) {
  const { verifyTitle } = await import('../../../loader/verify.js')
  const report = verifyTitle(root, id, site.home, site.powers)
  assert.is(report.verdict, 'ok')
  return { certificateOrKey: report.match ?? report.unwrapped }
}

const SAVING = `
  import { read, remove, write } from 'coffer:save'
  const text = async slot => { const bytes = await read(slot); return bytes && new TextDecoder().decode(bytes) }
  export default async ([value]) => {
    if (value === undefined) { console.log(await text('kept'), await text('slot'), await text('gone')); return 0 }
    await write('slot', new TextEncoder().encode(value)); console.log('saved')
    await remove('gone'); console.log('removed')
    return 0
  }`

export const saving = (scheme: Scheme): Scenario => ({
  name: `a save ${scheme}`,
  // The title hears of it, and ends by its own error.
  codes: [1],
  async begin() {
    const { master, id } = await pressedSaving(scheme)
    const root = site.prepare()
    await site.copy(master, root, id)
    const save = { capabilities: { save: true } } as const
    {
      await using guest = await site.launch(root, id, save)
      await guest.run(['old'])
    }
    {
      await using guest = await site.launch(root, id, { ...save })
      await guest.run(['old'])
    }
    const kept = () => running(root, id)
    return {
      places: [root],
      words: ['run', root, '--allow', 'save', '--', 'new'],
      async check(_done, stdout) {
        const found = await kept()
        const slots = stdout.includes('saved') ? ['new'] : ['old', 'new']
        assert.ok(
          slots.some(slot => found === `null ${slot} null`),
          `found ${found} after ${JSON.stringify(stdout)}`
        )
      },
      async repeat() {
        let said = ''
        await using guest = await site.launch(root, id, {
          ...save,
          stdout: bytes => (said += utf8Decode(bytes))
        })
        assert.is(await guest.run(['new']), 0)
        assert.is(said, 'saved\nremoved\n')
        assert.is(await kept(), 'null new null')
        checkTidy(root)
      }
    }
  }
})
const pressedSaving = onceEach(scheme =>
  site.press(`org.faults.save-${scheme}`, { scheme, source: SAVING, fields: { permissions: ['save'] } })
)

/** What a title's sales come to, by its account. */
async function salesOf(id: string): Promise<number> {
  const account = (await site.center.desk.balances()).find(({ account }) => account === `sales/${id}`)
  assert.equal((await site.center.desk.verifyLedger()).problems, [])
  return -(account?.balanceMinor ?? 0)
}

const RENEWAL = 200
const TERM_DAYS = 30

/** A title whose copies cost something, and what else its seller allows. */
async function sold(id: string, title: TitleToPress, terms: object) {
  const pressed = await site.press(id, title)
  await site.center.desk.setTerms(id, { priceMinor: PRICE, currency: 'EUR', ...terms })
  return pressed
}

/** Do it again; that it was all done before, so that nothing is left to do, is as good. */
async function again(codes: readonly string[], repeat: () => Promise<unknown>): Promise<void> {
  try {
    await repeat()
  } catch (error) {
    if (!(error instanceof CofferError) || !codes.includes(error.code)) throw error
  }
}

/** A lease gets another term, which is paid for once, though the answer may be lost. */
export const renewing = (scheme: Scheme): Scenario => ({
  name: `renew ${scheme}`,
  async begin() {
    const { id, master } = await pressedLease(scheme)
    const root = site.prepare()
    await site.copy(master, root, id)
    const end = () => readGrantClaim(readFileSync(mediumPaths(root).grant(id))).expires!
    const before = end()
    const after = before + TERM_DAYS * 86_400
    return {
      places: [root],
      words: ['renew', root, id],
      async check(done) {
        assert.is(await running(root, id), 'old')
        if (done) assert.is(end(), after)
        else assert.ok([before, after].includes(end()))
      },
      async repeat() {
        await again(['COFFER_REQUEST_REFUSED'], () => renewTitle(root, id, options))
        assert.is(await running(root, id), 'old')
        assert.is(end(), after)
        checkTidy(root)
        assert.equal(readdirSync(mediumPaths(root).renewals), [])
      }
    }
  },
  async end(attempts) {
    assert.is(
      await salesOf((await pressedLease(scheme)).id),
      (PRICE + RENEWAL) * attempts,
      'each was charged once'
    )
  }
})
const pressedLease = onceEach(scheme =>
  sold(`org.faults.renew-${scheme}`, old(scheme), { expiresDays: TERM_DAYS, renewPriceMinor: RENEWAL })
)

/** Of a copy that was given up. */
const GONE = ['COFFER_TITLE_MISSING', 'COFFER_GRANT_MISSING', 'COFFER_RETURNED']

export const returning = (scheme: Scheme): Scenario => ({
  name: `return ${scheme}`,
  async begin() {
    const { id, master } = await pressedReturn(scheme)
    const root = site.prepare()
    await site.copy(master, root, id)
    return {
      places: [root],
      words: ['return', root, id],
      async check(done) {
        const found = await running(root, id)
        assert.ok((done ? GONE : ['old', ...GONE]).includes(found), `found ${found}`)
      },
      async repeat() {
        await again(['COFFER_TITLE_MISSING'], () => returnTitle(root, id, options))
        assert.ok(GONE.includes(await running(root, id)))
        checkTidy(root)
        assert.equal(readdirSync(mediumPaths(root).returns), [])
        assert.equal(readdirSync(mediumPaths(root).titles), [])
      }
    }
  },
  async end() {
    assert.is(await salesOf((await pressedReturn(scheme)).id), 0, 'each was paid back, once')
  }
})
const pressedReturn = onceEach(scheme => sold(`org.faults.return-${scheme}`, old(scheme), { refundDays: 30 }))

/** The copy and its saves; at no moment are there two copies that run. */
export const transferring = (scheme: Scheme): Scenario => ({
  name: `transfer ${scheme}`,
  async begin() {
    const { id, master } = await pressedTransfer(scheme)
    const [root, target] = [site.prepare(), site.prepare()]
    await site.copy(master, root, id)
    {
      await using guest = await site.launch(root, id, { capabilities: { save: true } })
      await guest.run(['old'])
    }
    const here = 'null old null'
    return {
      places: [root, target],
      // The copy of the scheme conversion opens on its own medium only.
      words: ['transfer', root, id, '--to', target, ...(scheme === 'conversion' ? ['--master', master] : [])],
      async check(done) {
        const [from, to] = [await running(root, id), await running(target, id)]
        assert.ok([here, ...GONE].includes(from), `found ${from}`)
        // Without its saves it runs too: they come last, and from the first medium when the command is repeated.
        assert.ok([here, 'null null null', ...GONE].includes(to), `found ${to} on the other`)
        assert.ok(GONE.includes(from) || GONE.includes(to), 'two copies run')
        if (done) assert.equal([GONE.includes(from), to], [true, here])
      },
      async repeat() {
        await again(['COFFER_TITLE_MISSING'], () => transferTitle(root, id, target, { ...options, master }))
        assert.ok(GONE.includes(await running(root, id)))
        assert.is(await running(target, id), here)
        // Whoever saves next clears up what was left there.
        await using guest = await site.launch(target, id, { capabilities: { save: true } })
        await guest.run(['new'])
        for (const medium of [root, target]) checkTidy(medium)
        assert.equal(readdirSync(mediumPaths(root).returns), [])
      }
    }
  },
  async end(attempts) {
    assert.is(await salesOf((await pressedTransfer(scheme)).id), PRICE * attempts, 'each was paid for once')
  }
})
const pressedTransfer = onceEach(scheme =>
  sold(`org.faults.transfer-${scheme}`, { scheme, source: SAVING, fields: { permissions: ['save'] } }, {})
)

/** All saves into a file. */
export const exporting = (scheme: Scheme): Scenario => ({
  name: `export saves ${scheme}`,
  fewestCalls: 5,
  async begin() {
    const { master, id } = await pressedSaving(scheme)
    const root = site.prepare()
    await site.copy(master, root, id)
    {
      await using guest = await site.launch(root, id, { capabilities: { save: true } })
      await guest.run(['kept'])
    }
    const path = join(site.path('place'), 'saves')
    mkdirSync(dirname(path))
    const before = snapshot(root)
    /** What the file has, seen on another medium. */
    const exported = async () => {
      const other = site.prepare()
      await site.copy(master, other, id)
      await importSaves(path, other, options)
      return running(other, id)
    }
    const attempt: Attempt = {
      places: [root, dirname(path)],
      words: ['export', root, id, '--out', path],
      async check(done) {
        assert.equal(snapshot(root), before, 'the medium was changed')
        checkPrivate(dirname(path))
        assert.ok(existsSync(path) || !done)
        if (existsSync(path)) assert.is(await exported(), 'null kept null')
      },
      async repeat() {
        await retype(attempt)
        assert.is(await exported(), 'null kept null')
        assert.equal(readdirSync(dirname(path)), ['saves'])
      }
    }
    return attempt
  }
})

/** All saves of another medium, in the place of those that are here. */
export const importing = (scheme: Scheme): Scenario => ({
  name: `import saves ${scheme}`,
  async begin() {
    const { master, id } = await pressedSaving(scheme)
    const [from, to] = [site.prepare(), site.prepare()]
    for (const [root, value] of [
      [from, 'new'],
      [to, 'old']
    ] as const) {
      await site.copy(master, root, id)
      await using guest = await site.launch(root, id, { capabilities: { save: true } })
      await guest.run([value])
    }
    const path = site.path('saves')
    exportSaves(from, id, path, options)
    return {
      places: [to],
      words: ['import', path, to, '--replace'],
      async check(done) {
        const found = await running(to, id)
        assert.ok(
          (done ? ['new'] : ['old', 'new']).some(slot => found === `null ${slot} null`),
          `found ${found}`
        )
      },
      async repeat() {
        await importSaves(path, to, { ...options, replace: true })
        assert.is(await running(to, id), 'null new null')
        checkTidy(to)
      }
    }
  }
})

export const old = (scheme: Scheme): TitleToPress => ({ scheme, ...says('old') })
