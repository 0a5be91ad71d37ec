/** The QuickJS machine by itself: programs, modules, errors, jobs, the port, and what is left in memory. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { CofferError } from '../../formats/errors.js'
import { DEFAULT_LIMITS } from '../../sandbox/guest.js'
import { rejectsWith } from '../helpers/rejects.js'
import { memories, newestMemory } from '../helpers/wasm-memories.js'

const { makeMachine, PORT, runGuest } = await import('./quickjs-stand-in.js')

/** What a program says; it must not end its machine. */
function said(source: string, messages: readonly string[] = []): string[] {
  const { machine, said, error } = runGuest(source, messages)
  machine.destroy()
  if (error !== undefined) throw error
  return said
}
const failure = (source: string) =>
  rejectsWith('COFFER_PROGRAM_INVALID', () => {
    const { machine, error } = runGuest(source)
    machine.destroy()
    if (error !== undefined) throw error
  })

test('evaluate() runs a module, hands over its exports, and dispatch() calls them', () => {
  const source = "export const hello = name => 'hello ' + name; export default 1"
  assert.equal(said(source, ['hello you', 'hello all']), [
    'started default,hello',
    'result hello you',
    'result hello all'
  ])
})

test('evaluate() takes an empty program, one without a newline at its end, and one with a byte of every kind', () => {
  assert.equal(said(''), ['started '])
  assert.equal(said('export let a//'), ['started a'])
  assert.equal(said('#!/usr/bin/env coffer\nexport let a'), ['started a'])
  assert.equal(said("import { say } from 'coffer:host'; say('a\0b'.length + ' \u{1f600}\u00e9'.length)"), [
    'say 7',
    'started '
  ])
})

test('evaluate() links granted modules, their exports bound under their names', () => {
  assert.equal(said("import { say as tell } from 'coffer:host'; import 'coffer:empty'; tell('x')"), [
    'say x',
    'started '
  ])
  assert.equal(
    said(
      "import * as host from 'coffer:host'; host.say(Object.keys(host)); host.say(await import('coffer:empty') !== undefined)"
    ),
    ['say say,size', 'say true', 'started ']
  )
})

test('evaluate() leaves nothing of the linking where the program can see it', () => {
  const source = `import { say } from 'coffer:host'
    say(Reflect.ownKeys(globalThis).filter(key => /coffer/i.test(String(key))).length)
    say(typeof __coffer)`
  assert.equal(said(source), ['say 0', 'say undefined', 'started '])
  const late = `import { say } from 'coffer:host'
    await import('coffer:empty')
    const found = typeof __coffer
    Object.preventExtensions(globalThis)
    export const again = async () => { say(found + typeof __coffer + typeof await import('coffer:empty')) }`
  assert.equal(said(late, ['again']), ['started again', 'say undefinedundefinedobject', 'result undefined'])
  const closed = `Object.preventExtensions(globalThis); await import('coffer:empty').catch(error => { throw error.name })`
  assert.equal(said(closed), ['failed TypeError'])
})

test('evaluate() refuses a program that does not compile, and says where', async () => {
  assert.match((await failure('let a = ;')).message, 'line 1, column 9: unexpected token in expression')
  assert.match((await failure('\n\n  const secret = 1 +* 2')).message, 'line 3, column 21')
  assert.match((await failure('if (1) {')).message, 'at the end of line 1: the program ends too early')
  assert.match((await failure('f(\n')).message, 'at the end of line 2: the program ends too early')
  assert.match((await failure('`')).message, 'line 1, column 1: unexpected end of string')
  assert.match((await failure('/* never closed')).message, 'unexpected end of comment')
  assert.match((await failure('return')).message, 'return not in a function')
  assert.match((await failure('let a\nlet a')).message, 'at the end of line 2: invalid redefinition')
})

test('evaluate() quotes none of a program in its errors', async () => {
  for (const source of [
    'let a = secretName secretName',
    'class A { f() { this.#secretName } }',
    "'secretName' x"
  ]) {
    assert.not.match((await failure(source)).message, 'secretName')
  }
})

test('evaluate() refuses imports that were not granted, by name', async () => {
  assert.match((await failure("import 'fs'")).message, "it imports 'fs'")
  assert.match((await failure("import { x } from 'coffer:net'; x(")).message, 'ends too early')
  assert.match((await failure("import { x } from 'coffer:net'")).message, "it imports 'coffer:net'")
  assert.match((await failure("export * from './other.js'")).message, 'other.js')
  assert.match((await failure("import { nope } from 'coffer:host'")).message, "Could not find export 'nope'")
})

