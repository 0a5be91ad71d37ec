/** Copying: whatever goes wrong, the medium has what it had or what it was to get. */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import fs, { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type RequestListener } from 'node:http'
import { syncBuiltinESMExports } from 'node:module'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { createCenter } from '../../center/center.js'
import { fromHex } from '../../formats/bytes.js'
import { decode } from '../../formats/msgpack.js'
import {
  encodeAnswer,
  openAnswer,
  type Answer,
  type AnswerAttachments
} from '../../formats/records/answer.js'
import { openRequest } from '../../formats/records/request.js'
import {
  decodeCollection,
  encodeCollection,
  encodeRevocations,
  openRevocations
} from '../../formats/records/revocations.js'
import {
  applyAnswer,
  CenterClient,
  copy,
  listMaster,
  requestCopy,
  type CopyEvent,
  type Home
} from '../../loader/copier/index.js'
import { acceptAnswer } from '../../loader/copier/order.js'
import { mediumPaths } from '../../loader/medium/layout.js'
import { clone } from '../helpers/clone.js'
import {
  closeSites,
  filesUnder,
  librarySite,
  MARKER,
  release,
  SCHEMES,
  snapshot
} from '../helpers/library-site.js'
import { rejectsWith } from '../helpers/rejects.js'

const site = await librarySite()
test.after(closeSites)

const CHILD = fileURLToPath(new URL('../helpers/library-child.js', import.meta.url))
const options = { home: site.home, powers: site.powers }

// ---------------------------------------------------------------- once, again, and the next release

for (const scheme of SCHEMES) {
  test(`copying a ${scheme} title again costs nothing and changes nothing that counts`, async () => {
    const id = `org.again.${scheme}`
    const { master } = await site.press(id, { scheme })
    await site.center.desk.setTerms(id, { priceMinor: 500, currency: 'EUR' })
    const root = site.prepare()
    const first = await site.copy(master, root, id)
    assert.equal([first.chargedMinor, first.currency], [500, 'EUR'])
    const files = [...snapshot(root).keys()]
    const second = await site.copy(master, root, id)
    assert.is(second.chargedMinor, 0)
    assert.equal([...snapshot(root).keys()], files)
    await site.runs(root, id)
  })

  test(`the old release of a ${scheme} title stays until the new one is in place, and goes then`, async () => {
    const id = `org.update.${scheme}`
    const one = await site.press(id, { scheme, ...release(1) })
    const two = await site.press(id, { scheme, ...release(2) })
    const root = site.prepare()
    const paths = mediumPaths(root)
    await site.copy(one.master, root, id)
    const before = snapshot(root)
    const steps: string[] = []
    await site.copy(two.master, root, id, {
      onEvent({ step }) {
        if (steps.at(-1) !== step) steps.push(step)
        for (const [name, bytes] of before)
          assert.is(readFileSync(join(paths.folder, name)).toString('base64'), bytes, `${name} at ${step}`)
      }
    })
    assert.equal(
      steps,
      scheme === 'certificate'
        ? ['S1', 'S2', 'S3', 'S4', 'S5', 'S6', 'S7', 'verify']
        : ['S11', 'S14', 'S15', 'unwrapped', 'S16', 'verify']
    )
    assert.is(await site.running(root, id), 'release 2')
    assert.equal(readdirSync(paths.titles), [`${id}-2.title`])
    // Not back from an old master, and nothing is ordered for it; but when the person asks for it.
    const current = snapshot(root)
    const older = await rejectsWith('COFFER_DOWNGRADE', () => site.copy(one.master, root, id))
    assert.match(older.hint!, '--release 1')
    await rejectsWith('COFFER_DOWNGRADE', () => requestCopy(one.master, root, id, options))
    assert.equal(snapshot(root), current)
    clone(one.path, join(two.master, `${id}-1.title`))
    await site.copy(two.master, root, id)
    assert.is(await site.running(root, id), 'release 2')
    await site.copy(two.master, root, id, { release: 1 })
    assert.is(await site.running(root, id), 'release 1')
    assert.equal(readdirSync(paths.titles), [`${id}-1.title`])
  })
}

