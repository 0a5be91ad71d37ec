/** The main job, as a person types it, for both schemes; and what must not work, does not. */
import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  cpSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync
} from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { HELLO, HELLO_OUTPUT, jsonOf, newSite, ROOT, SCHEMES, type Site } from '../helpers/site.js'

let site: Site
test.before(async () => {
  site = await newSite()
})
test.after(() => site.close())

for (const scheme of SCHEMES) {
  const release = scheme === 'certificate' ? 1 : 2

  test(`press, prepare, copy, verify, run: ${scheme}`, async () => {
    const master = await site.master(scheme)
    assert.equal(readdirSync(master), [`${HELLO}-${release}.title`, 'revocations'])
    const medium = site.fresh('medium')
    assert.is((await site.coffer('prepare', medium)).code, 0)
    assert.is((await site.coffer('prepare', medium)).code, 73)

    const copied = await site.coffer('copy', master, medium, '--title', HELLO)
    assert.is(copied.code, 0, copied.stderr)
    assert.match(copied.stdout, /^Copied "Hello" \(org\.example\.hello, release [12]\) to /)
    const steps = [...copied.stderr.matchAll(/^(S\d+)/gm)].map(([step]) => step)
    const expected = {
      certificate: ['S1', 'S2', 'S3', 'S4', 'S5', 'S6', 'S7'],
      conversion: ['S11', 'S14', 'S15', 'S16']
    }
    assert.equal(steps, expected[scheme])

    const ran = await site.coffer('run', medium)
    assert.equal([ran.code, ran.stdout, ran.stderr], [0, HELLO_OUTPUT, ''])
    const named = await site.coffer('run', medium, HELLO, '--', 'Ada', '--json')
    assert.is(named.stdout, 'Hello, Ada --json. This program runs from a certified copy.\n')
    const json = await site.coffer('run', medium, '--json')
    const { usage, ...result } = jsonOf(json)
    assert.equal(result, { title: HELLO, release, exitCode: 0 })
    assert.ok(usage.cpuMs >= 0 && usage.outputBytes > 0)
    assert.is(json.stderr, HELLO_OUTPUT)
  })

  test(`verify says what was certified and what was found: ${scheme}`, async () => {
    const medium = await site.medium(scheme)
    const verified = await site.coffer('verify', medium, '--json')
    assert.is(verified.code, 0)
    const report = jsonOf(verified)
    assert.equal(
      [report.title, report.release, report.scheme, report.verdict, report.expires],
      [HELLO, release, scheme, 'ok', null]
    )
    assert.match(report.mediumId, /^[0-9a-f]{64}$/)
    assert.match(report.centerId, /^[0-9a-f]{64}$/)
    if (scheme === 'certificate') {
      assert.match(report.certificate, /^[0-9a-f]{32}$/)
      assert.is(report.recomputedCertificate, report.certificate)
      assert.is(report.match, true)
      assert.not.ok('unwrapped' in report)
    } else {
      assert.is(report.unwrapped, true)
      assert.not.ok('certificate' in report || 'recomputedCertificate' in report)
    }
    const shown = await site.coffer('verify', medium)
    assert.is(shown.code, 0)
    if (scheme === 'certificate') assert.match(shown.stdout, /^CS {7}([0-9a-f]{32})\nCS' {6}\1$/m)
  })

  test(`a copy of the medium does not run: ${scheme}`, async () => {
    const medium = await site.medium(scheme)
    const other = site.fresh('other')
    execFileSync('cp', ['-a', medium, other])
    const ran = await site.coffer('run', other)
    assert.equal([ran.code, ran.stdout], [77, ''])
    assert.match(
      ran.stderr,
      scheme === 'certificate' ? 'COFFER_CERTIFICATE_MISMATCH' : 'COFFER_MEDIUM_MISMATCH'
    )
    assert.match(ran.stderr, /expected .*\n.*found /)
    const json = await site.coffer('run', other, '--json')
    assert.is(json.code, 77)
    assert.equal(Object.keys(jsonOf(json)), ['error'])
    const verified = await site.coffer('verify', other, '--json')
    const report = jsonOf(verified)
    assert.equal([verified.code, report.verdict], [77, report.error.code])
    if (scheme === 'certificate') {
      assert.is(report.match, false)
      assert.is.not(report.recomputedCertificate, report.certificate)
    } else assert.is(report.unwrapped, false)
    // The original is as good as before.
    assert.is((await site.coffer('run', medium)).code, 0)
  })

  test(`another person's key does not run it: ${scheme}`, async () => {
    const medium = await site.medium(scheme)
    const env = { COFFER_HOME: site.fresh('home') }
    const ran = () => site.cofferWith({ env }, 'run', medium, '--json')
    assert.is(jsonOf(await ran()).error.code, 'COFFER_CENTER_UNTRUSTED')
    assert.is((await site.cofferWith({ env }, 'trust', site.url)).code, 0)
    assert.is(jsonOf(await ran()).error.code, 'COFFER_USER_KEY_MISSING')
    assert.is((await site.cofferWith({ env }, 'keygen')).code, 0)
    const refused = await ran()
    assert.equal([refused.code, jsonOf(refused).error.code], [77, 'COFFER_USER_MISMATCH'])
    // Files of the buyer's home laid beside a foreign key change nothing.
    rmSync(join(env.COFFER_HOME, 'centers'), { recursive: true })
    cpSync(join(site.home, 'centers'), join(env.COFFER_HOME, 'centers'), { recursive: true })
    assert.is((await ran()).code, 77)
  })

  test(`order, issue, apply: the same by files: ${scheme}`, async () => {
    const master = await site.master(scheme)
    const medium = await site.prepared()
    const request = site.fresh('request')
    const answer = site.fresh('answer')
    const ordered = await site.coffer('order', master, medium, '--out', request, '--json')
    assert.equal([jsonOf(ordered).title, jsonOf(ordered).bytes], [HELLO, statSync(request).size])
    const before = readFileSync(request)
    assert.is((await site.coffer('order', master, medium, '--out', request)).code, 73)
    assert.equal(readFileSync(request), before)

    assert.is((await site.center('issue', 'shop', request, '--out', answer)).code, 0)
    const applied = await site.coffer('apply', answer, medium, '--master', master)
    assert.is(applied.code, 0, applied.stderr)
    assert.is((await site.coffer('run', medium)).stdout, HELLO_OUTPUT)
    // An answer is for one medium.
    const other = await site.prepared()
    assert.is((await site.coffer('apply', answer, other, '--master', master)).code, 77)
    assert.is((await site.coffer('apply', request, medium, '--master', master)).code, 65)
    assert.is((await site.coffer('apply', site.path('nothing'), medium, '--master', master)).code, 66)
  })

  test(`copy again costs nothing and leaves a medium that runs: ${scheme}`, async () => {
    const medium = await site.medium(scheme)
    const again = await site.coffer('copy', await site.master(scheme), medium, '--json')
    const { title, chargedMinor, mediumId, bytes } = jsonOf(again)
    assert.equal([title, chargedMinor], [HELLO, 0])
    assert.match(mediumId, /^[0-9a-f]{64}$/)
    assert.ok(bytes > 0)
    assert.is((await site.coffer('run', medium)).code, 0)
  })

  test(`a bearer grant is refused unless the seller allows it, then needs no key: ${scheme}`, async () => {
    const app = site.app(`org.example.bearer-${scheme}`, "console.log('ran')")
    const master = await site.press(app, scheme)
    const medium = await site.prepared()
    const words = ['copy', master, medium, '--bearer'] as const
    assert.is((await site.coffer(...words)).code, 77)
    const set = ['title', 'shop', 'set', `org.example.bearer-${scheme}`, '--bearer', 'yes'] as const
    assert.is((await site.center(...set)).code, 0)
    const copied = await site.coffer(...words)
    if (scheme === 'certificate') return assert.is(copied.code, 77, copied.stderr)
    assert.is(copied.code, 0, copied.stderr)
    const env = { COFFER_HOME: site.fresh('home') }
    assert.is((await site.cofferWith({ env }, 'trust', site.url)).code, 0)
    assert.is((await site.cofferWith({ env }, 'run', medium)).stdout, 'ran\n')
    assert.match((await site.coffer('verify', medium)).stdout, /bearer/)
    assert.is(jsonOf(await site.cofferWith({ env }, 'list', medium, '--json')).titles[0].holder, 'anyone')
  })
}

test('list and inspect show media and masters', async () => {
  const medium = await site.medium('certificate')
  const master = await site.master('certificate')
  const listed = jsonOf(await site.coffer('list', medium, '--json'))
  assert.equal([listed.kind, listed.titles.length, listed.damaged], ['medium', 1, []])
  const [ours] = listed.titles
  assert.equal([ours.title, ours.granted, ours.holder, ours.kind], [HELLO, true, 'you', 'perpetual'])
  const foreign = { env: { COFFER_HOME: site.fresh('home') } }
  const [theirs] = jsonOf(await site.cofferWith(foreign, 'list', medium, '--json')).titles
  assert.equal([theirs.granted, theirs.holder, theirs.kind], [true, 'another user', undefined])
  assert.match((await site.cofferWith(foreign, 'list', medium)).stdout, / another user's\n/)
  const shown = (await site.coffer('list', medium)).stdout.split('\n')
  assert.equal(
    shown.filter(line => line.length > 80),
    []
  )
  assert.is(jsonOf(await site.coffer('list', master, '--json')).kind, 'master')
  assert.match((await site.coffer('list', master)).stdout, /^TITLE .*\norg\.example\.hello +1 +Hello/)

  const inspected = jsonOf(await site.coffer('inspect', medium, '--json'))
  assert.is(inspected.mediumId, jsonOf(await site.coffer('verify', medium, '--json')).mediumId)
  assert.ok(inspected.factors.length > 0)
  for (const factor of inspected.factors) {
    assert.is(factor.unchanged, true)
    assert.match(factor.strength, /^(?:hardware|machine|file-system|weak)$/)
  }
  const [{ grants, files }] = inspected.titles
  const [grant] = grants
  assert.equal([grant.type, grant.titleId, files[0].type], ['grant', HELLO, 'title'])
  assert.match(grant.issued, /^\d{4}-\d\d-\d\dT/)
  assert.is(grant.signatures[0].trusted, 'shop')

  const onMaster = jsonOf(await site.coffer('inspect', master, '--json'))
  assert.equal(onMaster.type, 'master')
  assert.equal(
    onMaster.files.map(({ type, id, release }: typeof ours) => [type, id, release]),
    [['title', HELLO, 1]]
  )
  assert.match((await site.coffer('inspect', site.fresh('empty'))).stderr, /COFFER_\w+_MISSING/)
})

test('inspect reads every record there is, and no key file', async () => {
  const medium = await site.medium('conversion')
  const request = site.fresh('request')
  const answer = site.fresh('answer')
  await site.coffer('order', await site.master('conversion'), medium, '--out', request)
  await site.center('issue', 'shop', request, '--out', answer)
  const typeOf = async (path: string) => jsonOf(await site.coffer('inspect', path, '--json')).type
  assert.is(await typeOf(request), 'request')
  assert.is(await typeOf(answer), 'answer')
  assert.is(await typeOf(join(medium, '.coffer/identity')), 'identity')
  assert.is(await typeOf(join(medium, '.coffer/revocations')), 'revocation lists')
  const [centerId] = readdirSync(join(site.home, 'centers'))
  assert.is(await typeOf(join(site.home, 'centers', centerId!, 'roots')), 'root records')
  const key = readFileSync(join(site.home, 'user.key'), 'latin1').trim()
  const refused = await site.coffer('inspect', join(site.home, 'user.key'))
  assert.is(refused.code, 65)
  assert.not.ok((refused.stdout + refused.stderr).includes(key))
  const shown = (await site.coffer('inspect', answer)).stdout
  assert.match(shown, /^chargedMinor +0$/m)
  assert.match(shown, /^answered +\d{4}-\d\d-\d\dT/m)
  assert.match(shown, /wrappedMasterMediumKey/)
})

test('trust: by URL, by file, again; what is no center is refused', async () => {
  const env = { COFFER_HOME: site.fresh('home') }
  const trust = (from: string) => site.cofferWith({ env }, 'trust', from, '--json')
  const first = jsonOf(await trust(site.url))
  assert.equal([first.status, first.name, first.url], ['pinned', 'shop', site.url])
  assert.is(first.fingerprint.replaceAll(' ', ''), first.centerId)
  assert.is(jsonOf(await trust(site.url)).status, 'known')
  const roots = join(site.home, 'centers', first.centerId, 'roots')
  assert.is(jsonOf(await trust(roots)).status, 'known')
  env.COFFER_HOME = site.fresh('home')
  assert.is(jsonOf(await trust(roots)).status, 'pinned')

  assert.is((await trust('http://127.0.0.1:1')).code, 69)
  assert.is((await trust('ftp://center.example')).code, 64)
  assert.is((await trust(site.path('nothing'))).code, 66)
  const forged = site.fresh('roots')
  const bytes = readFileSync(roots)
  bytes[bytes.length >> 1]! ^= 1
  writeFileSync(forged, bytes)
  assert.is((await trust(forged)).code, 65)
})

test('press: a center that is not pinned, a publisher that is not known, an app that is none', async () => {
  const press = (env: Record<string, string>, app: string, publisher: string) =>
    site.cofferWith(
      { env },
      'press',
      app,
      '--out',
      site.fresh('master'),
      '--center',
      site.url,
      '--publisher',
      publisher,
      '--json'
    )
  const app = site.app('org.example.pressed', 'export default () => 0')
  const stranger = await press({ COFFER_HOME: site.fresh('home') }, app, site.publisherFile)
  const { code, hint } = jsonOf(stranger).error
  assert.equal([stranger.code, code], [77, 'COFFER_CENTER_UNTRUSTED'])
  assert.match(hint, 'coffer trust')
  const unknownKey = site.fresh('key')
  await site.coffer('keygen', '--publisher', unknownKey)
  assert.is(jsonOf(await press({}, app, unknownKey)).error.code, 'COFFER_PUBLISHER_UNKNOWN')
  assert.is((await press({}, app, site.path('no.key'))).code, 66)
  assert.is((await press({}, site.path('nothing'), site.publisherFile)).code, 66)
  assert.is((await press({}, site.app('No Id', ''), site.publisherFile)).code, 65)
  assert.is((await press({}, site.app('org.example.broken', 'let ='), site.publisherFile)).code, 65)
  const foreign = await press({}, site.app('org.example.node', "import 'node:fs'"), site.publisherFile)
  assert.is(jsonOf(foreign).error.code, 'COFFER_PROGRAM_INVALID')
})

test('keygen, prepare, press and apply answer programs with one object, too', async () => {
  const env = { COFFER_HOME: site.fresh('home') }
  const key = jsonOf(await site.cofferWith({ env }, 'keygen', '--json'))
  assert.equal([key.owner, key.path], ['user', join(env.COFFER_HOME, 'user.key')])
  assert.match(key.publicKey, /^coffer-user-[\w-]+$/)

  const medium = site.fresh('medium')
  const prepared = jsonOf(await site.coffer('prepare', medium, '--json'))
  assert.equal([prepared.path, prepared.kind], [medium, 'folder'])
  assert.match(prepared.mediumId, /^[0-9a-f]{64}$/)
  for (const { name, strength } of prepared.factors) assert.ok(name.length > 0 && strength.length > 0)

  const app = site.app('org.example.spoken', 'export default () => 0')
  const words = ['--center', site.url, '--publisher', site.publisherFile, '--json']
  const pressed = jsonOf(await site.coffer('press', app, '--out', site.fresh('master'), ...words))
  assert.equal([pressed.title, pressed.release, pressed.scheme], ['org.example.spoken', 1, 'certificate'])
  assert.is(pressed.bytes, statSync(pressed.path).size)
  const inspected = jsonOf(await site.coffer('inspect', pressed.path, '--json'))
  assert.equal(
    [inspected.type, inspected.id, inspected.fileBytes],
    ['title', 'org.example.spoken', pressed.bytes]
  )

  const request = site.fresh('request')
  const answer = site.fresh('answer')
  assert.is((await site.coffer('order', pressed.path, medium, '--out', request)).code, 0)
  assert.is((await site.center('issue', 'shop', request, '--out', answer)).code, 0)
  const applied = jsonOf(await site.coffer('apply', answer, medium, '--master', pressed.path, '--json'))
  assert.equal([applied.title, applied.mediumId], ['org.example.spoken', prepared.mediumId])
  assert.is(applied.recomputedCertificate, applied.certificate)
})

test('keygen never overwrites a key', async () => {
  const path = join(site.home, 'user.key')
  const before = readFileSync(path)
  assert.is((await site.coffer('keygen')).code, 73)
  assert.equal(readFileSync(path), before)
  if (process.platform !== 'win32') assert.is(statSync(path).mode & 0o777, 0o600)
  assert.not.ok(existsSync(site.path('user.key')))
})

test('prepare leaves a master a master', async () => {
  const master = await site.master('certificate')
  const refused = await site.coffer('prepare', master, '--json')
  assert.equal([refused.code, jsonOf(refused).error.code], [73, 'COFFER_EXISTS'])
  assert.equal(readdirSync(master), [`${HELLO}-1.title`, 'revocations'])
  assert.is(jsonOf(await site.coffer('list', master, '--json')).titles.length, 1)
})

test('a slip in the id of a title is told with the one that was meant', async () => {
  const [master, medium] = [await site.master('certificate'), await site.medium('certificate')]
  for (const words of [
    ['run', medium, 'org.example.helo'],
    ['verify', medium, 'org.example.helo'],
    ['copy', master, medium, '--title', 'org.example.helo']
  ])
    assert.match((await site.coffer(...words)).stderr, /Did you mean "org\.example\.hello"\?/)
})

test('trust says what is wrong with what it was given', async () => {
  const trusted = async (from: string) => jsonOf(await site.coffer('trust', from, '--json')).error
  const { host } = new URL(site.url)
  assert.match((await trusted(host)).hint, `Did you mean "http://${host}"?`)
  assert.match((await trusted('center.example:443')).hint, 'Did you mean "https://center.example:443"?')
  assert.match((await trusted(`https://${host}`)).hint, `does not speak TLS there: try ${site.url} `)
  const elsewhere = await trusted(`${site.url}/x/y`)
  assert.equal(
    [elsewhere.code, /no license center at .*\/x\/y\./.test(elsewhere.message)],
    ['COFFER_CENTER_FAILED', true]
  )
  assert.match((await trusted(join(ROOT, 'README.md'))).message, /README\.md is not a file of root records/)
})

test('a home that has nothing is named: COFFER_HOME may be a slip', async () => {
  const empty = { COFFER_HOME: site.fresh('hoem') }
  const medium = await site.medium('certificate')
  const { error } = jsonOf(await site.cofferWith({ env: empty }, 'run', medium, '--json'))
  assert.is(error.code, 'COFFER_CENTER_UNTRUSTED')
  assert.ok(error.hint.includes(`no key and no trusted center in ${empty.COFFER_HOME}: `), error.hint)
  assert.is((await site.cofferWith({ env: empty }, 'keygen')).code, 0)
  assert.not.match(
    jsonOf(await site.cofferWith({ env: empty }, 'run', medium, '--json')).error.hint,
    'COFFER_HOME'
  )
})

test('apply tells a request from an answer, a title that is not there, and what was applied before', async () => {
  const id = 'org.example.applied'
  const master = await site.press(site.app(id, 'export default () => 0'))
  assert.is((await site.center('title', 'shop', 'set', id, '--price', '900')).code, 0)
  const medium = await site.prepared()
  const [request, answer] = [site.fresh('request'), site.fresh('answer')]
  assert.is((await site.coffer('order', master, medium, '--out', request)).code, 0)
  assert.is((await site.center('issue', 'shop', request, '--out', answer)).code, 0)

  const early = jsonOf(await site.coffer('apply', request, medium, '--json')).error
  assert.match(early.message, /is a request, not the answer to one/)
  const bare = jsonOf(await site.coffer('apply', answer, medium, '--json')).error
  assert.equal([bare.code, bare.hint.endsWith('--master <master>')], ['COFFER_TITLE_MISSING', true])

  const words = ['apply', answer, medium, '--master', master]
  const first = await site.coffer(...words)
  assert.match(first.stderr + first.stdout, /charged 9\.00 EUR[^]*charged 9\.00 EUR/)
  for (const again of [await site.coffer(...words), await site.coffer('apply', answer, medium)]) {
    assert.is(again.code, 0, again.stderr)
    assert.not.match(again.stderr + again.stdout, '9.00')
    assert.match(again.stdout, 'nothing is charged again')
  }
})

test('an identity that is damaged is named, with what that means', async () => {
  const medium = await site.prepared()
  const path = join(medium, '.coffer/identity')
  chmodSync(path, 0o644)
  writeFileSync(path, 'COFF')
  const { error } = jsonOf(await site.coffer('run', medium, '--json'))
  assert.is(error.code, 'COFFER_RECORD_DAMAGED')
  assert.ok(error.message.includes(path), error.message)
  assert.match(error.hint, /remove it and prepare the medium again/)
})

test.run()