test('evaluate() repeats names of a program in one line and not without end', async () => {
  const { message } = await failure(`import 'a\\n\\x1b[2J${'b'.repeat(100_000)}'`)
  assert.match(message, "'a??[2Jbbb")
  assert.ok(message.length < 400)
})

test('evaluate() leaves import() of what was not granted to the program', () => {
  const source = `import { say } from 'coffer:host'
    for (const name of ['fs', 'coffer:net', 'coffer:begin', '']) await import(name).catch(error => say(error.name))`
  assert.is(said(source).join(), 'say TypeError,say TypeError,say TypeError,say TypeError,started ')
})

test('evaluate() waits for a top-level await, and tells of what is thrown before and after it', () => {
  assert.equal(said("import { say } from 'coffer:host'; await 0; say(1); await 0; export const late = 2"), [
    'say 1',
    'started late'
  ])
  assert.equal(said('await 0; throw new RangeError("late")'), ['failed RangeError: late'])
  assert.equal(said('throw new RangeError("soon")').at(-1), 'failed RangeError: soon')
  assert.equal(said('export const x = 1; await new Promise(() => {})', []), [])
})

test('evaluate() does not mistake exports for something else', () => {
  assert.equal(said('export const then = done => done(7)'), ['started then'])
  assert.equal(said("import * as me from './title.js'; export const a = typeof me"), ['started a'])
  assert.equal(said('throw undefined').at(-1), 'failed undefined')
})

test('evaluate() takes one program', () => {
  const { machine } = runGuest('')
  try {
    machine.evaluate(Buffer.from(''), 'again.js', new Map())
    assert.unreachable()
  } catch (error) {
    assert.match((error as Error).message, 'internal: a machine takes one program')
  }
  machine.destroy()
})

test('the program bends its globals and reaches nothing by it', () => {
  const source = `import { say } from 'coffer:host'
    const seen = []
    for (const key of ['then', 'constructor', 'catch']) {
      const value = Promise.prototype[key]
      Object.defineProperty(Promise.prototype, key, { get() { seen.push(key); return value }, set() {} })
    }
    globalThis.Uint8Array = globalThis.Object = globalThis.TypeError = globalThis.String = undefined
    await import('nope').catch(() => {})
    await 0
    export const echo = text => text`
  assert.equal(said(source, ['echo fine']).slice(-1), ['result fine'])
})

test('rejections are told as they come, and taken back when handled', () => {
  const source = `const kept = Promise.reject('a'); Promise.reject('b'); await 0; kept.catch(() => {})`
  assert.equal(said(source), ['rejected a', 'rejected b', 'handled undefined', 'started '])
})

test('what a program throws while it starts is told once', () => {
  const notices = said("throw 'gone'")
  assert.is(notices.filter(text => text.startsWith('failed')).length, 1)
  // What is still open after all notices: none.
  const open = notices.reduce(
    (count, text) => count + Number(text.startsWith('rejected')) - Number(text.startsWith('handled')),
    0
  )
  assert.is(open, 0)
})

test('compile() checks a program and runs nothing of it', async () => {
  const port = { ...PORT, receive: () => assert.unreachable() as never }
  const compile = (source: string, modules: readonly string[] = []) => {
    const machine = makeMachine(port, DEFAULT_LIMITS)
    try {
      machine.compile(Buffer.from(source), 'title.js', new Map(modules.map(name => [name, []])))
    } finally {
      machine.destroy()
    }
  }
  compile('throw 1')
  compile("import { anything } from 'coffer:net'; for (;;);", ['coffer:net'])
  compile('')
  const refused = (source: string) =>
    rejectsWith('COFFER_PROGRAM_INVALID', () => compile(source, ['coffer:net']))
  assert.match((await refused("import 'coffer:net'\nlet a = ;")).message, 'line 2, column 9')
  assert.match((await refused("import 'coffer:net'; import 'coffer:save'")).message, 'coffer:save')
  assert.match((await refused('{')).message, 'ends too early')
})

