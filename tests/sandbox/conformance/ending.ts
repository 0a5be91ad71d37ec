import * as assert from 'uvu/assert'
import { sync, type Guest } from '../../../sandbox/index.js'
import { rejectsWith } from '../../helpers/rejects.js'
import type { Way } from './way.js'

/** Being ended. */
export function ending({ test, start }: Way): void {
  test('dispose() ends pending calls and all later ones', async () => {
    const guest = await start(
      `export const wait = () => new Promise(r => setTimeout(r, 20000)); export const loop = () => { for (;;); }`
    )
    const waiting = rejectsWith('COFFER_GUEST_GONE', () => guest.call('wait'))
    await guest.dispose()
    await waiting
    await guest.dispose()
    await rejectsWith('COFFER_GUEST_GONE', () => guest.call('wait'))
    await rejectsWith('COFFER_GUEST_GONE', () => guest.run([]))
  })

  test('a host function may dispose of the guest that calls it', async () => {
    let guest: Guest
    const capabilities = { host: { end: sync(() => void guest.dispose()) } }
    guest = await start(`import { end } from 'coffer:host'; export const go = () => { end(); for (;;); }`, {
      capabilities,
      limits: { cpuMs: 3000 }
    })
    await rejectsWith('COFFER_GUEST_GONE', () => guest.call('go'))
  })

  test('an abort signal ends the guest', async () => {
    const controller = new AbortController()
    const guest = await start(`export const wait = () => new Promise(r => setTimeout(r, 20000))`, {
      signal: controller.signal
    })
    setTimeout(() => controller.abort(), 20)
    await rejectsWith('COFFER_INTERRUPTED', () => guest.call('wait'))
    await rejectsWith('COFFER_GUEST_GONE', () => guest.call('wait'))
    await rejectsWith('COFFER_INTERRUPTED', () =>
      start(`export const a = 1`, { signal: AbortSignal.abort() })
    )
  })

  test('a guest with a timer left does not outlive its disposal, nor does its end disturb another', async () => {
    const [one, two] = await Promise.all([
      start(`export const loop = () => { for (;;); }`, { limits: { cpuMs: 500 } }),
      start(`let n = 0; setInterval(() => n++, 5); export const get = () => n`)
    ])
    await rejectsWith('COFFER_LIMIT_CPU', () => one.call('loop'))
    await new Promise(resolve => setTimeout(resolve, 60))
    assert.ok(((await two.call('get')) as number) > 2)
  })
}
