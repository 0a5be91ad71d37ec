import { spawnSync } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { concat } from '../../formats/bytes.js'
import {
  CHUNK_BYTES,
  HEADER_BYTES,
  payloadHeader,
  SEALED_CHUNK_BYTES,
  sealPayload
} from '../../formats/cobblestone.js'
import { StreamSealer } from '../../formats/cobblestone-streams.js'
import { payloadContext } from '../../formats/derive.js'
import { BLOCK_BYTES, blockMemory, type BlockWork } from '../../loader/blocks.js'
import { RandomFile } from '../../loader/files.js'
import { HelperThreads, helpersFor } from '../../loader/helpers.js'
import { passingPayload, passPayload, shared, type Helpers, type SealedPayload } from '../../loader/pass.js'
import { rejectsWith } from '../helpers/rejects.js'
import { Seeded } from '../helpers/seeded.js'

const random = new Seeded('pass')
const ID = 'org.example.pass'
const CONTEXT = payloadContext(ID, 1)
const [KEY, OTHER_KEY] = [random.bytes(32), random.bytes(32)]
const [SALT, OTHER_SALT] = [random.bytes(24), random.bytes(24)]
const BLOCK_PLAINTEXT = 16 * CHUNK_BYTES
/** What stands in front of the payload in a title's file. */
const OFFSET = 77
const DIST = new URL('../../../dist/', import.meta.url)

const folder = mkdtempSync(join(tmpdir(), 'coffer-pass-'))
test.after(() => rmSync(folder, { recursive: true, force: true }))

/** No two chunks are the same: 1009 is a prime. */
const plaintextOf = (bytes: number): Uint8Array => new Uint8Array(Buffer.alloc(bytes, random.bytes(1009)))

let files = 0
function written(sealed: Uint8Array): SealedPayload {
  const path = join(folder, `${++files}`)
  writeFileSync(path, concat(new Uint8Array(OFFSET), sealed))
  const manifest = { id: ID, release: 1, payloadBytes: sealed.length }
  return { file: RandomFile.open(path)!, payloadOffset: OFFSET, manifest }
}

/** All that comes of a payload: its plaintext, or with `convert` the same sealed again. */
function passed(payload: SealedPayload, helpers: Helpers | undefined, convert = false) {
  const header = payloadHeader(OTHER_KEY, CONTEXT, OTHER_SALT)
  const parts: Uint8Array[] = convert ? [header] : []
  const progress: number[] = []
  passPayload(payload, {
    key: KEY,
    sealing: convert ? { key: shared(OTHER_KEY), context: CONTEXT, header } : undefined,
    take: part => parts.push(part.slice()),
    progress: done => progress.push(done),
    helpers
  })
  return { bytes: concat(...parts), progress }
}

const HELPERS: readonly (Helpers | undefined)[] = [undefined, new HelperThreads(1), new HelperThreads(3)]
const countOf = (helpers: Helpers | undefined) => helpers?.count ?? 0

let begun = 0
process.on('worker', () => begun++)

/** Once it is so, or after ten seconds. */
async function until(isSo: () => boolean): Promise<void> {
  for (const end = Date.now() + 10_000; !isSo() && Date.now() < end;)
    await new Promise(resolve => setTimeout(resolve, 5))
}

