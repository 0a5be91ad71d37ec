/** What stands in each published file, and what a run loads of it: as the build wrote it down, and as it runs. */
import { build, type Metafile } from 'esbuild'
import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { isBuiltin } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { KEPT_CODE } from '../../sandbox/kept-code.js'
import { newShop } from '../../scripts/shop.js'
import { read, ROOT } from '../helpers/tree.js'

const outputs = JSON.parse(read('build/bundles.json')) as Metafile['outputs']

interface Contents {
  /** Sources of ours. */
  readonly sources: readonly string[]
  /** Packages whose code is inside. */
  readonly inside: readonly string[]
  /** Packages that are imported when it runs. */
  readonly imported: readonly string[]
  /** Node's own modules, without `node:`. */
  readonly builtins: readonly string[]
}

const packageOf = (specifier: string): string => /^(?:@[^/]+\/)?[^/]+/.exec(specifier)![0]

/** All that one published file holds or can ask for, through every chunk that it imports, at once or later. */
function contents(entry: string): Contents {
  const files = new Set<string>()
  const visit = (file: string): void => {
    if (files.has(file)) return
    files.add(file)
    const { imports } = outputs[file] ?? assert.unreachable(`${file} is not in build/bundles.json`)
    for (const { path, external } of imports) if (external !== true) visit(path)
  }
  visit(entry)
  const all = [...files].map(file => outputs[file]!)
  const inputs = all.flatMap(output => Object.keys(output.inputs))
  const external = all.flatMap(output => output.imports.filter(one => one.external)).map(({ path }) => path)
  const distinct = (names: readonly string[]) => [...new Set(names)].sort()
  return {
    sources: distinct(inputs.filter(path => !path.includes('node_modules/'))),
    inside: distinct(
      inputs
        .filter(path => path.includes('node_modules/'))
        .map(path => packageOf(path.split('node_modules/').at(-1)!))
    ),
    imported: distinct(external.filter(path => !isBuiltin(path)).map(packageOf)),
    builtins: distinct(external.filter(path => isBuiltin(path)).map(path => path.replace('node:', '')))
  }
}

/** Every published file that starts something, whose it is, and the packages it may hold and ask for. */
const PUBLISHED: Readonly<Record<string, { for: 'buyer' | 'seller'; inside: string[]; imported: string[] }>> =
  {
    'dist/index.js': { for: 'buyer', inside: [], imported: ['msgpackr'] },
    'dist/sandbox.js': { for: 'buyer', inside: [], imported: [] },
    'dist/formats.js': { for: 'buyer', inside: [], imported: ['msgpackr'] },
    'dist/copier.js': {
      for: 'buyer',
      inside: [],
      imported: ['@jridgewell/trace-mapping', 'acorn', 'esbuild', 'msgpackr']
    },
    'dist/coffer-program.cjs': {
      for: 'buyer',
      inside: ['msgpackr'],
      imported: ['@jridgewell/trace-mapping', 'acorn', 'esbuild']
    },
    'dist/coffer-run.cjs': {
      for: 'buyer',
      inside: ['msgpackr'],
      imported: []
    },
    'dist/coffer.mjs': {
      for: 'buyer',
      inside: [
        '@endo/cache-map',
        '@endo/env-options',
        '@endo/immutable-arraybuffer',
        'acorn',
        'msgpackr',
        'ses'
      ],
      imported: []
    },
    'dist/ses-child-program.cjs': {
      for: 'buyer',
      inside: ['@endo/cache-map', '@endo/env-options', '@endo/immutable-arraybuffer', 'acorn', 'ses'],
      imported: []
    },
    'dist/ses-watchdog.cjs': { for: 'buyer', inside: [], imported: [] },
    'dist/keep-code.js': { for: 'buyer', inside: [], imported: [] },
    'dist/thread-worker.cjs': { for: 'buyer', inside: [], imported: [] },
    'dist/payload-thread.cjs': { for: 'buyer', inside: [], imported: [] },
    'dist/aside-thread.js': { for: 'seller', inside: ['msgpackr'], imported: [] },
    'dist/center.js': {
      for: 'seller',
      inside: [],
      imported: [
        '@hono/node-server',
        '@photostructure/sqlite',
        'hono',
        'kysely',
        'msgpackr',
        'pg',
        'structured-headers'
      ]
    },
    'dist/coffer-center.cjs': {
      for: 'seller',
      inside: [
        '@hono/node-server',
        '@opentelemetry/api',
        '@pinojs/redact',
        'atomic-sleep',
        'bintrees',
        'commander',
        'hono',
        'kysely',
        'msgpackr',
        'on-exit-leak-free',
        'pino',
        'pino-std-serializers',
        'prom-client',
        'quick-format-unescaped',
        'safe-stable-stringify',
        'sonic-boom',
        'structured-headers',
        'tdigest',
        'thread-stream'
      ],
      imported: ['@photostructure/sqlite', 'nodemailer', 'pg', 'stripe']
    }
  }

