import type { Family } from '../family.js'

export const reEntrancy: Family = {
  'a host function that calls the guest': [
    'gives 42',
    `module: import { again } from 'coffer:host'; export const attack = async () => (await again('double', 20)) + 2; export const double = x => 2 * x`
  ],
  'a host function that calls without end': [
    'hostCalls|cpuMs|wallMs|pendingJobs|memoryBytes',
    `module: import { again } from 'coffer:host'; export const attack = async () => { for (;;) await again('attack2', 1) }; export const attack2 = async n => again('attack2', n + 1)`
  ],
  'a synchronous one that calls the guest': [
    'gives "called"',
    `module: import { poke } from 'coffer:host'; let n = 0; export const attack = async () => { poke('inner'); const during = n; await null; return during === 0 ? 'called' : 'inside' }; export const inner = () => { n++ }`
  ],
  'a synchronous one that calls the guest without end': [
    'hostCalls|cpuMs|pendingJobs',
    `module: import { poke } from 'coffer:host'; export const attack = () => { for (;;) poke('inner') }; export const inner = () => {}`
  ],
  'a call whose inner call ends the guest': [
    'cpuMs',
    `module: import { again } from 'coffer:host'; export const attack = () => again('loop'); export const loop = () => { for (;;); }`
  ],
  'a call whose inner call throws': [
    'throws RangeError',
    `module: import { again } from 'coffer:host'; export const attack = () => again('bad'); export const bad = () => { throw new RangeError('inner') }`
  ],
  'a host function that disposes of the guest': ['gone', `host.end(); for (;;);`],
  'an async host function that disposes of the guest': ['gone', `await host.endLater(); for (;;);`],
  'a host function that disposes of it in a job': [
    'gone',
    `Promise.resolve().then(() => { host.end(); for (;;); }); await new Promise(() => {})`
  ],
  'a toString that calls the host while it is told': [
    'gives true|throws',
    `let n = 0; console.log('%s', { toString() { n++; host.echo(1); console.log('inner'); return 'x' } }); return n > 0`
  ],
  'an inspected getter that calls the host': [
    'gives 0',
    `let n = 0; console.log({ get a() { n++; return host.echo(1) } }); return n`
  ],
  'a toPrimitive of a URL that calls the host': [
    'gives "x:y"',
    `return new URL({ toString() { host.echo(new Uint8Array(100)); return 'x:y' } }).href`
  ]
}
