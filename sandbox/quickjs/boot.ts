/**
 * Make the image that every guest starts from: a runtime, a context, the driver below and the SDK, all run once. Part
 * of the build and of tests; nothing of it ships.
 */
import {
  DRIVE,
  EVAL_MODULE,
  EVAL_SCRIPT,
  FUNCTION,
  MAILBOX_BYTES,
  MAX_PAGES,
  PAGE_BYTES,
  REJECTION_TRACKER,
  SCRATCH,
  STACK_BYTES,
  STRIP_ALL,
  STRIP_SOURCE,
  type BootExports,
  type Pointer
} from './abi.js'
import { inspect } from 'node:util'
import { encodeImage, type ImageFields } from './image.js'
import { Instance } from './instance.js'
import { OBJECT, SHAPE, TEXT, checkClasses, findNames } from './layout.js'
import { frozenMemory, Placing, type Plan } from './placing.js'
import { dropStatements } from './started.js'
import { UNCLEAR, ValueReader } from './values.js'
import { ValueWriter } from './writer.js'

/**
 * What the host calls inside the guest, by number; keeps the SDK's object out of the guest's reach. It uses only
 * what it captured before any guest code ran.
 *
 * While a program links, `globalThis.__coffer` is the way by which the modules made for it reach their exports; the
 * last of them removes it, before the first statement of the program runs. A module that is imported later removes it
 * by itself.
 *
 * A program that throws at once leaves promises behind that the engine made for it and nobody can handle. They are
 * known by their reason, and taken back when the failure itself is told.
 */
const DRIVER = `(function (call, result, boot) {
  'use strict'
  const Bytes = Uint8Array, Failure = TypeError, Later = Promise, hide = Object.defineProperty, text = String
  const functions = { __proto__: null }, bound = Object.setPrototypeOf([], null)
  let namespace, early
  const guest = boot(Object.freeze({
    __proto__: null,
    send(message) {
      const answer = call(message)
      return answer === undefined ? undefined : new Bytes(answer)
    },
    encodeText: text => new Bytes(call(text)),
    decodeText: bytes => call(bytes, true),
    result,
    functions
  }))
  const close = () => { delete globalThis.__coffer }
  const hidden = { modules: guest.modules, close, begin(value) { namespace = value; close(); call() } }
  const settled = new Later(done => done())
  return function (operation, value, reason) {
    switch (operation) {
      case ${DRIVE.receive}: guest.receive(new Bytes(value)); return
      case ${DRIVE.link}: hide(globalThis, '__coffer', { __proto__: null, value: hidden, configurable: true }); return
      case ${DRIVE.started}: early = null; guest.setNamespace(namespace, value === namespace ? settled : value); return
      case ${DRIVE.failed}:
        for (; early; early = early.next) if (early.reason === value) guest.rejection(early.promise, value, true)
        early = null
        guest.setNamespace(namespace, new Later((_, fail) => fail(value)))
        return
      case ${DRIVE.refuse}: return new Failure("Cannot import '" + value + "': it was not granted")
      case ${DRIVE.describe}: return text(value.lineNumber) + ' ' + text(value.columnNumber) + ' ' + text(value.message)
      case ${DRIVE.rejected}:
        if (early !== null) early = { __proto__: null, promise: value, reason, next: early }
        guest.rejection(value, reason, false)
        return
      case ${DRIVE.handled}: guest.rejection(value, undefined, true); return
      case ${DRIVE.bind}: functions[reason] = value; bound[bound.length] = reason; return
      case ${DRIVE.bound}: return bound
      case ${DRIVE.expect}: return guest.expect(value)
      case ${DRIVE.namespace}: return namespace
      case ${DRIVE.bytes}: return new Bytes(value)
      case ${DRIVE.answer}: guest.answer(value, reason); return
      case ${DRIVE.threw}: guest.threw(value, reason); return
      case ${DRIVE.encode}: return guest.encode(arguments, 1)
      case ${DRIVE.resolve}: guest.resolve(value, reason); return
      case ${DRIVE.reject}: guest.reject(value, reason); return
      case ${DRIVE.error}: return guest.error(value)
    }
  }
})`