test('an answer that was ordered before a newer release came is applied only when the person asks for it', async () => {
  const id = 'org.update.late'
  const one = await site.press(id, release(1))
  const two = await site.press(id, release(2))
  const root = site.prepare()
  const answer = await site.center.issue(requestCopy(one.master, root, id, options).bytes)
  await site.copy(two.master, root, id)
  await rejectsWith('COFFER_DOWNGRADE', () => applyAnswer(answer, one.master, root, options))
  await rejectsWith('COFFER_DOWNGRADE', () =>
    applyAnswer(answer, one.master, root, { ...options, release: 2 })
  )
  assert.is(await site.running(root, id), 'release 2')
  await applyAnswer(answer, one.master, root, { ...options, release: 1 })
  assert.is(await site.running(root, id), 'release 1')
})

for (const scheme of SCHEMES)
  test(`a copy of a ${scheme} title is interrupted wherever it is, and the medium is as it was`, async () => {
    const id = `org.interrupted.${scheme}`
    const one = await site.press(id, { scheme, ...release(1) })
    const two = await site.press(id, { scheme, ...release(2) })
    const root = site.prepare()
    await site.copy(one.master, root, id)
    const files = () => filesUnder(mediumPaths(root).folder)
    const before = files()
    const steps = scheme === 'conversion' ? ['S14', 'S15', 'S16', 'verify'] : ['S2', 'S3', 'S7', 'verify']
    for (const step of steps) {
      const controller = new AbortController()
      const onEvent = (event: { step: string }) => {
        if (event.step === step) controller.abort()
      }
      const { signal } = controller
      await rejectsWith('COFFER_INTERRUPTED', () =>
        copy(two.master, root, id, { ...options, onEvent, signal })
      )
      assert.equal(files(), before, step)
      assert.is(await site.running(root, id), 'release 1', step)
    }
    await rejectsWith('COFFER_INTERRUPTED', () =>
      copy(two.master, root, id, { ...options, signal: AbortSignal.abort() })
    )
    await site.copy(two.master, root, id)
    assert.is(await site.running(root, id), 'release 2')
  })

test('a large title is flushed along the way, and a medium that fails then is told of, with nothing left on it', async () => {
  const { fsync } = fs
  let calls = 0
  let failing = 0
  fs.fsync = ((descriptor: number, done: (error: Error | null) => void) => {
    if (++calls === failing) setTimeout(done, 20, Object.assign(new Error('made to fail'), { code: 'EIO' }))
    else fsync(descriptor, done)
  }) as typeof fs.fsync
  syncBuiltinESMExports()
  try {
    const id = 'org.along'
    const { master } = await site.press(id, { assets: { large: new Uint8Array(33 * 1024 * 1024) } })
    const root = site.prepare()
    for (failing = 1; failing <= 3; failing++) {
      calls = 0
      const error = await rejectsWith('COFFER_IO', () => site.copy(master, root, id))
      assert.match(error.message, /Cannot write/)
      assert.is(calls, failing, 'nothing more is written')
      assert.equal(
        filesUnder(mediumPaths(root).folder).filter(file => file !== 'identity' && file !== 'revocations'),
        []
      )
    }
    calls = 0
    await site.copy(master, root, id)
    assert.is(calls, 3, 'after 16 and 32 MiB, and at the end')
    await site.runs(root, id)
  } finally {
    fs.fsync = fsync
    syncBuiltinESMExports()
  }
})

test('a title changes its scheme on a medium and back, and nothing is left of the other', async () => {
  const id = 'org.update.scheme'
  const pressed = {
    certificate: await site.press(id, { scheme: 'certificate', ...release(1) }),
    conversion: await site.press(id, { scheme: 'conversion', ...release(1) })
  }
  const root = site.prepare()
  const paths = mediumPaths(root)
  await site.copy(pressed.certificate.master, root, id)
  for (const [from, to] of [
    ['certificate', 'conversion'],
    ['conversion', 'certificate'],
    ['certificate', 'certificate'],
    ['certificate', 'conversion'],
    ['conversion', 'conversion']
  ] as const) {
    await site.copy(pressed[to].master, root, id)
    assert.is(readdirSync(paths.titles).length, 1, `${from} to ${to}`)
    assert.is(await site.running(root, id), 'release 1')
  }
})

