import * as assert from 'uvu/assert'
import { rejectsWith } from '../../helpers/rejects.js'
import type { Way } from './way.js'

/** Errors that nobody catches. */
export function uncaught({ test, start }: Way): void {
  for (const [what, statement, message] of [
    ['a timer', `setTimeout(() => { throw new RangeError('late') }, 1)`, 'RangeError: late'],
    ['a microtask', `queueMicrotask(() => { throw new Error('micro') })`, 'Error: micro'],
    ['reportError', `reportError(new TypeError('told'))`, 'TypeError: told'],
    ['a rejected promise', `Promise.reject(new Error('lost'))`, 'Error: lost']
  ] as const) {
    test(`an uncaught error of ${what} ends a program with 1`, async () => {
      const guest = await start(
        `export default async () => { ${statement}; await new Promise(r => setTimeout(r, 3000)); return 9 }`
      )
      assert.is(await guest.run([]), 1)
      assert.is(guest.stderr.split('\n')[0], `Uncaught ${message}`)
      await rejectsWith('COFFER_GUEST_GONE', () => guest.call('x'))
    })
  }

  for (const [what, statement] of [
    ['a rejection', `Promise.reject(new Error('last'))`],
    ['a call of an async function', `(async () => { throw new Error('last') })()`],
    ['reportError', `reportError(new Error('last'))`]
  ] as const) {
    test(`${what} that nobody handles is a failure, be it the last thing a program does`, async () => {
      const guest = await start(`export default async () => { ${statement}; return 0 }`)
      assert.is(await guest.run([]), 1)
      assert.match(guest.stderr, /^Uncaught Error: last\n/)
    })
  }

  test('a program that throws ends with 1 and says what and where', async () => {
    const guest = await start(
      `function inner() {\n  throw new RangeError('sorry')\n}\nexport default () => inner()`,
      { name: 'prog.js' }
    )
    assert.is(await guest.run([]), 1)
    assert.match(guest.stderr, /^Uncaught RangeError: sorry\n    at inner \(prog\.js:2:\d+\)\n/)
    assert.not.match(guest.stderr, /throw new/)
  })

  test('an uncaught error outside of a program is told and survived', async () => {
    const guest = await start(
      `export const go = () => new Promise(r => { setTimeout(() => { throw new Error('oops') }, 1); setTimeout(r, 30, 'on') })`
    )
    assert.is(await guest.call('go'), 'on')
    assert.match(guest.stderr, /^Uncaught Error: oops\n/)
  })

  test('a rejection that is handled in time is not reported', async () => {
    const guest = await start(
      `export default async () => { const p = Promise.reject(new Error('x')); await null; await p.catch(() => {}); try { await Promise.reject(1) } catch {} }`
    )
    assert.is(await guest.run([]), 0)
    assert.is(guest.stderr, '')
  })

  test('a program that waits for nothing is told so', async () => {
    const guest = await start(`export default () => new Promise(() => {})`)
    assert.is(await guest.run([]), 1)
    assert.match(guest.stderr, /waits/)
  })
}