test('messages of every size cross both ways as they are', () => {
  const sizes = [0, 1, 2, 15, 16, 17, 255, 256, 65_535, 65_536, 1_000_001]
  const received: Buffer[] = []
  const answers: Uint8Array[] = []
  const machine = makeMachine(
    {
      ...PORT,
      receive(message) {
        received.push(Buffer.from(message))
        return answers.shift()
      }
    },
    DEFAULT_LIMITS
  )
  const source = `import { size } from 'coffer:host'
    export const make = (length, step) => {
      const bytes = Uint8Array.from({ length: +length }, (_, i) => i * step)
      const answer = size(bytes.subarray(0))
      return answer.length + ' ' + answer[answer.length - 1] + ' ' + answer.constructor.name
    }`
  machine.evaluate(Buffer.from(source), 'title.js', new Map([['coffer:host', ['size']]]))
  received.length = 0
  for (const size of sizes) {
    answers.push(Buffer.alloc(size, 9))
    machine.dispatch(Buffer.from(`make ${size} 7`))
    const [sent, result] = received.splice(0)
    assert.ok(sent!.equals(Buffer.from(Uint8Array.from({ length: size }, (_, i) => i * 7))))
    assert.is(String(result), `result ${size} ${size === 0 ? 'undefined' : 9} Uint8Array`)
  }
  machine.destroy()
})

test('an error of the port ends the machine and passes as it is', async () => {
  const source = "import { say } from 'coffer:host'; try { say(1) } catch {} finally { say(2) }"
  for (const thrown of [
    new CofferError('COFFER_LIMIT_OUTPUT', 'enough'),
    new TypeError('a fault of the host')
  ]) {
    let calls = 0
    const { machine, error } = runGuest(source, [], {
      port: {
        receive() {
          calls++
          throw thrown
        }
      }
    })
    assert.is(error, thrown)
    assert.is(calls, 1)
    await rejectsWith('COFFER_GUEST_GONE', () => machine.dispatch(Buffer.from('x')))
    assert.ok(newestMemory().every(byte => byte === 0))
  }
})

test('a port that ends the machine from inside is safe', () => {
  for (const source of [
    "import { say } from 'coffer:host'; say(1); for (;;);",
    'for (;;);',
    '[].indexOf.call({ length: 2 ** 53 - 1 }, 1)'
  ]) {
    let destroy = () => {}
    const machine = makeMachine(
      { ...PORT, receive: () => void destroy(), poll: () => destroy() },
      DEFAULT_LIMITS
    )
    destroy = () => machine.destroy()
    try {
      machine.evaluate(Buffer.from(source), 'title.js', new Map([['coffer:host', ['say']]]))
      assert.unreachable()
    } catch (error) {
      assert.is((error as CofferError).code, 'COFFER_GUEST_GONE')
    }
  }
})

test('a port that calls its machine is told so', () => {
  let machine: ReturnType<typeof makeMachine> | undefined
  const { error } = (() => {
    machine = makeMachine(
      {
        ...PORT,
        receive() {
          machine!.dispatch(Buffer.from('again'))
          return undefined
        }
      },
      DEFAULT_LIMITS
    )
    try {
      machine.evaluate(
        Buffer.from("import { say } from 'coffer:host'; say(1)"),
        'title.js',
        new Map([['coffer:host', ['say']]])
      )
      return { error: undefined }
    } catch (error) {
      return { error }
    }
  })()
  assert.match((error as Error).message, 'internal: the machine was called from inside itself')
})

test('after destroy() nothing of a program is left in its memory', () => {
  const marker = 'the-marker-that-must-not-stay'
  const source = `// ${marker}
    export const kept = '${marker}'
    export function deep(n) { /* ${marker} */ const own = kept + n; return n > 0 ? deep(n - 1) : own }`
  const { machine } = runGuest(source, ['deep 500'])
  assert.ok(Buffer.from(newestMemory().buffer).includes(marker), 'the guest holds its own text')
  machine.destroy()
  machine.destroy()
  assert.ok(newestMemory().every(byte => byte === 0))
})

test('the copy of a program is wiped once it is compiled', () => {
  const marker = 'a-comment-outside-of-every-function'
  const { machine } = runGuest(`// ${marker}\nexport const a = 1`)
  assert.not.ok(Buffer.from(newestMemory().buffer).includes(marker))
  machine.destroy()
})