/** The engine's data and its C stack, below the heap, in pages. */
const BOOT_PAGES = 84
/** More of the engine's JSRuntime than comes before the handlers. */
const RUNTIME_BYTES = 256
/** More of the engine's JSContext than it has. */
const CONTEXT_BYTES = 512
/** More of the engine's JSRuntime than comes between its list of jobs and its flags. */
const STRIP_FLAGS_WITHIN = 96
/** More than the heap has free when it is fresh. */
const TRIAL_BYTES = 4 * 1024 * 1024

/**
 * @param bootWasm - The metered wasm with its data, as meterEngine() makes it.
 * @param wasmHash - SHA-256 of the wasm that will run the image.
 * @param sdk - One classic script whose completion value is the SDK's boot function.
 * @returns The image; the same bytes for the same input.
 * @throws Error when the script throws.
 */
export function makeImage(bootWasm: Uint8Array, wasmHash: Uint8Array, sdk: string): Uint8Array {
  const module = new WebAssembly.Module(bootWasm as Uint8Array<ArrayBuffer>)
  const noted = boot(module, sdk)
  const plan = noted.placing.plan(noted.fields.heapEnd)
  if (plan === undefined) throw new Error('the SDK has more blocks of memory than can be noted')
  const { instance, fields, placing } = boot(module, sdk, plan)
  if (!placing.isWhole(fields.heapEnd)) throw new Error('the SDK starts in another way each time')
  placing.end()
  const memory = frozenMemory(module, instance, fields)
  return encodeImage(memory, { ...fields, pages: memory.length / PAGE_BYTES }, wasmHash)
}

interface Booted {
  readonly instance: Instance
  readonly fields: Omit<ImageFields, 'pages'>
  readonly placing: Placing
}

