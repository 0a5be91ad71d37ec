import type { Family } from '../family.js'

export const floodsOfJobs: Family = {
  // Each promise of it waits for the next one.
  'a chain of jobs': [
    'cpuMs|memoryBytes',
    `const next = () => Promise.resolve().then(next); next(); await new Promise(() => {})`
  ],
  'microtasks that ask for more': [
    'cpuMs',
    `const f = () => queueMicrotask(f); f(); await new Promise(() => {})`
  ],
  'an async loop': ['cpuMs', `for (;;) await 0`],
  'an async generator without end': [
    'cpuMs',
    `for await (const x of (async function* () { for (;;) yield 1 })());`
  ],
  'promises at once': [
    { quickjs: 'pendingJobs', ses: 'memoryBytes|cpuMs' },
    `for (;;) Promise.resolve().then(() => {})`
  ],
  'promises made by jobs': [
    { quickjs: 'pendingJobs', ses: 'memoryBytes|cpuMs' },
    `const next = () => { for (let i = 0; i < 3; i++) Promise.resolve().then(next) }; next(); await new Promise(() => {})`
  ],
  'microtasks at once': [
    { quickjs: 'pendingJobs', ses: 'memoryBytes|cpuMs' },
    `for (;;) queueMicrotask(() => {})`
  ],
  'async functions at once': [
    { quickjs: 'pendingJobs', ses: 'memoryBytes|cpuMs' },
    `const f = async () => { await 0 }; for (;;) f()`
  ],
  'unhandled rejections': ['memoryBytes|cpuMs', `for (;;) Promise.reject(new Error('x'))`],
  'unhandled rejections in jobs': [
    'cpuMs|outputBytes',
    `const f = () => { Promise.reject(1); setTimeout(f, 0) }; f(); await new Promise(() => {})`
  ],
  'rejections handled late': [
    'cpuMs|outputBytes|memoryBytes',
    `for (;;) { const p = Promise.reject(1); await 0; p.catch(() => {}) }`
  ],
  'errors of microtasks': [
    'cpuMs|outputBytes',
    `const f = () => { queueMicrotask(f); throw 1 }; queueMicrotask(f); await new Promise(() => {})`
  ],
  'timers at once': ['pendingJobs', `for (;;) setTimeout(() => {}, 1e6)`],
  'intervals at once': ['pendingJobs', `for (;;) setInterval(() => {}, 1)`],
  'a timer that asks for more': [
    'cpuMs|wallMs',
    `const f = () => { setTimeout(f, 0); for (let i = 0; i < 1e4; i++); }; f(); await new Promise(() => {})`
  ],
  'timers that double': [
    'pendingJobs|cpuMs',
    `const f = () => { setTimeout(f, 0); setTimeout(f, 0) }; f(); await new Promise(() => {})`
  ],
  'timers set and cleared': ['cpuMs', `for (;;) clearTimeout(setTimeout(() => {}, 1e6))`],
  'timers of odd delays': [
    'gives "done"',
    `for (const d of [-1, NaN, Infinity, -Infinity, 2 ** 40, '9', null, {}, [], 1e-9]) clearTimeout(setTimeout(() => {}, d)); return await new Promise(r => setTimeout(r, -5, 'done'))`
  ],
  'a delay whose valueOf never ends': ['cpuMs', `setTimeout(() => {}, { valueOf() { for (;;); } })`],
  'a timer that never ends, after its call': [
    'gives 1|cpuMs',
    `setTimeout(() => { for (;;); }, 0); return 1`
  ],
  'an interval that burns, after its call': [
    'gives 1|cpuMs',
    `setInterval(() => { const end = Date.now() + 20; while (Date.now() < end); }, 1); return 1`
  ],
  'jobs without end, after its call': [
    'cpuMs|gives 1',
    `const f = () => Promise.resolve().then(f); setTimeout(f, 0); return 1`
  ],
  'a finalizer that burns': [
    'gives 1|cpuMs',
    `const r = new FinalizationRegistry(() => { for (;;); }); for (let i = 0; i < 1000; i++) r.register({}, i); for (let n = 0; n < 100; n++) { new ArrayBuffer(4e6); await new Promise(f => setTimeout(f, 1)) } return 1`
  ],
  'a promise of very many': [
    'memoryBytes|cpuMs|pendingJobs',
    `await Promise.all((function* () { for (;;) yield 1 })())`
  ],
  'a wait that never ends': ['wallMs', `await new Promise(() => {})`],
  'a wait for the host that never ends': ['wallMs', `await host.never()`]
}
