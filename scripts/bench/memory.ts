/** What many guests hold: each way in a process of its own, since what ran there before would be counted, or given back meanwhile. */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { createPool } from '../../sandbox/index.js'
import { resource } from '../../sandbox/resources.js'
import { line, table } from './measure.js'
import { importPeer, lacking } from './peers.js'

/** What a guest has of its world: our own SDK, for everybody. */
export const BOOT = `;(${readFileSync(resource('guest-sdk.js'), 'utf8')})({ send() { return new Uint8Array(32) } }); 1`

/** Growth of a process by so many guests, each, in bytes. Peers with fewer, since they would not fit. */
const WAYS: Readonly<Record<string, () => Promise<number>>> = {
  pool: () => ours(undefined),
  awake: () => ours(Infinity),
  async isolated() {
    const { default: ivm } = await importPeer('isolated-vm')
    return grown(200, () => {
      const isolate = new ivm.Isolate({ memoryLimit: 64 })
      isolate.createContextSync().evalSync(BOOT)
      return isolate
    })
  },
  worker: () =>
    grown(20, () => {
      const made = new Worker(BOOT_WORKER, { eval: true })
      return new Promise(resolve => made.once('message', () => resolve(made)))
    })
}

const BOOT_WORKER = `${BOOT}; require('node:worker_threads').parentPort.on('message', () => {}).postMessage(1)`

async function ours(awake: number | undefined): Promise<number> {
  const source = new TextEncoder().encode('export const f = () => 1')
  const pool = await createPool(source, { size: 1000, ...(awake !== undefined && { awake }) })
  await (await pool.take()).dispose()
  return grown(1000, async () => {
    const guest = await pool.take()
    if (guest.callSync('f') !== 1) throw new Error('internal: a guest does not answer')
    return guest
  })
}

async function grown(count: number, make: () => unknown): Promise<number> {
  const all: unknown[] = []
  globalThis.gc!()
  const before = process.memoryUsage.rss()
  for (let i = 0; i < count; i++) all.push(await make())
  globalThis.gc!()
  const bytes = (process.memoryUsage.rss() - before) / all.length
  return bytes
}

const SELF = fileURLToPath(import.meta.url)

export function benchMemory(): void {
  const measured = (way: string): number | undefined => {
    const { stdout, status } = spawnSync(process.execPath, ['--expose-gc', SELF, way], { encoding: 'utf8' })
    return status === 0 ? Number(stdout) : undefined
  }
  const isolated = lacking('isolated-vm') === undefined ? measured('isolated') : undefined
  const worker = measured('worker')
  const kilobytes = (bytes: number) => `${Math.round(bytes / 1024)} KB`
  const part = (mine: number, peer: number | undefined, goal: string) =>
    peer === undefined ? '-' : `1/${(peer / mine).toFixed(1)} (goal ${goal}; ${kilobytes(peer)})`
  table(
    'Memory of each guest, with its runtime loaded',
    '',
    'coffer, at 1,000',
    'isolated-vm, at 200',
    'worker, at 20'
  )
  for (const [what, way] of [
    ['resident', 'pool'],
    ['resident, with all of them awake', 'awake']
  ] as const) {
    const mine = measured(way)!
    line(what, kilobytes(mine), part(mine, isolated, '1/4'), part(mine, worker, '1/20'))
  }
}

if (process.argv[1] === SELF) {
  console.log(await WAYS[process.argv[2]!]!())
  process.exit(0)
}
