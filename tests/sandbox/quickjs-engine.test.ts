/** The engine's files: the metered wasm, and the image that every guest starts from. */
import binaryen from 'binaryen'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { DEFAULT_LIMITS } from '../../sandbox/guest.js'
import { PLACING } from '../../sandbox/quickjs/abi.js'
import { makeImage } from '../../sandbox/quickjs/boot.js'
import { decodeImage, encodeImage, imageBelongsTo } from '../../sandbox/quickjs/image.js'
import { loadQuickjs } from '../../sandbox/quickjs/factory.js'
import type { Instance } from '../../sandbox/quickjs/instance.js'
import { CALLABLE_CLASSES, CLASS, TAG, VARIABLE_VALUE } from '../../sandbox/quickjs/layout.js'
import type { Reuse } from '../../sandbox/quickjs/machine.js'
import { quickjs } from '../../sandbox/quickjs/node.js'
import { rollDice } from '../../sandbox/random.js'
import { resource } from '../../sandbox/resources.js'
import { meterDispatch } from '../../scripts/dispatch.js'
import { withoutTable } from '../../scripts/indirect.js'
import { meterEngine } from '../../scripts/meter.js'
import { rejectsWith } from '../helpers/rejects.js'
import { PORT, STAND_IN, bootWasm, makeMachine, standInImage, wasm, wasmHash } from './quickjs-stand-in.js'

const engineRequire = createRequire(createRequire(import.meta.url).resolve('quickjs-emscripten'))
const released = readFileSync(engineRequire.resolve('@jitl/quickjs-wasmfile-release-sync/wasm'))

