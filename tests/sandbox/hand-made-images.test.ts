/**
 * Images that no compiler made: what a publisher could sign whose program is not to be stopped. In the released engine
 * none of these would ever ask whether its time is up.
 */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { utf8 } from '../../formats/bytes.js'
import { DEFAULT_LIMITS, type LaunchOptions } from '../../sandbox/guest.js'
import { makeTitleImage } from '../../sandbox/imaging.js'
import { launchProgram } from '../../sandbox/launch.js'
import { decodeTitleImage, type Part } from '../../sandbox/quickjs/image.js'
import { quickjs } from '../../sandbox/quickjs/node.js'
import { openInline } from '../../sandbox/quickjs/source.js'
import { rejectsWith } from '../helpers/rejects.js'
import { NEVER_MS } from './conformance/way.js'

/** The engine's instructions, by number. */
const UNDEFINED = 0x06
const DROP = 0x0e
const GOSUB = 0x6c

/** Stands in the code of the function that is to be overwritten. */
const MARK = 0x5eed0101
const SOURCE = `
  export const spin = call => { call(${MARK}); try { call(1) } finally { call(2) } }
  export const room = new Uint8Array(6_000_000).fill(${UNDEFINED})
  export const fine = () => 'fine'`
const LIMITS = { ...DEFAULT_LIMITS, cpuMs: 1000, memoryBytes: 16 * 1024 * 1024 }

function image(): Uint8Array {
  const made = makeTitleImage(quickjs(), utf8(SOURCE), {
    name: 'title.js',
    grants: [[]],
    limits: DEFAULT_LIMITS,
    mark: 'mark'
  })
  if (!(made instanceof Uint8Array)) throw new Error(made.reason)
  return made
}

/** The code of `spin`: where it begins in the image, and in the memory. */
function codeOf(image: Uint8Array): { at: number; address: number } {
  const mark = Buffer.alloc(4)
  mark.writeInt32LE(MARK)
  // In front of it, two instructions: get the argument, and the one whose operand it is.
  const at = Buffer.from(image.buffer).indexOf(mark) - 2
  const part = partsOf(image).find(
    ({ bytes }) => bytes.byteOffset <= at && at < bytes.byteOffset + bytes.length
  )!
  return { at, address: part.offset + at - part.bytes.byteOffset }
}

const partsOf = (image: Uint8Array): readonly Part[] =>
  decodeTitleImage(image, quickjs().baseHash())!.states[0]!.parts

/** One GOSUB: it jumps by so many bytes from its own second byte, never asks, and leaves a value on the stack. */
function gosub(by: number): readonly number[] {
  const operand = Buffer.alloc(4)
  operand.writeInt32LE(by)
  return [GOSUB, ...operand]
}

/** Drops what the jump left, and jumps to itself. */
const LOOP = [...gosub(4), DROP, ...gosub(-2)]

async function endsInTime(image: Uint8Array, options: LaunchOptions = {}): Promise<void> {
  const guest = await launchProgram({ image }, { limits: LIMITS, ...options })
  const startedMs = performance.now()
  await rejectsWith('COFFER_LIMIT_CPU', () => guest.call('spin', null))
  const tookMs = performance.now() - startedMs
  assert.ok(tookMs < NEVER_MS, `it took ${tookMs} ms`)
}

test('the code to be overwritten is what these tests take it for', () => {
  const made = image()
  const { at } = codeOf(made)
  // Behind the mark the call, and what drops its result; then what opens the try, its call, and the way to the finally.
  assert.is(made[at + 7], DROP)
  assert.is(made[at + 19], GOSUB)
})

test('jumps that the released engine does not count end by the limit on computing', async () => {
  const made = image()
  made.set(LOOP, codeOf(made).at)
  await endsInTime(made)
})

test('megabytes of instructions without a jump end by it too', async () => {
  const made = image()
  const { at, address } = codeOf(made)
  const room = partsOf(made).find(({ bytes }) => bytes.length > 5_000_000)!
  const start = room.bytes.indexOf(UNDEFINED, 1_000_000)
  const end = start + 4_000_000
  for (let i = start; i < end; i += 2) room.bytes.set([UNDEFINED, DROP], i)
  // What the jump to here left on the stack is taken off, and the next one puts it there again.
  room.bytes.set([DROP, ...gosub(start - (end + 2))], end)
  made.set(gosub(room.offset + start - (address + 1)), at)
  await endsInTime(made)
})

test('in a thread they end as well', async () => {
  const made = image()
  made.set(LOOP, codeOf(made).at)
  await endsInTime(made, { isolation: 'thread' })
})

test('in a pool the next guest is as fresh as the first', async () => {
  const made = image()
  made.set(LOOP, codeOf(made).at)
  const source = await openInline({ image: made }, { limits: LIMITS }, Infinity)
  for (let i = 0; i < 2; i++) {
    const guest = await source.start()
    assert.is(await guest.call('fine'), 'fine')
    await rejectsWith('COFFER_LIMIT_CPU', () => guest.call('spin', null))
    await guest.dispose()
  }
  await source.close()
})

test.run()