// ---------------------------------------------------------------- several on one medium

for (const scheme of SCHEMES) {
  test(`two users have one ${scheme} title on one medium, each his own license and release`, async () => {
    const id = `org.shared.${scheme}`
    const one = await site.press(id, { scheme, ...release(1) })
    const two = await site.press(id, { scheme, ...release(2) })
    const [root, other] = [site.prepare(), await site.newHome()]
    const paths = mediumPaths(root)
    const runningFor = (home: Home) => site.running(root, id, home)
    await site.copy(one.master, root, id)
    await rejectsWith('COFFER_USER_MISMATCH', () => site.launch(root, id, {}, other))
    await site.copy(one.master, root, id, { home: other })
    assert.equal([await runningFor(site.home), await runningFor(other)], ['release 1', 'release 1'])
    assert.equal(readdirSync(paths.titles).length, 1)
    await site.copy(two.master, root, id, { home: other })
    assert.equal([await runningFor(site.home), await runningFor(other)], ['release 1', 'release 2'])
    assert.equal(readdirSync(paths.titles).length, 2)
    await site.copy(two.master, root, id)
    assert.equal([await runningFor(site.home), await runningFor(other)], ['release 2', 'release 2'])
    assert.equal(readdirSync(paths.titles), [`${id}-2.title`])
    assert.is(readdirSync(paths.grants).length, 2)
    // Again, and each stays with his own.
    const before = [...snapshot(root).keys()]
    await site.copy(two.master, root, id, { home: other })
    await site.copy(two.master, root, id)
    assert.equal([...snapshot(root).keys()], before)
    // The second's grant under the first's name opens nothing for the first.
    const [mine, own] = readdirSync(paths.grants).sort((a, b) => a.length - b.length) as [string, string]
    writeFileSync(join(paths.grants, mine), readFileSync(join(paths.grants, own)))
    await rejectsWith('COFFER_USER_MISMATCH', () => site.launch(root, id))
  })
}

test('titles of two centers lie on one medium, but not two of one name', async () => {
  const other = await librarySite()
  const { master, id } = titles.certificate
  const root = site.prepare()
  await site.copy(master, root, id)
  const both = site.home
  both.pin(await new CenterClient(other.url).roots(), other.url)
  const named = await other.press('org.of.other')
  await site.copy(named.master, root, named.id)
  await site.runs(root, id)
  await site.runs(root, named.id)
  const same = await other.press(id)
  const before = snapshot(root)
  await rejectsWith('COFFER_EXISTS', () => site.copy(same.master, root, id))
  assert.equal(snapshot(root), before)
})

// ---------------------------------------------------------------- plaintext

const hasStrace = spawnSync('strace', ['-V']).status === 0

/** Run the child under strace. Not waited for in one call: the center answers from this process. @returns Its exit code. */
async function underStrace(watching: readonly string[], args: readonly string[]): Promise<number | null> {
  const child = spawn('strace', ['-f', '-qq', ...watching, process.execPath, CHILD, ...args], {
    stdio: 'ignore'
  })
  const [status] = (await once(child, 'exit')) as [number | null]
  return status
}