test('a machine that was ended, however, is wiped too', () => {
  const marker = 'the-marker-that-must-not-stay'
  const endings = [
    'for (;;);',
    'new ArrayBuffer(2 ** 31 - 1)',
    'const all = []; for (;;) all.push(new ArrayBuffer(1e6))',
    'let a = ;',
    'const f = (...a) => f(...a, 1); f()',
    'String.fromCharCode.apply(null, new Array(20_000).fill(65))'
  ]
  for (const ending of endings) {
    const { machine } = runGuest(`const kept = '${marker}'; ${ending}`, [], { timeMs: 100 })
    machine.destroy()
    assert.ok(
      newestMemory().every(byte => byte === 0),
      ending
    )
  }
})

test('two machines share nothing, not even their dice', () => {
  const first = runGuest(
    `globalThis.shared = 1; Array.prototype.shared = 2
    export const roll = () => Math.random() + ' ' + globalThis.shared + [].shared`,
    ['roll']
  )
  const second = runGuest(`export const roll = () => Math.random() + ' ' + globalThis.shared + [].shared`, [
    'roll'
  ])
  const [, firstRoll] = first.said
  const [, secondRoll] = second.said
  assert.match(firstRoll!, / 12$/)
  assert.match(secondRoll!, / undefinedundefined$/)
  assert.is.not(firstRoll!.split(' ')[1], secondRoll!.split(' ')[1])
  first.machine.destroy()
  assert.is(second.machine.memoryBytes() >= 0, true)
  second.machine.dispatch(Buffer.from('roll'))
  assert.is(second.said.length, 3)
  second.machine.destroy()
})

test('large blocks move as they are, however they overlap', () => {
  // The meter moves them in parts of 256 KiB; the host's own copyWithin says what should come out.
  const length = 600_003
  const expected = Uint8Array.from({ length }, (_, i) => (i * 31) ^ (i >> 8))
  const received: Buffer[] = []
  const machine = makeMachine(
    { ...PORT, receive: message => void received.push(Buffer.from(message)) },
    DEFAULT_LIMITS
  )
  const source = `import { size } from 'coffer:host'
    const bytes = Uint8Array.from({ length: ${length} }, (_, i) => (i * 31) ^ (i >> 8))
    export const move = (to, from, end) => { size(bytes.copyWithin(+to, +from, +end)) }
    export const fill = (value, start) => { size(bytes.fill(+value, +start)) }`
  machine.evaluate(Buffer.from(source), 'title.js', new Map([['coffer:host', ['size']]]))
  const check = (message: string) => {
    received.length = 0
    machine.dispatch(Buffer.from(message))
    assert.ok(received[0]!.equals(expected), message)
  }
  const moves = [
    [0, 1, length],
    [1, 0, length],
    [300_000, 5, length],
    [5, 300_000, length],
    [262_144, 0, length],
    [0, 262_144, length],
    [7, 7, length],
    [0, 5, 262_149],
    [9, 0, 262_145],
    [3, 0, 262_144]
  ]
  for (const [to, from, end] of moves) {
    expected.copyWithin(to!, from!, end)
    check(`move ${to} ${from} ${end}`)
  }
  expected.fill(7, 3)
  check('fill 7 3')
  machine.destroy()
})

test("the clock is the host's, in UTC; there is no time zone to be seen", () => {
  const source = `import { say } from 'coffer:host'
    say(Date.now()); say(new Date().getTimezoneOffset()); say(new Date(2020, 0, 1).toISOString()); say(new Date(0))`
  assert.equal(said(source), [
    'say 1000000',
    'say 0',
    'say 2020-01-01T00:00:00.000Z',
    'say Thu Jan 01 1970 00:00:00 GMT+0000',
    'started '
  ])
})

test('a machine of which an image is made has its bound from WebAssembly too: its limit, or what a planned start takes', () => {
  const MIB = 2 ** 20
  for (const [limitMib, boundMib] of [
    [16, 72],
    [256, 256]
  ] as const) {
    const limits = { ...DEFAULT_LIMITS, memoryBytes: limitMib * MIB }
    const imaging = { strip: false, beginName: 'coffer:begin/mark', mostBytes: 32 * MIB }
    makeMachine(PORT, limits, { imaging }).destroy()
    const memory = memories.at(-1)!
    const boundPages = boundMib * 16
    assert.throws(() => memory.grow(boundPages + 1), /grow/)
    memory.grow(boundPages)
  }
})

test.run()