for (const helpers of HELPERS) {
  test(`passPayload() with ${countOf(helpers)} helpers opens and converts to the same bytes`, () => {
    const edges = [0, 1, CHUNK_BYTES, BLOCK_PLAINTEXT - 1, BLOCK_PLAINTEXT]
    for (const bytes of [...(helpers ? [] : edges), BLOCK_PLAINTEXT + 1, 9e6]) {
      const plaintext = plaintextOf(bytes)
      const payload = written(sealPayload(KEY, CONTEXT, SALT, plaintext))
      const opened = passed(payload, helpers)
      assert.ok(Buffer.compare(opened.bytes, plaintext) === 0, `${bytes} bytes`)
      assert.is(opened.progress.at(-1), payload.manifest.payloadBytes)
      const converted = passed(payload, helpers, true)
      const again = sealPayload(OTHER_KEY, CONTEXT, OTHER_SALT, plaintext)
      assert.ok(Buffer.compare(converted.bytes, again) === 0, `${bytes} bytes`)
    }
  })

  test(`passPayload() with ${countOf(helpers)} helpers meets damage where it is, whichever thread opens it`, async () => {
    const sealed = sealPayload(KEY, CONTEXT, SALT, plaintextOf(9e6))
    const blocks = Math.ceil((sealed.length - HEADER_BYTES) / BLOCK_BYTES)
    for (let block = 0; block < blocks; block += 11) {
      const damaged = sealed.slice()
      const chunk = block * 16 + random.below(16)
      // Later damage is never told first.
      for (const at of [chunk, chunk + 17, chunk + 40]) {
        const byte = HEADER_BYTES + at * SEALED_CHUNK_BYTES + random.below(SEALED_CHUNK_BYTES)
        if (byte < damaged.length) damaged[byte]! ^= 1 << random.below(8)
      }
      let taken = 0
      const error = await rejectsWith('COFFER_PAYLOAD_FORGED', () =>
        passPayload(written(damaged), { key: KEY, take: part => (taken += part.length), helpers })
      )
      assert.match(error.message, `chunk ${chunk} was altered`)
      assert.is(taken, block * BLOCK_PLAINTEXT, 'nothing of the block that is damaged, all before it')
    }
  })

  test(`passPayload() with ${countOf(helpers)} helpers leaves no plaintext and no key in its memory`, async () => {
    const watched = (seen: BlockWork[]): Helpers | undefined =>
      helpers && {
        count: helpers.count,
        memory: () => helpers.memory(),
        start(work) {
          seen.push(work)
          helpers.start(work)
        }
      }
    const plaintext = new Uint8Array(5e6).fill(0xa5)
    const sealed = sealPayload(KEY, CONTEXT, SALT, plaintext)
    const damaged = sealed.slice()
    damaged[4e6]! ^= 1
    for (const bytes of [sealed, damaged]) {
      const seen: BlockWork[] = []
      let last: Uint8Array | undefined
      const pass = () =>
        passPayload(written(bytes), { key: KEY, take: part => (last = part), helpers: watched(seen) })
      if (bytes === sealed) pass()
      else await rejectsWith('COFFER_PAYLOAD_FORGED', pass)
      assert.is(seen.length, helpers === undefined ? 0 : 1)
      const memory = Buffer.from(last!.buffer as ArrayBuffer)
      assert.is(memory.indexOf(Buffer.alloc(16, 0xa5)), -1)
      for (const { opening } of seen) assert.equal(opening.key, new Uint8Array(32))
    }
  })
}

test('helpers are begun once, for one payload after the other', async () => {
  await new Promise(setImmediate)
  assert.is(begun, 4)
})

test('passPayload() wipes the copy of the key that threads share where the header does not fit', async () => {
  const sealed = sealPayload(KEY, CONTEXT, SALT, plaintextOf(1000))
  sealed[30]! ^= 1
  const payload = written(sealed)
  const keys: SharedArrayBuffer[] = []
  const whole = globalThis.SharedArrayBuffer
  globalThis.SharedArrayBuffer = class extends whole {
    constructor(bytes: number) {
      super(bytes)
      keys.push(this)
    }
  } as SharedArrayBufferConstructor
  try {
    const helpers: Helpers = { count: 1, memory: () => blockMemory(2), start: () => {} }
    await rejectsWith('COFFER_PAYLOAD_FORGED', () => passed(payload, helpers))
  } finally {
    globalThis.SharedArrayBuffer = whole
  }
  assert.is(keys.length, 1)
  assert.equal(new Uint8Array(keys[0]!), new Uint8Array(32))
})

for (const ending of ['goes on', 'ends'] as const) {
  test(`passPayload() ${ending} after a helper that died at a block`, async () => {
    const dying = `
      const control = new Int32Array(require('node:worker_threads').workerData, 0, 4096 / 4)
      for (;;) for (let at = 2; at < 2 + 4 * 4; at += 4)
        if (Atomics.compareExchange(control, at, 1, 2) === 1) process.exit()`
    let control: Int32Array | undefined
    const helpers: Helpers = {
      count: 1,
      memory: () => blockMemory(2),
      start({ memory }) {
        control = new Int32Array(memory, 0, 1024)
        new Worker(dying, { eval: true, workerData: memory })
      }
    }
    const isTaken = () => [2, 6, 10, 14].some(at => Atomics.load(control!, at) === 2)
    class Full extends Error {}
    const plaintext = plaintextOf(5e6)
    const parts: Uint8Array[] = []
    const pass = () =>
      passPayload(written(sealPayload(KEY, CONTEXT, SALT, plaintext)), {
        key: KEY,
        take(part) {
          parts.push(part.slice())
          for (const end = Date.now() + 10_000; parts.length === 1 && !isTaken() && Date.now() < end;)
            Atomics.wait(control!, 1023, 1, 5)
          if (ending === 'ends') throw new Full()
        },
        helpers
      })
    if (ending === 'ends') assert.throws(pass, (error: unknown) => error instanceof Full)
    else pass()
    assert.ok(
      Buffer.compare(
        concat(...parts),
        plaintext.subarray(0, ending === 'ends' ? BLOCK_PLAINTEXT : undefined)
      ) === 0
    )
    assert.ok(
      [2, 6, 10, 14].some(at => control![at] === 5),
      'a slot was given up'
    )
  })
}