test('neither copying nor running writes plaintext anywhere', async () => {
  const secret = 'plaintext-that-is-not-to-be-written'
  for (const scheme of SCHEMES) {
    const id = `org.plaintext.${scheme}`
    const now = site.clock.at
    site.clock.at = Math.floor(Date.now() / 1000)
    const { master } = await site.press(id, {
      scheme,
      source: `export const secret = '${secret}'; export default () => secret.length > 9 ? 0 : 1`,
      assets: { 'a.txt': `${secret} `.repeat(3000) }
    })
    const root = site.prepare()
    const trace = join(site.folder, 'trace')
    const watched = async (...args: string[]) => {
      const calls = 'trace=write,pwrite64,writev,pwritev,pwritev2'
      assert.is(await underStrace(['-s', '1048576', '-e', calls, '-o', trace], args), 0, args[0])
      const written = readFileSync(trace, 'latin1')
      rmSync(trace)
      assert.not.ok(written.includes(secret), `${args[0]} wrote plaintext (${scheme})`)
      return written
    }
    if (hasStrace) {
      const copied = await watched('copy', site.home.folder, master, root, id)
      assert.ok(copied.includes(String.raw`\211CFT`), 'the trace does not show the sealed title')
      await watched('run', site.home.folder, root, id)
    } else {
      await site.copy(master, root, id)
      await site.run(root, id)
    }
    for (const file of filesUnder(site.folder))
      if (!file.startsWith('app-'))
        assert.not.ok(readFileSync(join(site.folder, file)).includes(secret), `plaintext in ${file}`)
    site.clock.at = now
  }
  if (!hasStrace) console.log('skip: strace is not installed, so only files were searched')
})

// ---------------------------------------------------------------- a master that is damaged

test('a master that is damaged anywhere changes nothing on the medium', async () => {
  for (const scheme of SCHEMES) {
    const id = `org.master.${scheme}`
    const one = await site.press(id, { scheme, ...release(1) })
    const two = await site.press(id, { scheme, ...release(2) })
    const root = site.prepare()
    await site.copy(one.master, root, id)
    const before = snapshot(root)
    const whole = readFileSync(two.path)
    const [start] = [whole.length - listMaster(two.master).titles[0]!.payloadBytes]
    const places = [
      0,
      5,
      11,
      40,
      start - 1,
      start,
      start + 30,
      start + 100,
      whole.length >> 1,
      whole.length - 1
    ]
    for (const at of places) {
      const changed = Uint8Array.from(whole)
      changed[at]! ^= 1
      writeFileSync(two.path, changed)
      const error = await site.copy(two.master, root, id).then(
        () => assert.unreachable(`copied with byte ${at} changed`),
        (error: { exitCode: number; hint: string }) => error
      )
      assert.is(error!.exitCode, 65)
      assert.ok(error!.hint)
      assert.equal(snapshot(root), before, `byte ${at}`)
    }
    for (const length of [0, 100, start, whole.length - 1]) {
      writeFileSync(two.path, whole.subarray(0, length))
      const error = await site.copy(two.master, root, id).catch((error: { exitCode: number }) => error)
      assert.is((error as { exitCode: number }).exitCode, 65)
    }
    assert.equal(snapshot(root), before)
    assert.is(await site.running(root, id), 'release 1')
  }
})

test('a master names what it has, and what it cannot read', async () => {
  const { master, path } = await site.press('org.listed')
  clone(path, join(master, 'copy.title'))
  writeFileSync(join(master, 'broken.title'), 'no title')
  writeFileSync(join(master, 'notes.txt'), 'no title')
  const { titles, damaged } = listMaster(master)
  assert.equal(
    titles.map(({ id }) => id),
    ['org.listed', 'org.listed']
  )
  assert.equal(
    damaged.map(({ path, error }) => [path, error.code]),
    [[join(master, 'broken.title'), 'COFFER_RECORD_DAMAGED']]
  )
  assert.is(listMaster(path).titles.length, 1)
  const root = site.prepare()
  await rejectsWith('COFFER_RECORD_DAMAGED', () => site.copy(master, root, 'org.other'))
  rmSync(join(master, 'broken.title'))
  const missing = await rejectsWith('COFFER_TITLE_MISSING', () => site.copy(master, root, 'org.other'))
  assert.match(missing.found!, 'org.listed release 1')
  for (const nowhere of [site.path('nowhere'), join(path, 'below'), `${site.path('nowhere')}.title`]) {
    const error = await rejectsWith('COFFER_MEDIUM_MISSING', () => site.copy(nowhere, root, 'org.listed'))
    assert.ok(error.hint, nowhere)
  }
  await rejectsWith('COFFER_MEDIUM_MISSING', () => site.copy(master, site.path('nowhere'), 'org.listed'))
  await site.copy(path, root, 'org.listed')
  await site.runs(root, 'org.listed')
})

