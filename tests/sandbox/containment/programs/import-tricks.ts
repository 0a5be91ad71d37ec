import type { Family } from '../family.js'

export const importTricks: Family = {
  'import() of a file': [
    { quickjs: 'gives "refused"', ses: 'invalid' },
    `try { await import('/etc/passwd'); return 'in' } catch { return 'refused' }`
  ],
  'import() of a built-in': [
    { quickjs: 'gives "refused"', ses: 'invalid' },
    `try { await import('node:fs'); return 'in' } catch { return 'refused' }`
  ],
  'import() of data': [
    { quickjs: 'gives "refused"', ses: 'invalid' },
    `try { await import('data:text/javascript,export default 1'); return 'in' } catch { return 'refused' }`
  ],
  'import() of std': [
    { quickjs: 'gives "refused"', ses: 'invalid' },
    `try { await import('std'); return 'in' } catch { return 'refused' }`
  ],
  'import() of the program itself': [
    { quickjs: 'gives "refused"|gives "itself"', ses: 'invalid' },
    `try { const self = await import('title.js'); return Object.keys(self).every(k => k === 'attack') ? 'itself' : 'in' } catch { return 'refused' }`
  ],
  'import() of what was not granted': [
    { quickjs: 'gives "refused"', ses: 'invalid' },
    `try { await import('coffer:net'); return 'in' } catch { return 'refused' }`
  ],
  'import() of our own modules': [
    { quickjs: 'gives "refused"', ses: 'invalid' },
    `for (const name of ['coffer:begin', 'coffer:begin/0', 'coffer:sdk', 'coffer:driver', 'coffer:boot']) { try { await import(name); return name } catch {} } return 'refused'`
  ],
  'import() in eval': [
    'gives "refused"',
    `try { await (0, eval)('im' + 'port("node:fs")'); return 'in' } catch { return 'refused' }`
  ],
  'import() in Function': [
    'gives "refused"',
    `try { await Function('return im' + 'port("node:fs")')(); return 'in' } catch { return 'refused' }`
  ],
  'import() with a name whose toString never ends': [
    { quickjs: 'cpuMs', ses: 'invalid' },
    `await import({ toString() { for (;;); } })`
  ],
  'a static import of a built-in': [
    'invalid',
    `module: import fs from 'node:fs'; export const attack = () => 1`
  ],
  'a static import of a path': [
    'invalid',
    `module: import x from './secret.js'; export const attack = () => 1`
  ],
  'a static import of data': [
    'invalid',
    `module: import x from 'data:text/javascript,export default 1'; export const attack = () => 1`
  ],
  'a static import of what was not granted': [
    'invalid',
    `module: import * as net from 'coffer:net'; export const attack = () => 1`
  ],
  'an import of an export that is not there': [
    'invalid',
    `module: import { missing } from 'coffer:host'; export const attack = () => 1`
  ],
  'an import of __proto__': [
    'invalid',
    `module: import { __proto__ as p } from 'coffer:host'; export const attack = () => typeof p`
  ],
  'an import with attributes': [
    'invalid|gives 1',
    `module: import x from 'coffer:host' with { type: 'json' }; export const attack = () => 1`
  ],
  'a re-export of a built-in': ['invalid', `module: export * from 'node:os'; export const attack = () => 1`],
  'a name with a line break': [
    'invalid',
    `module: import x from 'coffer:host\\nimport y'; export const attack = () => 1`
  ],
  'the address of the module': ['gives true', `return !/\\/|file:|http/.test(String(import.meta.url ?? ''))`],
  'import.meta.resolve': ['gives "undefined"', `return typeof import.meta.resolve`],
  'a source map comment': [
    'gives 1',
    `module: export const attack = () => 1\n//# sourceMappingURL=file:///etc/passwd`
  ],
  'a sourceURL comment': [
    'throws Error',
    `module: export const attack = () => { throw new Error('x') }\n//# sourceURL=/etc/passwd`
  ],
  'eval with a sourceURL comment': [
    'throws Error',
    `(0, eval)('throw new Error("x") //# sourceURL=/etc/passwd')`
  ],
  'a program that ends a function': [
    'invalid',
    `module: export const attack = () => 1 }).call(undefined)}); process.exit(1); (function(){ (function(){`
  ],
  'a program that closes a comment': [
    'invalid',
    `module: */ process.exit(1) /* export const attack = () => 1`
  ],
  'a hashbang': ['gives 1', `module: #!/bin/sh\nexport const attack = () => 1`],
  'an HTML comment': ['invalid|gives 1', `module: <!-- x\nexport const attack = () => 1`],
  'names that the rewriter uses': [
    'gives "object"|gives "undefined"|invalid',
    `module: export const attack = () => typeof $coffermodules`
  ],
  'setting the namespace again': [
    'throws ReferenceError|throws TypeError|gives 1',
    `module: export const attack = () => { $cofferset({ attack: () => 'bent' }); return 1 }`
  ]
}
