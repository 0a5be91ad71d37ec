import * as assert from 'uvu/assert'
import { rejectsWith } from '../../helpers/rejects.js'
import { rejectsWithGuestError, type Way } from './way.js'

/** Programs and calls. */
export function programs({ test, start }: Way): void {
  test('a program gets its arguments and gives its exit code', async () => {
    const guest = await start(
      `export default async args => { console.log(args.join('+')); return args.length }`
    )
    assert.is(await guest.run(['a', 'b']), 2)
    assert.is(guest.stdout, 'a+b\n')
  })

  test('what a program returns and cannot cross is no exit code, and no fault of who called it', async () => {
    const kinds = 'new Map(), () => 1, { f() {} }, Symbol(), new Date(0), { a: 1 }, 7n'
    const guest = await start(`export default ([n]) => [${kinds}][n]`)
    for (let n = 0; n < 7; n++) assert.is(await guest.run([`${n}`]), 0, `${n}`)
  })

  test('exit codes are 0 to 63, and 63 stands for all others', async () => {
    const guest = await start(`export default ([code]) => code === 'void' ? undefined : Number(code)`)
    for (const [given, expected] of [
      ['void', 0],
      ['0', 0],
      ['63', 63],
      ['64', 63],
      ['256', 63],
      ['-1', 63],
      ['1.5', 63],
      ['x', 63]
    ] as const) {
      assert.is(await guest.run([given]), expected, given)
    }
  })

  test('exports are named, called and awaited', async () => {
    const guest = await start(`
      export const add = (a, b) => a + b
      export async function later(x) { await null; return [x, x] }
      export class Thing {}
      export let count = 0
      export const increment = () => ++count
      const hidden = 1
      export { hidden as shown, add as 'a name' }
      export default 7`)
    assert.equal(guest.exports, ['Thing', 'a name', 'add', 'count', 'default', 'increment', 'later', 'shown'])
    assert.is(await guest.call('add', 2, 3), 5)
    assert.is(await guest.call('a name', 'x', 'y'), 'xy')
    assert.equal(await guest.call('later', 1), [1, 1])
    assert.equal(await Promise.all([guest.call('increment'), guest.call('increment')]), [1, 2])
    for (const name of ['missing', 'default', 'shown', 'count', 'toString', '__proto__', 'constructor']) {
      const error = await rejectsWith('COFFER_EXPORT_MISSING', () => guest.call(name))
      assert.match(error.message, `no export "${name}" that`)
    }
    const steering = await rejectsWith('COFFER_EXPORT_MISSING', () => guest.call(`\x1b[2J${'x'.repeat(99)}`))
    assert.match(steering.message, `"?[2J${'x'.repeat(56)}..."`)
  })

  test('a program without a default export cannot be run', async () => {
    const guest = await start(`export const a = 1`)
    const error = await rejectsWith('COFFER_EXPORT_MISSING', () => guest.run([]))
    assert.match(
      `${error.message} ${error.hint}`,
      /no export "default" [^]*What is run is the default export/
    )
  })

  test('top-level await is awaited, and its failure is the launch failing', async () => {
    assert.is(
      await (
        await start(`const x = await new Promise(r => setTimeout(() => r(9), 5)); export const get = () => x`)
      ).call('get'),
      9
    )
    const error = await rejectsWithGuestError(() => start(`await null\nthrow new RangeError('early')`))
    assert.is(error.name, 'RangeError')
    assert.is(error.message, 'early')
    assert.match(error.guestStack, /title\.js:2/)
    await rejectsWithGuestError(() => start(`throw new TypeError('at once')`))
    await rejectsWithGuestError(() => start(`await new Promise(() => {})`))
  })

  test('what does not compile or link is refused with its place', async () => {
    const error = await rejectsWith('COFFER_PROGRAM_INVALID', () =>
      start(`let a = 1\nlet b = = 2`, { name: 'my.js' })
    )
    assert.match(error.message, /2\D+9/)
    for (const source of [
      `import 'fs'`,
      `import x from 'coffer:host'`,
      `import './a.js'`,
      `import {nope} from 'coffer:save'`
    ]) {
      await rejectsWith('COFFER_PROGRAM_INVALID', () => start(source))
    }
  })

  test('what a guest throws arrives with its name, message and own frames', async () => {
    const guest = await start(
      `class Own extends Error { name = 'Own' }
       export const a = () => { throw new Own('mine') }
       export const b = async () => { null.x }
       export const c = () => { throw 'text' }
       export const d = () => { throw { message: 'plain' } }
       export const e = () => { throw Object.assign(new Error('m'), { get name() { return 'x' }, stack: 'secret source line\\n  at x (other.js:1:1)' }) }
       export const f = () => { throw undefined }
       export const g = () => { const o = Object.create(new Proxy(Error.prototype, {})); throw o }`,
      { name: 'own.js' }
    )
    const a = await rejectsWithGuestError(() => guest.call('a'))
    assert.is(a.name, 'Own')
    assert.is(a.message, 'mine')
    assert.match(a.guestStack, /own\.js:2:\d+/)
    assert.not.match(a.guestStack, /mine|node:|file:|sdk/)
    assert.is((await rejectsWithGuestError(() => guest.call('b'))).name, 'TypeError')
    assert.is((await rejectsWithGuestError(() => guest.call('c'))).message, 'text')
    assert.is((await rejectsWithGuestError(() => guest.call('d'))).message, 'plain')
    const e = await rejectsWithGuestError(() => guest.call('e'))
    assert.is(e.guestStack, '')
    assert.is((await rejectsWithGuestError(() => guest.call('f'))).message, 'undefined')
    await rejectsWithGuestError(() => guest.call('g'))
  })
}
