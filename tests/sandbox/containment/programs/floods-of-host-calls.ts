import type { Family } from '../family.js'

export const floodsOfHostCalls: Family = {
  'synchronous ones': ['hostCalls|cpuMs', `for (;;) host.echo(1)`],
  'asynchronous ones': ['pendingJobs|hostCalls|cpuMs', `for (;;) host.never()`],
  'asynchronous ones awaited': ['hostCalls|cpuMs', `for (;;) await host.later(1)`],
  'ones that fail': ['hostCalls|cpuMs', `for (;;) try { host.fail() } catch {}`],
  'ones that are refused': ['cpuMs', `for (;;) try { host.echo(() => {}) } catch {}`],
  'ones with large arguments': [
    'hostCalls|cpuMs|memoryBytes',
    `const b = new Uint8Array(1e6); for (;;) host.size(b)`
  ],
  'ones with large answers': [
    'hostCalls|cpuMs|memoryBytes',
    `const all = []; for (;;) all.push(host.bytes(1e6))`
  ],
  'async ones with large arguments': [
    'pendingJobs|hostCalls|cpuMs|memoryBytes',
    `const b = new Uint8Array(1e5); for (;;) host.never(b)`
  ],
  'ones in microtasks': [
    'pendingJobs|hostCalls|cpuMs',
    `const f = () => { host.never(); queueMicrotask(f) }; f(); await new Promise(() => {})`
  ],
  'ones in timers': [
    'pendingJobs|hostCalls|cpuMs|wallMs',
    `setInterval(() => { for (let i = 0; i < 500; i++) host.never() }, 0); await new Promise(() => {})`
  ],
  'asking for the time': ['cpuMs', `for (;;) performance.now()`],
  'asking for random bytes': [
    { quickjs: 'cpuMs', ses: 'cpuMs|memoryBytes' },
    `for (;;) crypto.getRandomValues(new Uint8Array(65536))`
  ],
  'asking for identifiers': ['cpuMs', `for (;;) crypto.randomUUID()`],
  'setting timers anew': [
    'cpuMs',
    `for (let i = 1; ; i++) { const id = setTimeout(() => {}, 1e9 - i); clearTimeout(id) }`
  ],
  'the terminal': ['cpuMs|outputBytes', `for (;;) terminal.write('x'.repeat(1000))`],
  'the terminal with nothing': ['cpuMs|outputBytes|memoryBytes', `for (;;) terminal.write('')`],
  'a large asset, again and again': [
    'pendingJobs|hostCalls|cpuMs|memoryBytes',
    `for (;;) assets.read('large').catch(() => {})`
  ],
  'a large asset, again and again, then nothing': [
    'cpuMs|memoryBytes',
    `for (let i = 0; i < 500; i++) assets.read('large').catch(() => {}); for (;;);`
  ],
  'a large save, again and again, then nothing': [
    'cpuMs|memoryBytes',
    `for (let i = 0; i < 500; i++) save.read('large').catch(() => {}); for (;;);`
  ],
  'large assets that are let go of': [
    // There garbage counts until it is collected.
    { quickjs: 'gives 4000000', ses: 'gives 4000000|memoryBytes' },
    `let least = Infinity
     await Promise.all(Array.from({ length: 60 }, async () => { least = Math.min(least, (await assets.read('large')).length) }))
     return least`
  ],
  keys: ['pendingJobs|hostCalls|cpuMs', `for (;;) terminal.readKey()`]
}