function boot(module: WebAssembly.Module, sdk: string, plan?: Plan): Booted {
  let rejections = 0
  const instance = new Instance(module, BOOT_PAGES, MAX_PAGES, {
    poll() {},
    call: () => {
      throw new Error('the SDK sent a message while it started')
    },
    load: () => undefined,
    result: () => false,
    host: () => 0,
    rejection: () => rejections++,
    // Whatever depends on the clock would make every build differ.
    now: () => 0,
    outOfMemory: size => new RangeError(`the SDK needs ${size} bytes`)
  })
  const engine = instance.engine as BootExports
  const stackTop = engine.stack.value
  engine.initialize()
  const undefinedPointer = engine.QTS_GetUndefined()
  const runtime = engine.QTS_NewRuntime()
  const placing = new Placing(instance, runtime, stackTop, plan)
  const context = engine.QTS_NewContext(runtime, 0)
  const fields = () => new Uint32Array(instance.memory.buffer.slice(runtime, runtime + RUNTIME_BYTES))
  const before = fields()
  engine.QTS_RuntimeEnableInterruptHandler(runtime)
  // Handler and its argument, the rejection tracker and its argument, the list of jobs: so quickjs.c declares them.
  const handler = fields().findIndex((word, i) => word !== before[i])
  // It showed where they stand, and is not needed: scripts/meter.ts.
  for (const at of [handler, handler + 1]) instance.view.setUint32(runtime + 4 * at, before[at]!, true)
  instance.view.setUint32(runtime + 4 * (handler + 2), REJECTION_TRACKER, true)
  engine.QTS_RuntimeEnableModuleLoader(runtime, 0)
  const scratch = instance.allocate(SCRATCH.bytes)

  const run = (source: string, name: string): Pointer => {
    const text = instance.newText(source)
    const label = instance.newText(name)
    const length = instance.bytes.indexOf(0, text) - text
    const value = unwrap(engine.QTS_Eval(context, text, length, label, 0, EVAL_SCRIPT))
    instance.bytes.fill(0, text, text + length)
    engine.free(text)
    engine.free(label)
    return value
  }
  const unwrap = (value: Pointer): Pointer => {
    if (!instance.isException(value)) return value
    const error = engine.QTS_ResolveException(context, value)
    throw new Error(`the SDK does not start: ${instance.text(engine.QTS_GetString(context, error))}`)
  }
  const apply = (callee: Pointer, ...args: Pointer[]): Pointer => {
    args.forEach((pointer, i) => instance.view.setUint32(scratch + 4 * i, pointer, true))
    return unwrap(engine.QTS_Call(context, callee, undefinedPointer, args.length, scratch))
  }

  // The rest of the layout that machine.ts counts on, tried out while every global is still the engine's own.
  engine.QTS_FreeValuePointer(context, run('void Promise.reject()', 'coffer:boot'))
  if (rejections !== 1) throw new Error('the engine keeps its rejection tracker elsewhere')
  const randomState = findRandomState(instance, context, () => {
    engine.QTS_FreeValuePointer(context, run('Math.random()', 'coffer:boot'))
  })
  const jobList = runtime + 4 * (handler + 4)
  const waiting = instance.listLength(jobList, 10)
  run('for (let i = 0; i < 3; i++) Promise.resolve().then(() => {})', 'coffer:boot')
  if (waiting !== 0 || instance.listLength(jobList, 10) !== 3)
    throw new Error('the engine keeps its jobs elsewhere')
  while (engine.QTS_IsJobPending(runtime) !== 0) engine.QTS_ExecutePendingJob(runtime, 1, scratch)
  const modules = findModules(instance, context)
  checkClasses(expression => instance.objectClass(run(expression, 'coffer:boot')))
  const names = findNames(
    instance.words,
    runtime,
    RUNTIME_BYTES,
    nameOf(instance, run(`({ ${PROBE}: 1 })`, 'coffer:boot')),
    text => instance.latin1(text + TEXT.units, PROBE.length) === PROBE
  )
  const mailbox = instance.allocate(MAILBOX_BYTES)
  const mailboxValue = engine.QTS_NewArrayBuffer(context, mailbox, MAILBOX_BYTES)
  checkValues(
    instance,
    context,
    names,
    mailbox,
    mailboxValue,
    expression => run(expression, 'coffer:boot'),
    apply
  )

  const name = instance.newText('')
  const call = engine.QTS_NewFunction(context, name, 1, 0, FUNCTION.call)
  const result = engine.QTS_NewFunction(context, name, 2, 0, FUNCTION.result)
  const { heapEnd, stripFlags } = findByTrial(module, jobList)
  // Text and lines of the SDK's functions: nobody is to read them, and each guest would carry them.
  instance.bytes[stripFlags] = STRIP_ALL
  const driver = apply(run(DRIVER, 'coffer:driver'), call, result, run(sdk, 'coffer:sdk'))
  instance.bytes[stripFlags] = 0

  // Leftovers of finished calls.
  instance.bytes.fill(0, mailbox, mailbox + MAILBOX_BYTES)
  instance.bytes.fill(0, scratch, scratch + SCRATCH.bytes)
  return {
    instance,
    placing,
    fields: {
      runtime,
      context,
      driver,
      undefinedPointer,
      randomState,
      jobList,
      modules,
      scratch,
      names,
      mailbox,
      mailboxValue,
      stackTop,
      heapEnd,
      stripFlags
    }
  }
}

/** A name that nothing in the engine or the SDK has. */
const PROBE = 'cofferProbe'

/** Number of the first property's name of an object. */
function nameOf(instance: Instance, value: Pointer): number {
  const object = instance.view.getUint32(value, true)
  const shape = instance.view.getUint32(object + OBJECT.shape, true)
  return instance.view.getUint32(shape + SHAPE.properties + 4, true)
}