test('passPayload() goes on alone where a helper never starts, or fails', () => {
  const plaintext = plaintextOf(4e6)
  const payload = written(sealPayload(KEY, CONTEXT, SALT, plaintext))
  const failing: Helpers = {
    count: 1,
    memory: () => blockMemory(2),
    start: () => void new Worker('throw 1', { eval: true }).on('error', () => {})
  }
  for (const helpers of [{ count: 2, memory: () => blockMemory(3), start: () => {} }, failing])
    assert.ok(Buffer.compare(passed(payload, helpers).bytes, plaintext) === 0)
})

test('passPayload() goes on alone where no thread may be started', () => {
  const plaintext = plaintextOf(4e6)
  const payload = written(sealPayload(KEY, CONTEXT, SALT, plaintext))
  const threads = process.getBuiltinModule('node:worker_threads')
  threads.Worker = class {
    constructor() {
      throw Object.assign(new Error('Access to this API has been restricted'), { code: 'ERR_ACCESS_DENIED' })
    }
  } as unknown as typeof Worker
  try {
    assert.ok(Buffer.compare(passed(payload, new HelperThreads(2)).bytes, plaintext) === 0)
  } finally {
    threads.Worker = Worker
  }
})

test('passPayload() passes on what its taker throws, and lets its helpers go', () => {
  const payload = written(sealPayload(KEY, CONTEXT, SALT, plaintextOf(4e6)))
  class Full extends Error {}
  let thrown: unknown
  try {
    passPayload(payload, {
      key: KEY,
      take: () => {
        throw new Full()
      },
      helpers: new HelperThreads(2, 500)
    })
  } catch (error) {
    thrown = error
  }
  assert.instance(thrown, Full)
})

for (const [name, words] of [
  ['payload-thread.cjs', []],
  ['coffer.mjs', ['--coffer-part=payload-thread.cjs']]
] as const) {
  test(`the helper in dist/${name} opens blocks`, async () => {
    const plaintext = plaintextOf(3e6)
    const payload = written(sealPayload(KEY, CONTEXT, SALT, plaintext))
    let helped = 0
    let worker: Worker | undefined
    const helpers: Helpers = {
      count: 1,
      memory: () => blockMemory(2),
      start(work) {
        worker = new Worker(new URL(name, DIST), { argv: [...words], workerData: 500, execArgv: [] })
        worker.postMessage(work)
        // Its first block is offered by hand: it is done by nobody else.
        const control = new Int32Array(work.memory, 0, 5)
        new Uint8Array(work.memory, 4096, BLOCK_BYTES).set(
          payload.file.read(OFFSET + HEADER_BYTES, BLOCK_BYTES)
        )
        control[4] = BLOCK_BYTES
        Atomics.store(control, 2, 1)
        const until = Date.now() + 20_000
        while (Atomics.load(control, 2) !== 3 && Date.now() < until) Atomics.wait(control, 2, 2, 5)
        if (Atomics.load(control, 2) === 3) helped++
      }
    }
    assert.ok(Buffer.compare(passed(payload, helpers).bytes, plaintext) === 0)
    assert.is(helped, 1)
    assert.is(await new Promise(resolve => worker!.once('exit', resolve)), 0)
  })
}

test('HelperThreads uses its memory for the next payload, unless somebody may be at work in it', async () => {
  const helpers = new HelperThreads(1, 500)
  const plaintext = plaintextOf(3e6)
  const payload = written(sealPayload(KEY, CONTEXT, SALT, plaintext))
  const { memory } = helpers.memory()
  const control = new Int32Array(memory, 0, 1024)
  for (let pass = 0; pass < 4; pass++) {
    assert.ok(Buffer.compare(passed(payload, helpers).bytes, plaintext) === 0)
    await until(() => Atomics.load(control, 1023) === 0)
    assert.is(helpers.memory().memory, memory)
  }
  Atomics.add(control, 1023, 1)
  assert.is.not(helpers.memory().memory, memory)
  assert.ok(Buffer.compare(passed(payload, helpers).bytes, plaintext) === 0)
})

