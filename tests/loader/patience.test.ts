/** A center that has too much to do is asked again, as it says, with the same bytes; within a bound. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { spawnSync } from 'node:child_process'
import { createServer } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { serve } from '../../center/http/http.js'
import { CenterClient, type ClientOptions } from '../../loader/copier/center-client.js'
import { MAX_REVOCATIONS_BYTES } from '../../formats/limits.js'
import { newCenter, pressed, requestBytes } from '../center/parties.js'
import { rejectsWith } from '../helpers/rejects.js'

/** Answers as it is told, one after another. @returns What it was sent, too. */
async function answering(
  ...answers: readonly (readonly [status: number, headers: Record<string, string>, body?: string])[]
) {
  const bodies: string[] = []
  const server = createServer((request, response) => {
    const parts: Buffer[] = []
    request.on('data', part => parts.push(part))
    request.on('end', () => {
      bodies.push(Buffer.concat(parts).toString('latin1'))
      const [status, headers, body] = answers[bodies.length - 1] ?? answers.at(-1)!
      response.writeHead(status, headers).end(body)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    bodies,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () => server.close()
  }
}

test('an order that a rate limit stopped is sent again, is answered, and charged once', async () => {
  const shop = await newCenter()
  await pressed(shop)
  const serving = await serve(shop.center, { signerRate: { burst: 1, perSecond: 1 } })
  const waits: number[] = []
  const client = new CenterClient(serving.url, { onWait: seconds => void waits.push(seconds) })
  const first = requestBytes(shop.pinned.centerId)
  const answer = await client.order(first)
  const again = await client.order(first)
  assert.equal(again, answer)
  assert.equal(waits, [1])
  assert.is((await shop.center.desk.grants()).length, 1)
  await rejectsWith('COFFER_BUSY', () =>
    new CenterClient(serving.url, { patienceMs: 0 }).order(
      requestBytes(shop.pinned.centerId, { medium: 'b' })
    )
  )
  await serving.close()
  await shop.center.close()
})

test('who waits for a center can be interrupted, whether it has too much to do or says nothing', async () => {
  const busy = await answering([503, { 'retry-after': '60' }])
  const silent = createServer(() => {}).listen(0, '127.0.0.1')
  await once(silent, 'listening')
  for (const url of [busy.url, `http://127.0.0.1:${(silent.address() as AddressInfo).port}`]) {
    const controller = new AbortController()
    setTimeout(() => controller.abort(), 50)
    const client = new CenterClient(url, { signal: controller.signal })
    const started = performance.now()
    await rejectsWith('COFFER_INTERRUPTED', () => client.revocations())
    assert.ok(performance.now() - started < 5000)
  }
  busy.close()
  silent.closeAllConnections()
  silent.close()
})

test('seconds, a date or nothing: each wait is as long as was asked, and the bytes are the same', async () => {
  const server = await answering(
    [429, { 'retry-after': '1' }],
    [503, { 'retry-after': new Date(Date.now() + 2500).toUTCString() }],
    [503, {}, JSON.stringify({ code: 'COFFER_BUSY', detail: 'Its database is gone.' })],
    [503, { 'retry-after': 'Thu, 01 Jan 1970 00:00:00 GMT' }],
    [200, {}, 'answer']
  )
  const waits: number[] = []
  const reasons: string[] = []
  const client = new CenterClient(server.url, {
    onWait(seconds, reason) {
      waits.push(seconds)
      reasons.push(reason)
    }
  })
  const started = performance.now()
  const answer = await client.order(new Uint8Array([1, 2, 3]))
  assert.is(Buffer.from(answer).toString(), 'answer')
  assert.is(waits.length, 4)
  assert.match(reasons[0]!, 'has too much to do')
  assert.is(reasons[2], 'Its database is gone.')
  assert.equal([waits[0], waits[2], waits[3]], [1, 2, 1])
  assert.ok(waits[1]! >= 1 && waits[1]! <= 3)
  assert.ok(performance.now() - started >= (waits.reduce((a, b) => a + b) - 0.1) * 1000)
  assert.equal(server.bodies, Array(5).fill('\x01\x02\x03'))
  server.close()
})

test('a wait that is longer than the patience is not begun: busy, exit 75, in the words of the center if there are any', async () => {
  const problem = { code: 'COFFER_BUSY', detail: 'Too many requests from one sender.', hint: 'Later.' }
  const server = await answering(
    [429, { 'retry-after': '86400' }, JSON.stringify(problem)],
    [503, {}, '<html>']
  )
  const client = new CenterClient(server.url, {
    patienceMs: 1000,
    onWait: () => assert.unreachable('it would be too long')
  })
  const error = await rejectsWith('COFFER_BUSY', () => client.order(new Uint8Array(3)))
  assert.equal([error.message, error.hint, error.exitCode], [problem.detail, 'Later.', 75])
  assert.is((await rejectsWith('COFFER_BUSY', () => client.revocations())).exitCode, 75)
  assert.is(server.bodies.length, 2)
  server.close()
})

test('why a center is waited for is told in its words, once', async () => {
  const copying = new URL('../../loader/cli/copying.js', import.meta.url).href
  const { stderr } = spawnSync(
    process.execPath,
    [
      '--input-type=module',
      '-e',
      `import { tellWait } from ${JSON.stringify(copying)}
       for (const reason of ['gone.', 'gone.', 'busy.']) tellWait({ step: 'wait', seconds: 2, reason })`
    ],
    { encoding: 'utf8' }
  )
  assert.equal(
    stderr.trim().split('\n'),
    ['gone.', 'busy.'].map(reason => `${reason} The center is asked again for up to two minutes.`)
  )
})

test('any other refusal is final at once', async () => {
  const server = await answering([500, { 'retry-after': '1' }], [403, { 'retry-after': '1' }])
  const client = new CenterClient(server.url, { onWait: () => assert.unreachable() })
  await rejectsWith('COFFER_CENTER_FAILED', () => client.revocations())
  await rejectsWith('COFFER_CENTER_FAILED', () => client.revocations())
  server.close()
})

test('an answer may take long as long as it comes, and no longer than the largest at the slowest', async () => {
  const server = createServer((request, response) => {
    const [, parts, pauseMs] = request.url!.match(/(\d+)x(\d+)/)!.map(Number)
    let sent = 0
    const timer = setInterval(() => {
      response.write('x')
      if (++sent === parts) clearInterval(timer)
      if (sent === parts && parts! < 100) response.end()
    }, pauseMs)
    response.on('close', () => clearInterval(timer))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const asked = (path: string, options: ClientOptions) =>
    new CenterClient(`${url}/${path}`, { silenceMs: 400, ...options }).revocations()
  assert.is((await asked('6x100', {})).length, 6)
  const silent = await rejectsWith('COFFER_CENTER_UNREACHABLE', () => asked('6x1000', {}))
  assert.is(silent.found, 'nothing for 0.4 s')
  const slow = await rejectsWith('COFFER_CENTER_UNREACHABLE', () =>
    asked('1000x50', { slowestBytesPerSecond: MAX_REVOCATIONS_BYTES * 10 })
  )
  assert.is(slow.found, 'not all of it within 1 s')
  server.closeAllConnections()
  server.close()
})

test.run()