/** Values of every kind, in the host and in the guest. */
const SAMPLES: readonly (readonly [value: unknown, expression: string])[] = [
  [undefined, 'undefined'],
  [null, 'null'],
  [true, 'true'],
  [0, '0'],
  [-1, '-1'],
  [-(2 ** 31), '-(2 ** 31)'],
  [2 ** 31, '2 ** 31'],
  [1.5, '1.5'],
  [-1e300, '-1e300'],
  [-0, '-0'],
  [NaN, 'NaN'],
  [-Infinity, '-Infinity'],
  [7n, '7n'],
  [-(2n ** 31n), '-(2n ** 31n)'],
  ['', '""'],
  ['h\u00e9', '"h\u00e9"'],
  ['\ud800\u20ac\0', '"\\ud800\u20ac\\0"'],
  ['0123456789abcdefghi', '"0123456789" + "abcdefghi"'],
  [[], '[]'],
  [[1, 'two', [3.5]], '[1, "two", [3.5]]'],
  [{}, '({})'],
  [{ b: 1, 7: [null], a: { c: 'd' } }, '({ b: 1, 7: [null], a: { c: "d" } })'],
  [{ gone: 1 }, '(o => (delete o.x, o))({ x: 1, gone: 1 })'],
  [new Uint8Array([1, 2, 3]), 'new Uint8Array([0, 1, 2, 3]).subarray(1)']
]
/** What the host must leave to the guest's own encoder. */
const UNCLEAR_SAMPLES = [
  '({ get a() { return 1 } })',
  'new Proxy({}, {})',
  'new Map()',
  'new (class A {})()',
  '() => 1',
  'Symbol("a")',
  '({ [Symbol("a")]: 1 })',
  '(a => (a[100000] = 1, a))([])',
  '(a => (a.length = 5, a))([1])',
  'Object.create(new Proxy({}, {}))',
  '(a => (a[0] = a))([])'
]

/** Hold the layout of values, as values.ts reads and writes it, against the engine. */
function checkValues(
  instance: Instance,
  context: Pointer,
  names: Pointer,
  mailbox: Pointer,
  mailboxValue: Pointer,
  run: (expression: string) => Pointer,
  apply: (callee: Pointer, ...args: Pointer[]) => Pointer
): void {
  const writer = new ValueWriter()
  const reader = new ValueReader(instance, names, { valueBytes: 1e6, valueItems: 1000, valueDepth: 64 })
  const engine = instance.engine as BootExports
  const same = run('(a, b) => Object.is(a, b) || JSON.stringify([a, a + ""]) === JSON.stringify([b, b + ""])')
  for (const [value, expression] of SAMPLES) {
    const theirs = run(expression)
    const [head, body] = writer.write(value)
    instance.bytes.set(head, mailbox)
    instance.bytes.set(body, mailbox + head.length)
    const ours = engine.QTS_bjson_decode(context, mailboxValue)
    const equal = typeof value === 'bigint' ? run('(a, b) => a === b') : same
    if (instance.isException(ours) || reader.read(apply(equal, ours, theirs)) !== true)
      throw new Error(`the engine reads its binary form in another way: ${expression}`)
    for (const pointer of [ours, theirs])
      if (inspect(reader.read(pointer)) !== inspect(value))
        throw new Error(`the engine lays out values in another way: ${expression}`)
  }
  for (const expression of UNCLEAR_SAMPLES) {
    try {
      reader.read(run(expression))
    } catch (reason) {
      if (reason === UNCLEAR) continue
      throw reason
    }
    throw new Error(`the engine lays out values in another way: ${expression}`)
  }
}

/**
 * Find what shows only when it is changed, in an instance that is thrown away: the word that says where the heap ends,
 * which is the highest that moves on with it, and in the engine's JSRuntime, behind the list of jobs, the flag by
 * which functions lose their text.
 */