test('payloads that are passed by turns, one after another that was damaged, have memory each of their own', async () => {
  const damaged = sealPayload(KEY, CONTEXT, SALT, plaintextOf(3e5))
  damaged[damaged.length - 1]! ^= 1
  await rejectsWith('COFFER_PAYLOAD_FORGED', () => passed(written(damaged), undefined))
  const plaintexts = [plaintextOf(2e6), plaintextOf(2e6), plaintextOf(1000)]
  const opened = plaintexts.map((): Uint8Array[] => [])
  const passing = plaintexts.map((plaintext, i) => {
    // What is taken is looked at when the others have had their turn.
    const take = (part: Uint8Array) => opened[i]!.push(part)
    return passingPayload(written(sealPayload(KEY, CONTEXT, SALT, plaintext)), { key: KEY, take })
  })
  for (let going = passing; going.length > 0;) {
    going = going.filter(steps => !steps.next().done)
    for (const parts of opened) if (parts.length > 0) parts.push(parts.pop()!.slice())
  }
  plaintexts.forEach((plaintext, i) =>
    assert.ok(Buffer.compare(concat(...opened[i]!), plaintext) === 0, `number ${i}`)
  )
})

test('helpersFor() asks for help with large payloads alone, and where there is another core', () => {
  const os = process.getBuiltinModule('node:os')
  const { availableParallelism } = os
  const large = 48 * 2 ** 20
  try {
    os.availableParallelism = () => 1
    assert.is(helpersFor(1e9), undefined)
    os.availableParallelism = () => 8
    assert.is(helpersFor(large - 1), undefined)
    assert.is(helpersFor(large)?.count, 2)
    assert.is(helpersFor(1e9), helpersFor(large))
  } finally {
    os.availableParallelism = availableParallelism
  }
})

test('passPayload() takes less than 64 MiB for a payload of 160 MB, threads included', () => {
  const path = join(folder, 'large')
  const descriptor = openSync(path, 'w')
  const sealer = new StreamSealer(KEY, CONTEXT, SALT)
  const piece = new Uint8Array(BLOCK_PLAINTEXT)
  writeSync(descriptor, sealer.header)
  for (let i = 0; i < 610; i++) writeSync(descriptor, sealer.push(piece))
  writeSync(descriptor, sealer.end())
  closeSync(descriptor)
  const program = `
    import { RandomFile } from '${new URL('../../loader/files.js', import.meta.url).href}'
    import { HelperThreads } from '${new URL('../../loader/helpers.js', import.meta.url).href}'
    import { releaseAtOnce } from '${new URL('../../loader/release.js', import.meta.url).href}'
    import { memoryOf } from '${new URL('../helpers/memory.js', import.meta.url).href}'
    import { passPayload } from '${new URL('../../loader/pass.js', import.meta.url).href}'
    const file = RandomFile.open(process.argv[1])
    const manifest = { id: '${ID}', release: 1, payloadBytes: file.sizeBytes }
    releaseAtOnce()
    const before = memoryOf('self', 'VmHWM')
    let passed = 0
    passPayload({ file, payloadOffset: 0, manifest }, {
      key: Buffer.from(process.argv[2], 'hex'), take: part => { passed += part.length }, helpers: new HelperThreads(1)
    })
    console.log(passed, memoryOf('self', 'VmHWM') - before)`
  const { stdout, stderr } = spawnSync(
    process.execPath,
    ['--input-type=module', '--eval', program, path, Buffer.from(KEY).toString('hex')],
    { encoding: 'utf8' }
  )
  const [passedBytes, tookBytes] = stdout.trim().split(' ').map(Number)
  assert.is(passedBytes, 610 * BLOCK_PLAINTEXT, stderr)
  assert.ok(tookBytes! < 64 * 2 ** 20, `${tookBytes} bytes`)
})

test('helpers end when no payload comes, and others are begun for the next', async () => {
  const payload = written(sealPayload(KEY, CONTEXT, SALT, plaintextOf(1e6)))
  // Those of other tests end when they like.
  const ours: Worker[] = []
  let ended = 0
  const onWorker = (worker: Worker) => {
    ours.push(worker)
    worker.once('exit', () => ended++)
  }
  await new Promise(setImmediate)
  process.on('worker', onWorker)
  try {
    const helpers = new HelperThreads(2, 100)
    for (const times of [1, 2]) {
      passed(payload, helpers)
      await new Promise(setImmediate)
      assert.is(ours.length, 2 * times)
      await until(() => ended === ours.length)
      assert.is(ended, 2 * times)
    }
  } finally {
    process.off('worker', onWorker)
  }
})

test.run()
