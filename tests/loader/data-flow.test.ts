/**
 * Protection is data flow, never a branch: with every comparison taken out of a copy of the loader, a foreign medium,
 * a foreign user and a foreign title still do not open, since the key does not come out. Time and revocation are
 * branches and nothing more, as SECURITY.md says; that the expired title does run shows that the copy is patched.
 */
import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { CofferError } from '../../formats/errors.js'
import { BIND_BEARER, type Home } from '../../loader/copier/index.js'
import { mediumPaths } from '../../loader/medium/layout.js'
import { clone } from '../helpers/clone.js'
import { closeSites, librarySite, MARKER, SCHEMES } from '../helpers/library-site.js'

const site = await librarySite()
test.after(closeSites)

/** The comparisons of two steps, as they are compiled, and what stands there afterwards. */
const COMPARISONS = {
  authenticate: [['if (grant.titleId !== claimed.titleId)', 'if (false)']],
  recheck: [
    ['checkTitle(grant, manifest);', ''],
    ['checkRevocations(license);', ''],
    ['checkTime(license, medium, home, now);', ''],
    ['if (user !== void 0) checkUser(grant, user);', ''],
    ['checkCertificate(certificates, medium);', ''],
    ['checkMedium(grant, medium);', '']
  ]
} as const

const build = fileURLToPath(new URL('../..', import.meta.url))
const patched = site.path('patched')
mkdirSync(patched)
cpSync(join(build, 'loader'), join(patched, 'loader'), { recursive: true })
for (const folder of ['formats', 'sandbox']) symlinkSync(join(build, folder), join(patched, folder))
symlinkSync(join(build, '../node_modules'), join(patched, 'node_modules'))
for (const [step, comparisons] of Object.entries(COMPARISONS)) {
  const path = join(patched, `loader/${step}.js`)
  let text = readFileSync(path, 'utf8')
  for (const [comparison, instead] of comparisons) {
    assert.is(text.split(comparison).length, 2, `"${comparison}" stands once in ${step}.js`)
    text = text.replace(comparison, instead)
  }
  writeFileSync(path, text)
}
const { launchTitle } = (await import(
  pathToFileURL(join(patched, 'loader/load.js')).href
)) as typeof import('../../loader/load.js')

/** Launch with the patched loader. @returns The code it fails with, or 'ran'. */
async function attack(root: string, id: string, home: Home = site.home): Promise<string> {
  let stdout = ''
  try {
    await using guest = await launchTitle(root, id, home, site.powers, {
      stdout: bytes => (stdout += Buffer.from(bytes).toString())
    })
    await guest.run([])
    assert.match(stdout, MARKER)
    return 'ran'
  } catch (error) {
    if (!(error instanceof CofferError)) throw error
    assert.is(stdout, '')
    assert.not.match(`${error.message} ${error.expected} ${error.found}`, MARKER)
    return error.code
  }
}

for (const scheme of SCHEMES) {
  const id = `org.${scheme}`
  const { root } = await site.copied(id, { scheme })
  const foreign = await site.copied(`org.other.${scheme}`, { scheme })

  test(`without its comparisons the loader still runs what it may (${scheme})`, async () => {
    assert.is(await attack(root, id), 'ran')
  })

  test(`without its comparisons the loader still opens no foreign medium (${scheme})`, async () => {
    assert.is(await attack(clone(root, site.path('other')), id), 'COFFER_KEY_UNWRAP')
  })

  test(`without its comparisons the loader still opens nothing for another user (${scheme})`, async () => {
    assert.is(await attack(root, id, await site.newHome()), 'COFFER_KEY_UNWRAP')
  })

  test(`without its comparisons the loader still opens no foreign title under a grant (${scheme})`, async () => {
    const mixed = site.prepare()
    const { master } = await site.press(`org.mixed.${scheme}`, { scheme })
    await site.copy(master, mixed, `org.mixed.${scheme}`)
    const [from, to] = [mediumPaths(foreign.root), mediumPaths(mixed)]
    // The foreign sealed title under the name of the one that was bought, and the foreign grant under that name, too.
    cpSync(from.title(foreign.id, 1), to.title(`org.mixed.${scheme}`, 1))
    assert.is(await attack(mixed, `org.mixed.${scheme}`), 'COFFER_PAYLOAD_FORGED')
    cpSync(from.grant(foreign.id), to.grant(`org.mixed.${scheme}`))
    cpSync(from.title(foreign.id, 1), to.title(foreign.id, 1))
    assert.is(await attack(mixed, `org.mixed.${scheme}`), 'COFFER_KEY_UNWRAP')
  })

  test(`time is a branch, and nothing but one (${scheme})`, async () => {
    const expiring = `org.expiring.${scheme}`
    const { master } = await site.press(expiring, { scheme })
    await site.center.desk.setTerms(expiring, { expiresDays: 1 })
    const medium = site.prepare()
    await site.copy(master, medium, expiring)
    site.clock.at += 10 * 86_400
    await site.refuses('COFFER_EXPIRED', medium, expiring)
    assert.is(await attack(medium, expiring), 'ran')
  })
}

test('without its comparisons the loader still opens no copy of a bearer medium', async () => {
  const id = 'org.bearer'
  const { master } = await site.press(id, { scheme: 'conversion' })
  await site.center.desk.setTerms(id, { bearerAllowed: true })
  const root = site.prepare()
  await site.copy(master, root, id, { bind: BIND_BEARER })
  assert.is(await attack(root, id), 'ran')
  assert.is(await attack(clone(root, site.path('other')), id), 'COFFER_KEY_UNWRAP')
})

test.run()
