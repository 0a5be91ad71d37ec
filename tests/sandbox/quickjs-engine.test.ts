/** The engine's files: the metered wasm, and the image that every guest starts from. */
import binaryen from 'binaryen'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { DEFAULT_LIMITS } from '../../sandbox/guest.js'
import { makeImage } from '../../sandbox/quickjs/boot.js'
import { decodeImage, encodeImage, imageBelongsTo } from '../../sandbox/quickjs/image.js'
import { loadQuickjs } from '../../sandbox/quickjs/factory.js'
import { quickjs } from '../../sandbox/quickjs/node.js'
import { rollDice } from '../../sandbox/random.js'
import { resource } from '../../sandbox/resources.js'
import { meterEngine } from '../../scripts/meter.js'
import { rejectsWith } from '../helpers/rejects.js'
import { PORT, STAND_IN, bootWasm, makeMachine, standInImage, wasm, wasmHash } from './quickjs-stand-in.js'

test('the metered engine: every loop and block copy is metered, but for one function', () => {
  const module = binaryen.readBinary(wasm)
  const functions = module
    .emitText()
    .split(/^ (?=\()/m)
    .filter(item => item.startsWith('(func '))
  module.dispose()
  const unmetered = functions.filter(text => {
    const loops = text.match(/\(loop .*/g)?.length ?? 0
    // The head of a metered loop: its label, then one unit of fuel less, then the question whether any is left.
    const metered = text.match(
      /\(loop .*\s+\(global\.set \$global\$\d\s+\(local\.tee \$\w+\s+\(i32\.sub\s+\(global\.get \$global\$\d\)\s+\(i32\.const 1\)\s+\)\s+\)\s+\)\s+\(if\s+\(i32\.lt_s/g
    )
    return loops !== (metered?.length ?? 0)
  })
  // The two metered helpers turn by blocks, each paid for.
  assert.is(unmetered.length, 3)
  assert.is(
    unmetered.find(text => text.length > 10_000),
    functions.reduce((longest, text) => (text.length > longest.length ? text : longest))
  )
  const copying = functions.filter(text => /\(memory\.(copy|fill)/.test(text))
  assert.is(copying.length, 2)
  for (const text of copying) assert.ok(text.split('\n').length < 100, 'only the two metered helpers copy')
})

test('the metered engine imports a memory and seven functions, and no files, clock or environment of a system', () => {
  const imports = WebAssembly.Module.imports(new WebAssembly.Module(wasm)).map(({ name }) => name)
  const allowed = 'callFunction grow interrupt loadModule memory now outOfFuel trackRejection'
  assert.is(imports.sort().join(' '), allowed)
})

test('meterEngine() refuses glue that does not show every name', () => {
  try {
    meterEngine(new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]), 'nothing')
    assert.unreachable()
  } catch (error) {
    assert.match((error as Error).message, "the engine's glue has changed")
  }
})

test('makeImage() gives the same bytes for the same input', () => {
  assert.ok(Buffer.from(makeImage(bootWasm, wasmHash, STAND_IN)).equals(standInImage))
})

test('makeImage() fails for an SDK that throws or sends', () => {
  const fails = (sdk: string, message: string) => {
    try {
      makeImage(bootWasm, wasmHash, sdk)
      assert.unreachable()
    } catch (error) {
      assert.match((error as Error).message, message)
    }
  }
  fails("(() => { throw new Error('no') })()", 'Error: no')
  fails('let a = ;', 'SyntaxError')
  fails('native => { native.send(new Uint8Array(1)); return {} }', 'sent a message while it started')
})

test('an image names its wasm, and decodes to what was encoded', () => {
  assert.ok(Buffer.from(imageBelongsTo(standInImage)).equals(wasmHash))
  const { fields, parts } = decodeImage(standInImage)
  const memory = new Uint8Array(fields.pages * 65536)
  for (const { offset, bytes } of parts) memory.set(bytes, offset)
  assert.ok(Buffer.from(encodeImage(memory, fields, wasmHash)).equals(standInImage))
  assert.ok(standInImage.length < memory.length / 8)
})

test('decodeImage() refuses what is damaged', async () => {
  const refuses = (image: Uint8Array) => rejectsWith('COFFER_ENGINE_FAILED', () => decodeImage(image))
  const { length } = standInImage
  for (const end of [0, 1, 7, 8, 39, 40, length - 1, length - 9]) await refuses(standInImage.slice(0, end))
  const changed = (at: number, value: number) => {
    const copy = standInImage.slice()
    copy[at]! = value
    return copy
  }
  await refuses(changed(0, 0))
  // The first part's offset and length, high bytes.
  const firstPart =
    length - decodeImage(standInImage).parts.reduce((sum, part) => sum + 8 + part.bytes.length, 0)
  await refuses(changed(firstPart + 3, 0xff))
  await refuses(changed(firstPart + 7, 0xff))
})

test('loadQuickjs() refuses wasm that is none', async () => {
  const source = {
    wasm: new Uint8Array(8),
    image: standInImage,
    sha256: () => wasmHash
  }
  await rejectsWith('COFFER_ENGINE_FAILED', () => loadQuickjs(source))
})

test('machines of one image start alike but for their dice', () => {
  const roll = (dice: number) => {
    const said: string[] = []
    const machine = makeMachine(
      {
        ...PORT,
        receive: message => void said.push(String(Buffer.from(message))),
        dice: new Uint8Array(8).fill(dice)
      },
      DEFAULT_LIMITS
    )
    machine.evaluate(
      Buffer.from('export const roll = () => [Math.random(), Math.random()].join()'),
      'a.js',
      new Map()
    )
    machine.dispatch(Buffer.from('roll'))
    machine.destroy()
    return said.at(-1)!
  }
  assert.is(roll(1), roll(1))
  assert.is.not(roll(1), roll(2))
  // The other engine's generator is ours: the same state gives the same numbers.
  for (const dice of [1, 127, 128, 255]) {
    const next = rollDice(new Uint8Array(8).fill(dice))
    assert.is(roll(dice), `result ${[next(), next()].join()}`)
  }
})

test('the files that ship belong together', () => {
  if (!existsSync(resource('quickjs.image'))) return console.log('skip: the SDK was not built')
  const hash = createHash('sha256')
    .update(readFileSync(resource('quickjs.wasm')))
    .digest()
  assert.ok(hash.equals(imageBelongsTo(readFileSync(resource('quickjs.image')))))
  assert.is(quickjs(), quickjs())
  const machine = quickjs()(PORT, DEFAULT_LIMITS)
  machine.evaluate(Buffer.from('export const a = 1'), 'a.js', new Map())
  machine.destroy()
})

test.run()
