import type { Family } from '../family.js'

export const useAfterTheEnd: Family = {
  'after it was ended by a limit': ['gone', `after: cpuMs: for (;;);`],
  'after it was ended by its memory': [
    'gone',
    `after: memoryBytes: const all = []; for (;;) all.push(new Uint8Array(1e6).fill(1))`
  ],
  'after it was ended by its output': ['gone', `after: outputBytes: for (;;) console.log('x'.repeat(10000))`],
  'after it disposed of itself': ['gone', `after: gone: host.end(); for (;;);`],
  'with a request that is answered late': [
    'gone',
    `after: gone: host.later(new Uint8Array(1e5)).then(() => { for (;;); }); await host.endLater(); for (;;);`
  ],
  'with a timer that is due': [
    'gone',
    `after: gone: setInterval(() => { for (;;); }, 0); host.end(); for (;;);`
  ]
}