test('each published file holds and imports the packages that it should, and no other', () => {
  const entries = Object.keys(outputs).filter(file => !/\/chunk-/.test(file))
  assert.equal(entries.sort(), Object.keys(PUBLISHED).sort())
  for (const [file, { inside, imported }] of Object.entries(PUBLISHED)) {
    const found = contents(file)
    assert.equal([file, found.inside, found.imported], [file, inside, imported])
  }
})

test('no code of the center reaches a buyer, and none of the loader or the sandbox a center', () => {
  for (const [file, { for: whose }] of Object.entries(PUBLISHED)) {
    const { sources } = contents(file)
    const foreign = whose === 'buyer' ? /^center\// : /^(?:loader|sandbox)\//
    assert.equal([file, sources.filter(path => foreign.test(path))], [file, []])
    assert.ok(sources.length > 0, file)
    assert.equal([file, sources.filter(path => /^(?:tests|scripts|samples|build)\//.test(path))], [file, []])
  }
  assert.ok(contents('dist/center.js').sources.includes('center/keys/vault.ts'), 'the check sees chunks')
})

test('a thread lies beside what starts it, wherever chunks are cut', () => {
  const starts = Object.entries(outputs).filter(([, { inputs }]) => 'center/orders/aside.ts' in inputs)
  assert.is(starts.length, 2, 'of the library and of the program')
  assert.equal(
    starts.map(([file]) => dirname(file)),
    ['dist', 'dist']
  )
})

test('the sandbox knows no licenses, and formats know nothing of Node but its cryptography', () => {
  const sandbox = contents('dist/sandbox.js').sources.filter(path => !path.startsWith('sandbox/'))
  assert.equal(sandbox, ['formats/bytes.ts', 'formats/errors.ts'])
  const formats = contents('dist/formats.js')
  assert.equal(formats.builtins, ['crypto'])
  assert.equal(
    formats.sources.filter(path => !path.startsWith('formats/')),
    []
  )
})

test('the engine, its session and the codec run where there is no Node', async () => {
  const { metafile } = await build({
    absWorkingDir: ROOT,
    stdin: {
      contents: `export * from './sandbox/quickjs/factory.ts'
        export * from './sandbox/session.ts'
        export * from './formats/msgpack.ts'
        export * from './formats/frame.ts'`,
      resolveDir: ROOT,
      loader: 'ts'
    },
    bundle: true,
    write: false,
    metafile: true,
    logLevel: 'silent',
    // Of Node's modules only this one is known here: what imports another does not resolve, and fails the build.
    platform: 'neutral',
    mainFields: ['module', 'main'],
    conditions: ['import'],
    external: ['node:crypto']
  })
  const withNode = Object.entries(metafile.inputs)
    .filter(([, { imports }]) => imports.some(({ path }) => path.startsWith('node:')))
    .map(([path]) => path)
  assert.equal(withNode, ['formats/primitives.ts'])
})

test('dependencies are what the published files import, and each package inside has its license beside', () => {
  const { dependencies } = JSON.parse(read('package.json')) as { dependencies: Record<string, string> }
  const all = Object.keys(PUBLISHED).map(contents)
  const imported = new Set(all.flatMap(found => found.imported))
  assert.equal(Object.keys(dependencies).sort(), [...imported].sort())

  const licenses = new Map(
    read('dist/licenses.txt')
      .split(/^-{100}\n\n/m)
      .map(text => [/^(\S+) /.exec(text)![1]!, text])
  )
  const inside = new Set(all.flatMap(found => found.inside))
  const wanted = [...inside, '@jitl/quickjs-wasmfile-release-sync'].sort()
  assert.equal([...licenses.keys()].sort(), wanted)
  for (const [name, text] of licenses) assert.ok(/copyright/i.test(text), `${name}: no license text`)
})

const folder = realpathSync(mkdtempSync(join(tmpdir(), 'coffer-bundle-')))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
/** Of the next test, for the one after it. */
let medium: string
let home: string

test('coffer run loads no package, no network, no process, no thread; alone in a folder it runs the same', async () => {
  await using shop = await newShop(join(folder, 'site'))
  medium = await shop.medium(shop.hello)
  home = shop.home.folder
  // No node_modules here or above; only what FIG. 3(A) would put on a master.
  cpSync(join(ROOT, 'dist'), join(folder, 'dist'), {
    recursive: true,
    filter: path => !path.endsWith('types')
  })
  const started = (name: string, source: string, ...args: string[]) => {
    const program = join(folder, name)
    writeFileSync(
      program,
      `process.on('exit', () =>
         console.error('@@' + JSON.stringify({ own: process.moduleLoadList, files: Object.keys(require.cache) })))
       ${source}`
    )
    const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...args], {
      encoding: 'utf8',
      env: { PATH: process.env['PATH'], COFFER_HOME: shop.home.folder }
    })
    assert.is(status, 0, stderr)
    return {
      stdout,
      ...(JSON.parse(stderr.slice(stderr.indexOf('@@') + 2)) as { own: string[]; files: string[] })
    }
  }
  const bare = new Set(started('bare.cjs', '').own)
  const ran = started('run.cjs', `require('./dist/bin/coffer.cjs')`, 'run', medium)
  assert.match(ran.stdout, 'Hello, world.')
  assert.equal(
    ran.files.filter(path => path !== join(folder, 'run.cjs')),
    [join(folder, 'dist/bin/coffer.cjs')]
  )
  const loaded = ran.own.filter(name => !bare.has(name))
  const unwanted = /undici|https?\d?$|\bnet$|tls|dgram|dns|child_process|cluster|worker|inspector|repl|wasi/
  assert.equal(
    loaded.filter(name => unwanted.test(name)),
    []
  )
  assert.ok(loaded.includes('NativeModule crypto'), 'the list is of this run')

  // The check sees what it looks for.
  const other = started('other.cjs', `require('node:http'); require('node:worker_threads')`)
  assert.ok(other.own.filter(name => !bare.has(name) && unwanted.test(name)).length > 1)
})

test('V8 takes what was kept of each program, whatever heap it starts with', () => {
  const taken = (flags: readonly string[], program: string, ...words: readonly string[]) => {
    const script = `process.on('exit', () => console.log('@@' + script.cachedDataRejected))
      const { script } = require(${JSON.stringify(join(folder, 'dist', program))})
      process.exit()`
    writeFileSync(join(folder, 'taken.cjs'), script)
    // With the pipes that a SES guest's process has.
    const { stdout, stderr } = spawnSync(process.execPath, [...flags, join(folder, 'taken.cjs'), ...words], {
      encoding: 'utf8',
      env: { PATH: process.env['PATH'], COFFER_HOME: home },
      stdio: ['ignore', 'pipe', 'pipe', 'pipe', 'pipe', 'pipe', 'pipe']
    })
    assert.match(stdout, '@@false', stderr)
  }
  taken([], 'bin/coffer.cjs', 'list', medium)
  taken(['--max-old-space-size=88', '--max-semi-space-size=4'], 'ses-child.cjs')
})

test('what V8 compiled before only saves time: damaged, of another Node or not there, all runs the same', () => {
  const caches = readdirSync(join(folder, 'dist')).filter(name => name.endsWith('.cache'))
  /** A command that uses it, as it is typed, and what it says, by the cache's name. */
  const uses: Readonly<Record<string, readonly [words: readonly string[], says: string]>> = {
    'coffer-program': [['coffer', 'list', medium], 'org.example.hello'],
    'coffer-run': [['coffer', 'run', medium], 'Hello, world.'],
    'coffer-center': [['coffer-center', '--help'], 'The license center:'],
    quickjs: [['coffer', 'run', medium], 'Hello, world.'],
    'ses-child-program': [['coffer', 'run', medium, '--engine', 'ses'], 'Hello, world.']
  }
  const cacheOf = (name: string) => name.split('.')[0]!
  const programs = ['coffer-program', 'coffer-run', 'coffer-center']
  assert.equal(caches.map(cacheOf).sort(), [...programs, ...KEPT_CODE.map(cacheOf)].sort())
  for (const name of caches) {
    const path = join(folder, 'dist', name)
    const whole = readFileSync(path)
    const [[program, ...words], says] = uses[cacheOf(name)]!
    const runs = (how: string) => {
      const { status, stdout, stderr } = spawnSync(
        process.execPath,
        [join(folder, `dist/bin/${program}.cjs`), ...words],
        { encoding: 'utf8', env: { PATH: process.env['PATH'], COFFER_HOME: home } }
      )
      assert.equal([name, how, status, stderr], [name, how, 0, ''])
      assert.match(stdout, says, `${name}, ${how}`)
    }
    runs('whole')
    // V8 itself looks at the head alone, and runs or dies of the rest: each file is held against a hash that it carries.
    for (const at of [0, 8, whole.length >> 2, whole.length >> 1, whole.length - 40, whole.length - 1]) {
      const damaged = Buffer.from(whole)
      damaged[at]! ^= 1
      writeFileSync(path, damaged)
      runs(`byte ${at}`)
    }
    writeFileSync(path, whole.subarray(0, whole.length - 100))
    runs('cut short')
    writeFileSync(path, '')
    runs('empty')
    rmSync(path)
    runs('gone')
  }
})

test.run()
