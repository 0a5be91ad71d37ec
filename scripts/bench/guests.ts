/** A guest by itself: a fresh one with a runtime of some size in it, one after a limit, and what a thousand of them hold. */
import vm from 'node:vm'
import { getQuickJS } from 'quickjs-emscripten'
import { createPool } from '../../sandbox/index.js'
import { compare, line, median, millisecondsOf, report, table, time, type Side } from './measure.js'
import { benchMemory, BOOT } from './memory.js'
import { importPeer, lacking, readPeer } from './peers.js'

const encode = (text: string) => new TextEncoder().encode(text)
export async function benchGuests(): Promise<void> {
  await fresh()
  await recovery()
  benchMemory()
}

async function fresh(): Promise<void> {
  const pool = await createPool(encode('export const f = () => 1'), { size: 4 })
  const sides: Side[] = [
    {
      name: 'ours',
      async run(times) {
        for (let i = 0; i < times; i++) await (await pool.take()).dispose()
      }
    }
  ]
  const quickJs = await getQuickJS()
  sides.push({
    name: 'emscripten',
    run(times) {
      for (let i = 0; i < times; i++) {
        const runtime = quickJs.newRuntime()
        const context = runtime.newContext()
        context.unwrapResult(context.evalCode(BOOT)).dispose()
        context.dispose()
        runtime.dispose()
      }
    }
  })
  if (lacking('quickjs-wasi') === undefined) {
    const { QuickJS } = await importPeer('quickjs-wasi')
    const module = new WebAssembly.Module(
      readPeer('quickjs-wasi', '/quickjs.wasm') as Uint8Array<ArrayBuffer>
    )
    const first = await QuickJS.create({ wasm: module })
    first.evalCode(BOOT).dispose()
    const snapshot = first.snapshot()
    sides.push({
      name: 'wasi',
      async run(times) {
        for (let i = 0; i < times; i++) (await QuickJS.restore(snapshot, { wasm: module })).dispose()
      }
    })
  }
  if (lacking('isolated-vm') === undefined) {
    const { default: ivm } = await importPeer('isolated-vm')
    sides.push({
      name: 'isolated',
      run(times) {
        for (let i = 0; i < times; i++) {
          const isolate = new ivm.Isolate({ memoryLimit: 64 })
          isolate.createContextSync().evalSync(BOOT)
          isolate.dispose()
        }
      }
    })
  }
  sides.push({
    name: 'vm',
    run(times) {
      for (let i = 0; i < times; i++) vm.runInContext(BOOT, vm.createContext({}))
    }
  })
  // V8 optimizes what a guest is made of for a second, on the same core; and a turn is as long as a guest takes elsewhere.
  const times = await compare(sides, { turnMs: 40, warmMs: 1000, cpu: true })
  table(
    'A fresh guest with its runtime loaded',
    '',
    'coffer, from a pool',
    'quickjs-emscripten',
    'quickjs-wasi',
    'isolated-vm',
    'node:vm'
  )
  const peer = (name: string, goal: number) => ({ name, ms: times.get(name), goal })
  report('taken and given back', times.get('ours')!, [
    peer('emscripten', 1 / 60),
    peer('wasi', 1 / 12),
    peer('isolated', 1 / 20),
    peer('vm', 1)
  ])
  await pool.dispose()
}

const ENDS = {
  'a limit in guest code': 'for (;;);',
  'a limit in native code': '[].indexOf.call({ length: 2 ** 53 - 1 }, 1)',
  'an error at the end of the stack': 'const go = n => go(n + 1) + 1; go(0)',
  'a limit of memory': 'const all = []; for (;;) all.push(new Uint8Array(100_000))'
}

/** From the moment at which a guest has ended to the next one that answers. */
async function recovery(): Promise<void> {
  table('The next guest, after one that ended by', '', 'coffer, from a pool (goal 0.5 ms)')
  for (const [what, body] of Object.entries(ENDS)) {
    const pool = await createPool(encode(`export const f = () => 1; export const end = () => { ${body} }`), {
      size: 1,
      limits: { cpuMs: 200, memoryBytes: 16 * 2 ** 20 }
    })
    const spent: number[] = []
    for (let i = 0; i < 15; i++) {
      const guest = await pool.take()
      // The host turns to other things, as it does between two requests.
      await new Promise(done => setImmediate(done))
      await guest.call('end').catch(() => {})
      let next: typeof guest | undefined
      spent.push(
        await millisecondsOf(async () => {
          await guest.dispose()
          next = await pool.take()
          await next.call('f')
        })
      )
      await next!.dispose()
    }
    line(what, time(median(spent)))
    await pool.dispose()
  }
}
