import * as assert from 'uvu/assert'
import { utf8 } from '../../../formats/bytes.js'
import { CofferError, sync, type Guest, type Key } from '../../../sandbox/index.js'
import { rejectsWith } from '../../helpers/rejects.js'
import { rejectsWithGuestError, type Way } from './way.js'

/** Capabilities. */
export function capabilities({ test, start, how, launch }: Way): void {
  test('a module that was not granted does not exist', async () => {
    for (const module of ['terminal', 'assets', 'save', 'host', 'net', 'begin', 'sdk']) {
      await rejectsWith('COFFER_PROGRAM_INVALID', () => start(`import * as x from 'coffer:${module}'`))
    }
  })

  test('host functions are called by promise, or at once where the host said so', async () => {
    const calls: unknown[] = []
    const guest = await start(
      `import { later, now, boom, refuse, odd, none } from 'coffer:host'
       export const go = async () => {
         const out = [now(1, [2]), await later({ a: 1n }), none() instanceof Promise]
         for (const fn of [boom, refuse, odd]) { try { out.push(await fn()) } catch (e) { out.push(e.constructor.name, e.name, e.message, e instanceof Error) } }
         try { now(() => {}) } catch (e) { out.push(e.name) }
         return out
       }
       export const throwing = () => boom()`,
      {
        capabilities: {
          host: {
            now: sync((...args: unknown[]) => (calls.push(args), { got: args.length })),
            later: async (value: unknown) => (calls.push(value), value),
            boom: sync(() => {
              throw new RangeError('no')
            }),
            refuse: () =>
              Promise.reject(
                Object.assign(new Error('refused'), {
                  name: 'Refusal',
                  secret: Buffer.from('x'),
                  stack: 'host path'
                })
              ),
            odd: () => () => {},
            none: () => {}
          }
        }
      }
    )
    assert.equal(await guest.call('go'), [
      { got: 2 },
      { a: 1n },
      true,
      'RangeError',
      'RangeError',
      'no',
      true,
      'Error',
      'Refusal',
      'refused',
      true,
      'TypeError',
      'TypeError',
      'The host answered with a function, which cannot cross.',
      true,
      'TypeError'
    ])
    assert.equal(calls, [[1, [2]], { a: 1n }])
    assert.is((await rejectsWithGuestError(() => guest.call('throwing'))).message, 'no')
  })

  test('a host function may call the guest again', async () => {
    const guest: Guest = await start(
      `import { twice } from 'coffer:host'; export const go = async () => (await twice(20)) + 2; export const double = x => 2 * x`,
      {
        capabilities: { host: { twice: async (x: number) => guest.call('double', x) } }
      }
    )
    assert.is(await guest.call('go'), 42)
  })

  test('coffer:terminal writes in order, measures and reads', async () => {
    const written: string[] = []
    const key = (name: string, text = ''): Key => ({ name, text, ctrl: false, alt: false, shift: false })
    const keys = [
      key('h', 'h'),
      key('x', 'x'),
      key('backspace'),
      key('i', 'i'),
      key('left'),
      key('enter', '\r'),
      key('q', 'q')
    ]
    const guest = await start(
      `import { interactive, size, write, readKey, readLine } from 'coffer:terminal'
       export default async () => {
         write('\\x1b[2J'); write(1); console.log(interactive, size().columns)
         console.log(await readLine('name? ')); console.log((await readKey()).name); console.log(await readKey(), await readLine())
       }`,
      {
        capabilities: {
          terminal: {
            interactive: false,
            size: () => ({ columns: 80, rows: 24 }),
            write: text => void written.push(text),
            readKey: async () => keys.shift() ?? null
          }
        }
      }
    )
    assert.is(await guest.run([]), 0)
    assert.equal(written, ['\x1b[2J', '1', 'name? '])
    assert.is(guest.stdout, 'false 80\nhi\nq\nnull null\n')
  })

  test('coffer:assets lists and reads', async () => {
    const given = utf8('héllo')
    const guest = await start(
      `import { list, read, readText } from 'coffer:assets'
       export const go = async () => {
         list()[0].path = 'changed'
         const out = [list(), await readText('a.txt')]
         for (const path of ['missing', 5]) { try { await read(path) } catch (e) { out.push(e.name) } }
         return out
       }
       export const bytes = () => read('a.txt')`,
      {
        capabilities: {
          assets: {
            list: () => [{ path: 'a.txt', sizeBytes: 6 }],
            read(path) {
              if (path !== 'a.txt') throw new CofferError('COFFER_FILE_MISSING', 'no such asset')
              return given.slice()
            }
          }
        }
      }
    )
    assert.equal(await guest.call('go'), [
      [{ path: 'a.txt', sizeBytes: 6 }],
      'héllo',
      'CofferError',
      'TypeError'
    ])
    assert.equal(await guest.call('bytes'), given)
  })

  test('coffer:save keeps what it is given, under decent names only', async () => {
    const saved = new Map<string, Uint8Array>()
    const guest = await start(
      `import { list, read, readText, write, remove } from 'coffer:save'
       export const go = async () => {
         await write('one', 'téxt'); await write('two', new Uint8Array([1, 2]))
         const out = [await list(), await readText('one'), await read('two'), await read('three'), await readText('three')]
         await remove('one'); out.push(await list())
         for (const slot of ['', '../x', 'a/b', 'a'.repeat(65), 'é', 5, '\\0']) { try { await write(slot, 'x'); out.push(slot) } catch (e) { out.push(e.name) } }
         return out
       }`,
      {
        capabilities: {
          save: {
            list: () => [...saved.keys()],
            read: slot => saved.get(slot),
            commit: async changes => {
              for (const { slot, bytes } of changes) {
                if (bytes === undefined) saved.delete(slot)
                else saved.set(slot, bytes)
              }
            },
            revision: () => 0
          }
        }
      }
    )
    assert.equal(await guest.call('go'), [
      ['one', 'two'],
      'téxt',
      new Uint8Array([1, 2]),
      null,
      null,
      ['two'],
      ...Array(7).fill('TypeError')
    ])
    assert.equal([...saved], [['two', new Uint8Array([1, 2])]])
  })

  test('a program that waits for ever ends with its wall limit, where it has one', async () => {
    const guest = await start('export default () => new Promise(() => {})', { limits: { wallMs: 300 } })
    await rejectsWith('COFFER_LIMIT_WALL', () => guest.run())
  })

  test('run() passes the arguments of the launch unless it is given others', async () => {
    const guest = await start('export default args => args.length * 10 + args[0].length', {
      args: ['abc', 'd']
    })
    assert.is(await guest.run(), 23)
    assert.is(await guest.run(['x']), 11)
  })

  test('sync() leaves the function it is given as it was', async () => {
    const now = () => 7
    const guest = await start(
      `import { later, now } from 'coffer:host'
       export const kinds = () => [typeof now(), later() instanceof Promise]`,
      { capabilities: { host: { later: now, now: sync(now) } } }
    )
    assert.equal(await guest.call('kinds'), ['number', true])
  })

  test('api calls exports by name', async () => {
    const guest = await launch(utf8('export const twice = x => x * 2'), { ...how })
    assert.is(await guest.api['twice']!(21), 42)
    await guest.dispose()
  })
}
