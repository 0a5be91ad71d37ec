import type { Family } from '../family.js'

export const floodsOfOutput: Family = {
  'the console': ['outputBytes|cpuMs', `for (;;) console.log('x'.repeat(1000))`],
  'the console with nothing': ['outputBytes|cpuMs', `for (;;) console.log()`],
  "the console's other stream": ['outputBytes|cpuMs', `for (;;) console.error('x'.repeat(1000))`],
  'one text of megabytes': ['outputBytes|memoryBytes', `console.log('x'.repeat(8e6))`],
  'control characters': ['gives 1', `console.log('\\x1b[2J\\x07\\u202e\\0'); return 1`],
  'text that is no UTF-8': ['gives 1', `console.log('\\ud800'.repeat(1000)); return 1`],
  'errors that nobody catches': [
    'outputBytes|cpuMs|memoryBytes',
    `const f = () => { setTimeout(f, 0); throw new Error('x'.repeat(9000)) }; f2: { try { f() } catch {} } await new Promise(() => {})`
  ],
  reportError: ['outputBytes|cpuMs', `for (;;) reportError(new Error('x'.repeat(9000)))`],
  'the margin of the console': [
    'outputBytes|cpuMs|memoryBytes',
    `for (let i = 0; i < 2000; i++) console.group(); for (;;) console.log('\\n'.repeat(1000))`
  ],
  counts: ['outputBytes|cpuMs', `for (;;) console.count('x'.repeat(100))`],
  traces: ['outputBytes|cpuMs', `for (;;) console.trace('x')`]
}