const functionsOf = (text: string) =>
  text.split(/^ (?=\()/m).flatMap(item => {
    const label = /^\(func (\S+)/.exec(item)?.[1]
    return label === undefined ? [] : [[label, item] as const]
  })
const metered = (() => {
  const module = binaryen.readBinary(wasm)
  const text = module.emitText()
  module.dispose()
  return { text, functions: new Map(functionsOf(text)) }
})()
const interpreter = [...metered.functions.values()].reduce((longest, text) =>
  text.length > longest.length ? text : longest
)
/** Some fuel less, then the question whether any is left. */
const TAKES_FUEL = String.raw`\(global\.set \$global\$\d\s+\(local\.tee \$\w+\s+\(i32\.sub\s+\(global\.get \$global\$\d\)\s+\(i32\.const \d+\)\s+\)\s+\)\s+\)\s+\(if\s+\(i32\.lt_s`

test('the metered engine: every loop and block copy takes fuel, but for one loop', () => {
  const unmetered = [...metered.functions.values()].filter(text => {
    const loops = text.match(/\(loop .*/g)?.length ?? 0
    const paid = text.match(new RegExp(String.raw`\(loop .*\s+${TAKES_FUEL}`, 'g'))?.length ?? 0
    return loops - paid !== (text === interpreter ? 1 : 0)
  })
  // The two metered helpers turn by blocks, each paid for.
  assert.is(unmetered.length, 2)
  const copying = [...metered.functions.values()].filter(text => /\(memory\.(copy|fill)/.test(text))
  assert.is(copying.length, 2)
  for (const text of [...unmetered, ...copying])
    assert.ok(text.split('\n').length < 100, 'only the two metered helpers copy')
})

test('the metered engine: no functions call each other in a circle without fuel', () => {
  const { text, functions } = metered
  const pays = (body: string) =>
    new RegExp(String.raw`^\(func .*\n(?:\s*\(local .*\n)*\s*${TAKES_FUEL}`).test(body)
  const calls = new Map(
    [...functions].map(([label, body]) => [
      label,
      [...body.matchAll(/\(call (\$[^\s()]+)/g)]
        .map(([, target]) => target!)
        .filter(target => functions.has(target) && !pays(functions.get(target)!))
    ])
  )
  assert.not.match(text, /\(table |\(elem |_indirect/, 'nothing is called but by its name')
  assert.ok([...calls.values()].flat().length > 3000, 'the graph is read')
  assert.ok(pays(interpreter))
  // Take away whoever calls nobody that is left: in the end nobody is.
  for (let before = -1; calls.size !== before;) {
    before = calls.size
    for (const [label, targets] of calls) if (!targets.some(target => calls.has(target))) calls.delete(label)
  }
  const left = [...calls.keys()].filter(label => !pays(functions.get(label)!))
  assert.equal(left, [])
})

test('calls reach without a table what they reached through it, and where there is nothing of their kind, a trap', () => {
  const one = (name: string, type: string, body: string) => `(func ${name} ${type} ${body})`
  const sum = '(param i32 i32) (result i32)'
  const items = [
    '(type $sum (func (param i32 i32) (result i32)))',
    '(type $say (func (param i32)))',
    '(type $none (func))',
    '(import "host" "said" (func $said (param i32)))',
    '(table $0 12 funcref)',
    '(elem $0 (i32.const 1) $add $said $sub $mul $add $first $second $other)',
    '(elem $1 (i32.const 9) $last $idle)',
    one('$add', sum, '(i32.add (local.get 0) (local.get 1))'),
    one('$sub', sum, '(i32.sub (local.get 0) (local.get 1))'),
    one('$mul', sum, '(i32.mul (local.get 0) (local.get 1))'),
    one('$first', sum, '(local.get 0)'),
    one('$second', sum, '(local.get 1)'),
    one('$last', sum, '(i32.const -1)'),
    one('$other', sum, '(i32.const -2)'),
    one('$idle', '', '(nop)'),
    '(export "sum" (func $callSum))',
    '(export "say" (func $callSay))',
    '(export "none" (func $callNone))',
    '(func $callSum (param i32 i32 i32) (result i32) (call_indirect (type $sum) (local.get 1) (local.get 2) (local.get 0)))',
    '(func $callSay (param i32 i32) (call_indirect (type $say) (local.get 1) (local.get 0)))',
    '(func $callNone (param i32) (call_indirect (type $none) (local.get 0)))'
  ]
  const said: number[] = []
  const instanceOf = (all: readonly string[]) => {
    const module = binaryen.parseText(['(module', ...all, ')'].join('\n'))
    const binary = module.emitBinary() as Uint8Array<ArrayBuffer>
    module.dispose()
    const instance = new WebAssembly.Instance(new WebAssembly.Module(binary), {
      host: { said: (value: number) => said.push(value) }
    })
    return instance.exports as Record<string, (...args: number[]) => unknown>
  }
  const outcome = (work: () => unknown) => {
    try {
      return [work(), ...said.splice(0)]
    } catch (error) {
      return error instanceof WebAssembly.RuntimeError ? 'a trap' : error
    }
  }
  const direct = withoutTable(items)
  assert.not.match(direct.join('\n'), /\((table|elem|call_indirect) /)
  const [table, code] = [instanceOf(items), instanceOf(direct)]
  let traps = 0
  for (let at = -2; at < 15; at++)
    for (const name of ['sum', 'say', 'none']) {
      const expected = outcome(() => table[name]!(at, 7, 5))
      assert.equal(
        outcome(() => code[name]!(at, 7, 5)),
        expected,
        `${name} at ${at}`
      )
      if (expected === 'a trap') traps++
    }
  assert.is(traps, 3 * 17 - 10)
  for (const escape of ['(table.get $0 (i32.const 1))', '(ref.func $add)'])
    assert.throws(() => withoutTable([...items, `(func $more (drop ${escape}))`]), /uses its table/)
})

test("what an export's variable holds is called only if it is a function, whatever number its class claims", () => {
  const reuse: Reuse = { idle: [] }
  makeMachine(PORT, DEFAULT_LIMITS, { reuse }).destroy()
  const [{ engine, words }] = reuse.idle as [Instance]
  const callable: readonly number[] = CALLABLE_CLASSES.map(name => CLASS[name])
  // A variable, its value and an object, where nothing else is: the last page.
  const variable = words.length * 4 - 4096
  const [value, object, result] = [variable + 512, variable + 1024, variable + 2048]
  words[(variable + VARIABLE_VALUE) >> 2] = value
  words[value >> 2] = object
  const call = () => engine.callVariable(0, variable, 0, result, result)
  words[(value >> 2) + 1] = TAG.object >>> 0
  for (let number = 0; number < 65_536; number++) {
    if (callable.includes(number)) continue
    words[(object + 4) >> 2] = number << 16
    if (call() !== 0) assert.unreachable(`class ${number} is called`)
  }
  words[(object + 4) >> 2] = CLASS.function << 16
  for (let tag = -12; tag < 12; tag++) {
    if (tag === TAG.object) continue
    words[(value >> 2) + 1] = tag >>> 0
    assert.is(call(), 0, `tag ${tag}`)
  }
  assert.equal([words[result >> 2], words[(result >> 2) + 1]], [0, 0])
})

test('meterDispatch() refuses an interpreter whose instructions may follow each other in a way that it does not see', () => {
  const module = binaryen.readBinary(released)
  const [, text] = functionsOf(module.emitText()).reduce((longest, item) =>
    item[1].length > longest[1].length ? item : longest
  )
  module.dispose()
  const { text: done, jumps } = meterDispatch(text, '(jump)', '(kilobyte)')
  assert.is(done.split('(jump)').length, jumps + 1)
  assert.ok(jumps > 8)
  assert.is(done.split('(kilobyte)').length, 2)
  const [, next, present] =
    /\(local\.set (\$\d+)\s+\(i32\.add\s+\(local\.tee (\$\d+)\s+\(local\.get \1\)/.exec(text)!
  const escaped = (local: string) => local.replace('$', String.raw`\$`)
  const step = text.search(
    new RegExp(String.raw`\(local\.set ${escaped(next!)}\s+\(i32\.add\s+\(local\.get ${escaped(present!)}\)`)
  )
  const refuses = (changed: string) => {
    try {
      meterDispatch(changed, '', '')
      assert.unreachable()
    } catch (error) {
      assert.match((error as Error).message, 'the engine has changed')
    }
  }
  // The present instruction is forgotten before the next is reckoned from it.
  refuses(`${text.slice(0, step)}(local.set ${present} (i32.const 8))${text.slice(step)}`)
  refuses('(func $1)')
})

test('the metered engine imports a memory and seven functions, and no files, clock or environment of a system', () => {
  const imports = WebAssembly.Module.imports(new WebAssembly.Module(wasm)).map(({ name }) => name)
  const allowed = 'callFunction grow loadModule memory now outOfFuel place trackRejection'
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

test('a guest whose memory sends the allocator to the host ends there', async () => {
  const reuse: Reuse = { idle: [] }
  makeMachine(PORT, DEFAULT_LIMITS, { reuse }).destroy()
  const { runtime } = decodeImage(standInImage).fields
  reuse.idle[0]!.words.set([PLACING, PLACING + 1, PLACING + 2], runtime >> 2)
  const machine = makeMachine(PORT, DEFAULT_LIMITS, { reuse })
  const error = await rejectsWith('COFFER_ENGINE_FAILED', () =>
    machine.evaluate(Buffer.from('[]'), 'title.js', new Map())
  )
  assert.match(error.message, 'asks for memory in another way')
  machine.destroy()
})

test('makeImage() leaves no holes in the heap', () => {
  const { fields, parts } = decodeImage(
    makeImage(bootWasm, wasmHash, readFileSync(resource('guest-sdk.js'), 'utf8'))
  )
  const pages = new Set<number>()
  let bytes = 0
  for (const { offset, bytes: content } of parts) {
    for (let at = offset & ~4095; at < offset + content.length; at += 4096) pages.add(at)
    bytes += content.length
  }
  assert.ok(bytes > 0.85 * 4096 * pages.size, `${bytes} bytes in ${pages.size} pages`)
  assert.ok(fields.pages > 80)
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
