/** A guest in a thread, against the least that any exchange with a worker costs: a message there and one back. */
import { Worker } from 'node:worker_threads'
import { launch, sync } from '../../sandbox/index.js'
import { compare, report, table } from './measure.js'

/** After 50 ms, some hundreds of calls, one takes twice what it takes later: docs/benchmarks.md. */
const WARM_MS = 2_000

const ECHO = `const { parentPort } = require('node:worker_threads'); parentPort.on('message', m => parentPort.postMessage(m))`

export async function benchThreads(): Promise<void> {
  const source = `import { host } from 'coffer:host'
    export const add = (a, b) => a + b
    export const length = bytes => bytes.length
    export const toHost = n => { let sum = 0; for (let i = 0; i < n; i++) sum += host(i, 1); return sum }`
  await using guest = await launch(new TextEncoder().encode(source), {
    isolation: 'thread',
    limits: { cpuMs: 60_000 },
    capabilities: { host: { host: sync((a: number, b: number) => a + b) } }
  })
  const worker = new Worker(ECHO, { eval: true })
  const echo = (message: unknown) =>
    new Promise(resolve => {
      worker.once('message', resolve)
      worker.postMessage(message)
    })
  const repeat = (action: () => Promise<unknown>) => async (times: number) => {
    for (let i = 0; i < times; i++) await action()
  }
  const bytes = new Uint8Array(1 << 20)
  const rows: [string, number, (times: number) => unknown, (times: number) => unknown][] = [
    ['host to guest, numbers', 1 / 2, repeat(() => guest.call('add', 1, 2)), repeat(() => echo([1, 2]))],
    [
      'guest to host and back, numbers',
      1 / 2,
      times => guest.call('toHost', times),
      repeat(() => echo([1, 2]))
    ],
    ['host to guest, 1 MB of bytes', 1, repeat(() => guest.call('length', bytes)), repeat(() => echo(bytes))]
  ]
  table('Across threads', 'one call', 'coffer', 'postMessage, there and back')
  for (const [what, goal, ours, theirs] of rows) {
    const times = await compare(
      [
        { name: 'ours', run: ours },
        { name: 'message', run: theirs }
      ],
      { warmMs: WARM_MS }
    )
    report(what, times.get('ours')!, [{ name: 'message', ms: times.get('message'), goal }])
  }
  await worker.terminate()
}
