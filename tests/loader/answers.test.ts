/** What a center answers to an order, over HTTP and by files: nothing of it is believed that does not belong to that order. */
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
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
import { applyAnswer, requestCopy, type CopyEvent, type Home } from '../../loader/copier/index.js'
import { acceptAnswer } from '../../loader/copier/order.js'
import { mediumPaths } from '../../loader/medium/layout.js'
import { closeSites, filesUnder, librarySite, MARKER, SCHEMES, snapshot } from '../helpers/library-site.js'
import { rejectsWith } from '../helpers/rejects.js'

const site = await librarySite()
test.after(closeSites)

const options = { home: site.home, powers: site.powers }

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