// ---------------------------------------------------------------- answers

const titles = Object.fromEntries(
  await Promise.all(
    SCHEMES.map(async scheme => [scheme, await site.press(`org.answered.${scheme}`, { scheme })] as const)
  )
) as unknown as Record<(typeof SCHEMES)[number], { master: string; id: string }>

for (const scheme of SCHEMES) {
  test(`a ${scheme} title is copied by files, and the answer serves its own medium and user alone`, async () => {
    const { master, id } = titles[scheme]
    const root = site.prepare()
    const order = requestCopy(master, root, id, options)
    const answer = await site.center.issue(order.bytes)
    const other = site.prepare()
    const before = [snapshot(root), snapshot(other)]

    await rejectsWith('COFFER_ANSWER_MISMATCH', () => applyAnswer(answer, master, other, options))
    const stranger = await site.newHome()
    await rejectsWith('COFFER_USER_MISMATCH', () =>
      applyAnswer(answer, master, root, { ...options, home: stranger })
    )
    const unpinned = await site.newHome({ pinned: false })
    await rejectsWith('COFFER_CENTER_UNTRUSTED', () =>
      applyAnswer(answer, master, root, { ...options, home: unpinned })
    )
    for (let at = 0; at < answer.length; at += 41) {
      const changed = answer.slice()
      changed[at]! ^= 1
      const error = await Promise.resolve()
        .then(() => applyAnswer(changed, master, root, options))
        .catch((error: { exitCode: number }) => error)
      assert.ok([65, 77].includes((error as { exitCode: number }).exitCode), `byte ${at} of the answer`)
    }
    const grants = ({ folder }: { folder: string }) =>
      filesUnder(folder).filter(file => file !== 'revocations')
    assert.equal(grants(mediumPaths(root)), [...before[0]!.keys()])
    assert.equal(grants(mediumPaths(other)), [...before[1]!.keys()])

    await applyAnswer(answer, master, root, options)
    await applyAnswer(answer, master, root, options)
    await site.runs(root, id)
  })
}

/** What a hostile or faulty center could answer: its own answer to this request, changed and signed again. */
async function answerWith(
  request: Uint8Array,
  change: Partial<Answer & AnswerAttachments>
): Promise<Uint8Array> {
  const { answer } = openAnswer(await site.center.issue(request), site.home.centers())!
  const { answered, centerId, chargedMinor, currency, requestHash, requestId, ...attachments } = {
    ...answer,
    ...change
  }
  return site.vault.sign(
    encodeAnswer,
    { answered, centerId, chargedMinor, currency, requestHash, requestId },
    attachments
  )
}

test('an answer to another order, or with what belongs to another, is refused', async () => {
  const { master, id } = titles.conversion
  const root = site.prepare()
  const order = requestCopy(master, root, id, options)
  const second = requestCopy(master, root, id, options)
  const answer = await site.center.issue(order.bytes)
  acceptAnswer(answer, site.home, order.request)
  const error = await rejectsWith('COFFER_ANSWER_MISMATCH', () =>
    acceptAnswer(answer, site.home, second.request)
  )
  assert.ok(error.hint)

  // Its keys for another title, or none.
  const swapped = await site.center.issue(
    requestCopy(titles.certificate.master, root, titles.certificate.id, options).bytes
  )
  const { answer: other } = openAnswer(swapped, site.home.centers())!
  const withGrant = await answerWith(order.bytes, { grant: other.grant })
  await rejectsWith('COFFER_TITLE_MISSING', () => applyAnswer(withGrant, master, root, options))
  const { wrappedMasterMediumKey: _none, ...without } = openAnswer(answer, site.home.centers())!.answer
  const keyless = site.vault.sign(
    encodeAnswer,
    {
      answered: without.answered,
      centerId: without.centerId,
      chargedMinor: 0,
      currency: 'EUR',
      requestHash: without.requestHash,
      requestId: without.requestId
    },
    { grant: without.grant!, revocations: without.revocations, roots: without.roots }
  )
  await rejectsWith('COFFER_ENCODING', () => applyAnswer(keyless, master, root, options))
  const wrongKey = await answerWith(order.bytes, { wrappedMasterMediumKey: new Uint8Array(40) })
  await rejectsWith('COFFER_KEY_UNWRAP', () => applyAnswer(wrongKey, master, root, options))
  assert.equal(readdirSync(mediumPaths(root).titles), [])
  assert.equal(readdirSync(mediumPaths(root).grants), [])
})

