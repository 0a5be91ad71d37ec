/** The packages of scripts/packages.ts: each with a small job, and what it prints when it is done right. */

export interface PackageJob {
  readonly name: string
  readonly version: string
  /** An ES module; it prints one result. */
  readonly job: string
  readonly expected: string
  /** Engines on which it is known to fail, for a reason that is the engine's. */
  readonly fails?: readonly ('quickjs' | 'ses')[]
  /** What it asks to be installed beside it. */
  readonly beside?: Readonly<Record<string, string>>
}

const job = (imports: string, expression: string): string =>
  `${imports}\nexport default async () => { console.log(String(${expression})) }`

export const PACKAGES: readonly PackageJob[] = [
  {
    name: 'markdown-it',
    version: '14.3.3',
    job: job(`import MarkdownIt from 'markdown-it'`, `new MarkdownIt().render('# A *b*').trim()`),
    expected: '<h1>A <em>b</em></h1>'
  },
  {
    name: 'marked',
    version: '18.2.1',
    job: job(`import { marked } from 'marked'`, `(await marked('# A *b*')).trim()`),
    expected: '<h1>A <em>b</em></h1>'
  },
  {
    name: 'highlight.js',
    version: '11.12.0',
    job: job(
      `import hljs from 'highlight.js'`,
      `hljs.highlight('let a = 1', { language: 'javascript' }).value`
    ),
    expected: '<span class="hljs-keyword">let</span> a = <span class="hljs-number">1</span>'
  },
  {
    name: 'rot-js',
    version: '2.2.1',
    job: job(
      `import { RNG, Map } from 'rot-js'`,
      `(() => { RNG.setSeed(7); let floor = 0; new Map.Digger(40, 20).create((x, y, wall) => { if (!wall) floor++ }); return floor > 50 })()`
    ),
    expected: 'true'
  },
  {
    name: 'liquidjs',
    version: '10.30.1',
    job: job(
      `import { Liquid } from 'liquidjs'`,
      `await new Liquid().parseAndRender('{% for x in list %}{{ x | upcase }}{% endfor %}', { list: ['a', 'b'] })`
    ),
    expected: 'AB',
    fails: ['quickjs']
  },
  {
    name: 'mathjs',
    version: '15.2.0',
    job: job(`import { evaluate } from 'mathjs'`, `evaluate('sqrt(3^2 + 4^2) * det([1, 2; 3, 4])')`),
    expected: '-10',
    fails: ['ses']
  },
  {
    name: 'nunjucks',
    version: '3.2.4',
    job: job(
      `import nunjucks from 'nunjucks/browser/nunjucks.js'`,
      `nunjucks.renderString('Hi {{ name | upper }}', { name: 'Ada' })`
    ),
    expected: 'Hi ADA',
    fails: ['ses']
  },
  {
    name: 'vega-lite',
    version: '6.4.3',
    beside: { vega: '6.4.0' },
    job: job(
      `import { compile } from 'vega-lite'`,
      `compile({ data: { values: [{ a: 1 }] }, mark: 'bar', encoding: { x: { field: 'a', type: 'quantitative' } } }).spec.marks.length`
    ),
    expected: '1',
    fails: ['ses']
  },
  {
    name: 'd3-scale',
    version: '4.0.3',
    job: job(
      `import { scaleLinear } from 'd3-scale'`,
      `scaleLinear([0, 10], [0, 100])(3) + ' ' + scaleLinear([0, 10], [0, 100]).ticks(3)`
    ),
    expected: '30 0,5,10'
  },
  {
    name: 'd3-shape',
    version: '3.2.1',
    job: job(`import { line } from 'd3-shape'`, `line()([[0, 1], [2, 3]])`),
    expected: 'M0,1L2,3'
  },
  {
    name: 'fast-png',
    version: '8.0.0',
    job: job(
      `import { encode, decode } from 'fast-png'`,
      `decode(encode({ width: 2, height: 1, data: new Uint8Array([1, 2, 3, 4, 5, 6]), channels: 3 })).data`
    ),
    expected: '1,2,3,4,5,6'
  },
  {
    name: 'pdf-lib',
    version: '1.17.1',
    job: job(
      `import { PDFDocument } from 'pdf-lib'`,
      `await (async () => { const pdf = await PDFDocument.create(); pdf.addPage([200, 100]).drawText('Hi'); const again = await PDFDocument.load(await pdf.save()); return again.getPageCount() + ' ' + again.getPage(0).getWidth() })()`
    ),
    expected: '1 200'
  },
  {
    name: 'typescript',
    version: '5.9.3',
    job: job(
      `import ts from 'typescript'`,
      `ts.transpile('const a: number = 1', { target: 'esnext' }).trim()`
    ),
    expected: 'const a = 1;'
  },
  {
    name: 'lodash',
    version: '4.18.1',
    job: job(`import _ from 'lodash'`, `JSON.stringify(_.groupBy([1, 2, 3], x => x % 2))`),
    expected: '{"0":[2],"1":[1,3]}'
  },
  {
    name: 'dayjs',
    version: '1.11.23',
    job: job(`import dayjs from 'dayjs'`, `dayjs('2024-02-28').add(2, 'day').format('YYYY-MM-DD')`),
    expected: '2024-03-01'
  },
  {
    name: 'date-fns',
    version: '4.4.0',
    job: job(
      `import { addDays, format } from 'date-fns'`,
      `format(addDays(new Date(2024, 1, 28), 2), 'yyyy-MM-dd')`
    ),
    expected: '2024-03-01'
  },
  {
    name: 'decimal.js',
    version: '10.6.0',
    job: job(`import { Decimal } from 'decimal.js'`, `Decimal.sqrt(2).toFixed(20)`),
    expected: '1.41421356237309504880'
  },
  {
    name: 'zod',
    version: '4.6.7',
    job: job(`import { z } from 'zod'`, `z.object({ a: z.number() }).safeParse({ a: 'x' }).success`),
    expected: 'false'
  },
  {
    name: 'ajv',
    version: '8.20.0',
    job: job(
      `import { Ajv } from 'ajv'`,
      `new Ajv().validate({ type: 'object', required: ['a'] }, { a: 1 })`
    ),
    expected: 'true'
  },
  {
    name: 'immer',
    version: '11.2.10',
    job: job(
      `import { produce } from 'immer'`,
      `JSON.stringify(produce({ a: [1] }, draft => { draft.a.push(2) }))`
    ),
    expected: '{"a":[1,2]}'
  },
  {
    name: 'rxjs',
    version: '7.8.2',
    job: job(
      `import { of, map, toArray, lastValueFrom, delay } from 'rxjs'`,
      `await lastValueFrom(of(1, 2, 3).pipe(map(x => x * 2), delay(1), toArray()))`
    ),
    expected: '2,4,6'
  },
  {
    name: 'ramda',
    version: '0.32.0',
    job: job(`import * as R from 'ramda'`, `R.pipe(R.map(R.inc), R.sum)([1, 2, 3])`),
    expected: '9'
  },
  {
    name: 'yaml',
    version: '2.9.1',
    job: job(`import { parse, stringify } from 'yaml'`, `stringify(parse('a: [1, 2]')).trim()`),
    expected: 'a:\n  - 1\n  - 2'
  },
  {
    name: 'papaparse',
    version: '5.7.1',
    job: job(
      `import Papa from 'papaparse'`,
      `JSON.stringify(Papa.parse('a,b\\n1,"x,y"', { header: true }).data)`
    ),
    expected: '[{"a":"1","b":"x,y"}]'
  },
  {
    name: 'handlebars',
    version: '4.7.10',
    job: job(
      `import Handlebars from 'handlebars/dist/handlebars.js'`,
      `Handlebars.compile('{{#each list}}{{this}};{{/each}}')({ list: [1, 2] })`
    ),
    expected: '1;2;'
  },
  {
    name: 'mustache',
    version: '4.2.0',
    job: job(
      `import Mustache from 'mustache'`,
      `Mustache.render('{{#list}}{{.}};{{/list}}', { list: [1, 2] })`
    ),
    expected: '1;2;'
  },
  {
    name: 'ejs',
    version: '7.0.2',
    job: job(
      `import ejs from 'ejs'`,
      // SES is strict everywhere, and without this ejs writes a with statement.
      `ejs.render('<% for (const x of locals.list) { %><%= x %>;<% } %>', { list: [1, 2] }, { strict: true })`
    ),
    expected: '1;2;'
  },
  {
    name: 'chess.js',
    version: '1.4.0',
    job: job(
      `import { Chess } from 'chess.js'`,
      `(() => { const game = new Chess(); for (const move of ['f3', 'e5', 'g4', 'Qh4']) game.move(move); return game.isCheckmate() })()`
    ),
    expected: 'true'
  },
  {
    name: 'acorn',
    version: '8.19.0',
    job: job(`import { parse } from 'acorn'`, `parse('let a = 1', { ecmaVersion: 2024 }).body[0].type`),
    expected: 'VariableDeclaration'
  },
  {
    name: 'fflate',
    version: '0.8.3',
    job: job(
      `import { gzipSync, gunzipSync, strToU8, strFromU8 } from 'fflate'`,
      `strFromU8(gunzipSync(gzipSync(strToU8('hello hello hello'))))`
    ),
    expected: 'hello hello hello'
  },
  {
    name: 'pako',
    version: '3.0.3',
    job: job(
      `import { deflate, inflate } from 'pako'`,
      `new TextDecoder().decode(inflate(deflate(new TextEncoder().encode('hello hello'))))`
    ),
    expected: 'hello hello'
  },
  {
    name: 'uuid',
    version: '14.0.3',
    job: job(`import { v4, v5, validate } from 'uuid'`, `validate(v4()) + ' ' + v5('a', v5.URL)`),
    expected: 'true e1407479-3136-56c0-9908-bb02fb0339e2'
  },
  {
    name: 'nanoid',
    version: '5.1.16',
    job: job(`import { nanoid } from 'nanoid'`, `nanoid().length`),
    expected: '21'
  },
  {
    name: 'semver',
    version: '7.8.6',
    job: job(
      `import semver from 'semver'`,
      `semver.satisfies('1.2.3', '^1.0.0') + ' ' + semver.inc('1.2.3', 'minor')`
    ),
    expected: 'true 1.3.0'
  },
  {
    name: 'diff',
    version: '9.0.0',
    job: job(
      `import { diffWords } from 'diff'`,
      `diffWords('a b c', 'a x c').map(({ value, added, removed }) => (added ? '+' : removed ? '-' : '') + value).join('|')`
    ),
    expected: 'a |-b|+x| c'
  },
  {
    name: 'fuse.js',
    version: '7.5.0',
    job: job(`import Fuse from 'fuse.js'`, `new Fuse(['apple', 'orange', 'banana']).search('bnana')[0].item`),
    expected: 'banana'
  },
  {
    name: 'big.js',
    version: '7.0.1',
    job: job(`import Big from 'big.js'`, `new Big('0.1').plus('0.2').toString()`),
    expected: '0.3'
  }
]