function findByTrial(
  module: WebAssembly.Module,
  jobList: Pointer
): { heapEnd: Pointer; stripFlags: Pointer } {
  const instance = new Instance(module, BOOT_PAGES, MAX_PAGES, {
    poll() {},
    call: () => 0,
    result: () => false,
    host: () => 0,
    load: () => undefined,
    rejection() {},
    now: () => 0,
    outOfMemory: size => new RangeError(`the trial needs ${size} bytes`)
  })
  const engine = instance.engine as BootExports
  const stackTop = engine.stack.value
  engine.initialize()
  const runtime = engine.QTS_NewRuntime()
  const context = engine.QTS_NewContext(runtime, 0)
  const label = instance.newText('coffer:boot')
  const text = instance.newText('(function marked() {}).toString()')
  const length = instance.bytes.indexOf(0, text) - text
  const before = instance.bytes.slice()
  const keepsText = () => {
    const value = engine.QTS_Eval(context, text, length, label, 0, EVAL_SCRIPT)
    return !instance.text(engine.QTS_GetString(context, value)).includes('native')
  }
  const flags = Array.from({ length: STRIP_FLAGS_WITHIN }, (_, i) => jobList + i).filter(at => {
    instance.bytes.set(before)
    engine.stack.value = stackTop
    if (instance.bytes[at] !== 0) return false
    instance.bytes[at] = STRIP_SOURCE
    try {
      return !keepsText()
    } catch {
      return false
    }
  })
  instance.bytes.set(before)
  engine.stack.value = stackTop
  if (flags.length !== 1) throw new Error('the engine keeps its flag for the text of functions elsewhere')

  checkModules(instance, context)

  const words = (bytes: Uint8Array) => new Uint32Array(bytes.slice(0, stackTop - STACK_BYTES).buffer)
  instance.allocate(TRIAL_BYTES)
  const after = words(instance.bytes)
  const ends = [...words(before).entries()]
    .filter(([i, word]) => word > stackTop && after[i]! - word >= TRIAL_BYTES)
    .sort(([i], [k]) => after[k]! - after[i]!)
  const [end] = ends
  const found = end === undefined ? 0 : after[end[0]]!
  if (end === undefined || found > instance.bytes.length || instance.bytes.length - found > 8 * PAGE_BYTES)
    throw new Error('the engine keeps the end of its heap elsewhere')
  return { heapEnd: 4 * end[0], stripFlags: flags[0]! }
}

/** Find the list of the context's modules, of which there is none yet: its one ring that is empty. */
function findModules({ words }: Instance, context: Pointer): Pointer {
  const found: Pointer[] = []
  for (let at = context; at < context + CONTEXT_BYTES; at += 4)
    if (words[at >> 2] === at && words[(at >> 2) + 1] === at) found.push(at)
  if (found.length !== 1) throw new Error('the engine keeps its modules elsewhere')
  return found[0]!
}

/** Hold it against the engine that modules can do without their statements. In an instance that is thrown away. */
function checkModules(instance: Instance, context: Pointer): void {
  const engine = instance.engine as BootExports
  const modules = findModules(instance, context)
  const scratch = instance.allocate(SCRATCH.bytes)
  const evaluate = (name: string, source: string) => {
    const text = instance.newText(source)
    const length = instance.bytes.indexOf(0, text) - text
    const value = engine.QTS_Eval(context, text, length, instance.newText(name), 0, EVAL_MODULE)
    if (instance.isException(value)) throw new Error('the engine needs the statements of its modules')
  }
  evaluate(
    'first',
    'export let one = 0; const two = [1, 1]; export const sum = () => one + two.length; one = 1'
  )
  const dropped = dropStatements(instance, { context, modules, scratch })
  if (dropped !== 1 || instance.listLength(modules, 10) !== 1)
    throw new Error('the engine lays out its modules in another way')
  evaluate(
    'second',
    'import * as all from "first"; import { sum } from "first"; if (all.one + sum() !== 4) throw 1'
  )
  if (dropStatements(instance, { context, modules, scratch }) !== 1)
    throw new Error('the engine lays out its modules in another way')
}

/**
 * Find the 8 bytes of state of Math.random in the context: the word that moves as the engine's generator (xorshift64*)
 * moves when it is asked once.
 */
function findRandomState(instance: Instance, context: Pointer, ask: () => void): Pointer {
  const words = () =>
    Array.from({ length: CONTEXT_BYTES / 8 }, (_, i) => instance.view.getBigUint64(context + 8 * i, true))
  const before = words()
  ask()
  const after = words()
  const moved = before.flatMap((word, i) => {
    let next = word ^ (word >> 12n)
    next ^= BigInt.asUintN(64, next << 25n)
    next ^= next >> 27n
    return word !== 0n && next === after[i] ? [context + 8 * i] : []
  })
  if (moved.length !== 1) throw new Error('the engine keeps the state of Math.random elsewhere')
  return moved[0]!
}