test('a trusted center cannot make the buyer trust another', async () => {
  const rival = await createCenter(site.path('rival'), { name: 'Rival' }, site.powers)
  const { roots } = decode(await rival.roots()) as { roots: Uint8Array[] }
  await rival.close()
  const { master, id } = titles.certificate
  const root = site.prepare()
  const order = requestCopy(master, root, id, options)
  const answer = await answerWith(order.bytes, { roots })
  await rejectsWith('COFFER_ANSWER_MISMATCH', () => acceptAnswer(answer, site.home, order.request))
  assert.is(site.home.center(fromHex(rival.centerId)), undefined)
})

// ---------------------------------------------------------------- revocation lists

test('an older revocation list never replaces a newer one, wherever it comes from', async () => {
  const { master, id } = titles.certificate
  const root = site.prepare()
  const list = (sequence: number) =>
    site.vault.sign(encodeRevocations, {
      centerId: fromHex(site.center.centerId),
      entries: [],
      issued: site.clock.at,
      sequence
    })
  const sequenceOn = (medium: string, home: Home) =>
    decodeCollection(readFileSync(mediumPaths(medium).revocations)).lists.flatMap(
      bytes =>
        openRevocations(bytes, [home.center(fromHex(site.center.centerId))!])?.revocations.sequence ?? []
    )
  await site.copy(master, root, id)
  const answered = sequenceOn(root, site.home)
  assert.is(answered.length, 1)
  const put = (path: string, ...lists: Uint8Array[]) => writeFileSync(path, encodeCollection({ lists }))
  put(join(master, 'revocations'), list(950))
  await site.copy(master, root, id)
  assert.equal(sequenceOn(root, site.home), [950])
  put(join(master, 'revocations'), list(40))
  await site.copy(master, root, id)
  assert.equal(sequenceOn(root, site.home), [950])
  put(
    mediumPaths(root).revocations,
    encodeRevocations(
      { centerId: new Uint8Array(32), entries: [], issued: 0, sequence: 9999 },
      new Uint8Array(32)
    )
  )
  // The newest that was ever seen is at home.
  await site.copy(master, root, id)
  assert.equal(sequenceOn(root, site.home), [950])
  // What is damaged is replaced: that is what the copy is for.
  for (const damaged of ['', 'noise', readFileSync(mediumPaths(root).revocations).subarray(0, 50)]) {
    writeFileSync(mediumPaths(root).revocations, damaged)
    await site.copy(master, root, id)
    assert.equal(sequenceOn(root, site.home), [950])
  }
  rmSync(join(master, 'revocations'))
  await site.runs(root, id)
})

// ---------------------------------------------------------------- a center that does not answer as it should

test('a center that is away, or is none, changes nothing and says so', async () => {
  const { master, id } = titles.certificate
  const root = site.prepare()
  const before = snapshot(root)
  const at = async (listener: RequestListener, code: Parameters<typeof rejectsWith>[0]) => {
    const server = createServer(listener).listen(0, '127.0.0.1')
    await once(server, 'listening')
    try {
      const { port } = server.address() as AddressInfo
      const error = await rejectsWith(code, () =>
        site.copy(master, root, id, { centerUrl: `http://127.0.0.1:${port}` })
      )
      assert.ok(error.hint)
      assert.not.match(`${error.message}${error.hint}${error.expected}${error.found}`, /\p{Cc}/u)
      assert.equal(snapshot(root), before)
      return error
    } finally {
      server.closeAllConnections()
      server.close()
    }
  }
  await at((_request, response) => response.end('<html>hello</html>'), 'COFFER_RECORD_DAMAGED')
  await at((_request, response) => response.end(), 'COFFER_RECORD_DAMAGED')
  await at((_request, response) => response.writeHead(500).end('oops'), 'COFFER_CENTER_FAILED')
  await at(
    (_request, response) => response.writeHead(302, { location: site.url }).end(),
    'COFFER_CENTER_FAILED'
  )
  await at((request, _response) => request.socket.destroy(), 'COFFER_CENTER_UNREACHABLE')
  await at((_request, response) => {
    response.writeHead(200)
    const pour = () => {
      while (response.write(new Uint8Array(65_536)));
    }
    response.on('drain', pour)
    pour()
  }, 'COFFER_CENTER_FAILED')
  const problem = {
    code: 'COFFER_QUOTA',
    detail: 'No \x1b[2Jmore\u202e.',
    hint: 'Ask.\n',
    expected: 'a',
    found: 7
  }
  const quota = await at(
    (_request, response) => response.writeHead(403).end(JSON.stringify(problem)),
    'COFFER_QUOTA'
  )
  assert.is(quota.message, 'No  [2Jmore .')
  for (const odd of [{ ...problem, code: 'constructor' }, { ...problem, detail: 1 }, null, []])
    await at((_request, response) => response.writeHead(403).end(JSON.stringify(odd)), 'COFFER_CENTER_FAILED')
  // Somebody else's answer, played back.
  const old = await site.center.issue(requestCopy(master, root, id, options).bytes)
  await at((_request, response) => response.end(old), 'COFFER_ANSWER_MISMATCH')
  const away = await rejectsWith('COFFER_CENTER_UNREACHABLE', () =>
    site.copy(master, root, id, { centerUrl: 'http://127.0.0.1:9' })
  )
  assert.match(away.hint!, 'not charged twice')
  for (const centerUrl of ['ftp://x', 'nothing', 'javascript:alert(1)', ''])
    await rejectsWith('COFFER_USAGE', () => site.copy(master, root, id, { centerUrl }))
  assert.equal(snapshot(root), before)
  assert.not.ok(existsSync(join(mediumPaths(root).folder, 'lock')))
})

test('what may not be ordered is not ordered', async () => {
  const { master, id } = titles.certificate
  const root = site.prepare()
  const home = (given: Home) => site.copy(master, root, id, { home: given })
  await rejectsWith('COFFER_USER_KEY_MISSING', async () => home(await site.newHome({ withKey: false })))
  await rejectsWith('COFFER_CENTER_UNTRUSTED', async () => home(await site.newHome({ pinned: false })))
  await rejectsWith('COFFER_REQUEST_REFUSED', () => site.copy(master, root, id, { bind: ['medium'] }))
  await site.center.desk.setTerms(id, { copies: 0 })
  await rejectsWith('COFFER_QUOTA', () => site.copy(master, root, id))
  await site.center.desk.setTerms(id, { copies: null })
  assert.equal(readdirSync(mediumPaths(root).grants), [])
})

test("an order says what it is for, and nothing of the person's secret", () => {
  const { master, id } = titles.certificate
  const root = site.prepare()
  const events: CopyEvent[] = []
  const { bytes } = requestCopy(master, root, id, { ...options, onEvent: event => events.push(event) })
  const request = openRequest(bytes)
  assert.equal([request.titleId, request.release, request.bind], [id, 1, ['medium', 'user']])
  assert.equal(
    events.map(({ step }) => step),
    ['S1']
  )
  const keys = site.keysIn('user', site.home.userKeyFile)
  for (const secret of [keys.signSeed, keys.sealSecret])
    assert.not.ok(Buffer.from(bytes).includes(Buffer.from(secret)))
  assert.not.ok(Buffer.from(bytes).includes(MARKER))
})

test.run()
