/**
 * What `npm pack` makes, and that it works for others: unpacked into the node_modules of a project of its own, beside
 * nothing but the packages that it names as its dependencies, used from TypeScript, from JavaScript and by hand.
 */
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, statSync } from 'node:fs'
import { symlinkSync, writeFileSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { newShop } from '../../scripts/shop.js'
import { read, ROOT } from '../helpers/tree.js'

interface PackageJson {
  readonly version: string
  readonly bin: Record<string, string>
  readonly exports: Record<string, string | { types?: string; default?: string }>
  readonly dependencies: Record<string, string>
  readonly scripts: Record<string, string>
}
const manifest = JSON.parse(read('package.json')) as PackageJson

const folder = realpathSync(mkdtempSync(join(tmpdir(), 'coffer-package-')))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
const app = join(folder, 'app')
const installed = join(app, 'node_modules/coffer')
const tsc = join(ROOT, 'node_modules/typescript/bin/tsc')

function run(command: string, args: readonly string[], options: { cwd?: string; home?: string } = {}) {
  const { status, stdout, stderr } = spawnSync(command, args, {
    cwd: options.cwd ?? app,
    encoding: 'utf8',
    env: { ...process.env, COFFER_HOME: options.home ?? join(folder, 'home') },
    shell: process.platform === 'win32' && command === 'npm'
  })
  return { status, stdout, stderr, said: `${stdout}${stderr}` }
}
const node = (...args: string[]) => run(process.execPath, args)

test('npm pack makes a package of exactly these files', () => {
  // As `prepack` does; here the build has run, and other tests use what it made.
  assert.is(manifest.scripts['prepack'], 'node scripts/build.mjs && node scripts/types.mjs')
  const types = run(process.execPath, ['scripts/types.mjs'], { cwd: ROOT })
  assert.is(types.status, 0, types.said)
  // What npm is asked for stands alone on its standard output: `npm install "$(npm pack --silent)"`.
  assert.is(types.stdout, '')
  assert.not.match(read('scripts/build.mjs') + read('scripts/engine.ts'), 'console.log')
  const packed = run(
    'npm',
    ['pack', '--ignore-scripts', '--json', '--offline', '--pack-destination', folder],
    {
      cwd: ROOT
    }
  )
  assert.is(packed.status, 0, packed.said)
  const [{ filename, files }] = JSON.parse(packed.stdout) as [{ filename: string; files: { path: string }[] }]

  const chunks = Object.keys(JSON.parse(read('build/bundles.json')) as object).filter(path =>
    /\/chunk-/.test(path)
  )
  const named = (path: string) => readdirSync(join(ROOT, path)).map(name => `${path}/${name}`)
  const declarations = files.map(({ path }) => path).filter(path => path.startsWith('dist/types/'))
  assert.equal(
    files.map(({ path }) => path).sort(),
    [
      ...['CHANGELOG.md', 'LICENSE', 'README.md', 'SECURITY.md', 'package.json'],
      ...[
        'index',
        'sandbox',
        'formats',
        'copier',
        'center',
        'keep-code',
        'aside-thread',
        'guest-sdk',
        'guest-net'
      ].map(name => `dist/${name}.js`),
      // No code cache: it fits one version of Node, and without it the program only starts slower.
      ...[
        'dist/coffer-program.cjs',
        'dist/coffer-run.cjs',
        'dist/coffer-center.cjs',
        'dist/thread-worker.cjs',
        'dist/ses-watchdog.cjs',
        'dist/payload-thread.cjs',
        'dist/ses-child.cjs',
        'dist/ses-child-program.cjs',
        'dist/coffer.mjs',
        'dist/bin/coffer.cjs',
        'dist/bin/coffer-center.cjs'
      ],
      ...['dist/quickjs.wasm', 'dist/quickjs.image', 'dist/licenses.txt'],
      ...chunks,
      ...declarations,
      ...['index', 'coffer', 'globals'].map(name => `sandbox/guest/${name}.d.ts`),
      ...named('docs').filter(path => /\.(?:md|svg)$/.test(path)),
      ...named('docs/decisions').filter(path => path.endsWith('.md'))
    ].sort()
  )
  assert.equal(
    declarations.filter(
      path => !/^dist\/types\/(?:formats|sandbox|loader|center)\/[\w/-]+\.d\.ts$/.test(path)
    ),
    []
  )

  mkdirSync(installed, { recursive: true })
  const unpacked = run('tar', ['-xzf', join(folder, filename), '-C', installed, '--strip-components=1'])
  assert.is(unpacked.status, 0, unpacked.said)
  for (const name of [...Object.keys(manifest.dependencies), '@types/node']) {
    mkdirSync(dirname(join(app, 'node_modules', name)), { recursive: true })
    symlinkSync(join(ROOT, 'node_modules', name), join(app, 'node_modules', name), 'junction')
  }
  writeFileSync(join(app, 'package.json'), '{ "name": "app", "type": "module", "private": true }')
})

test('npm runs nothing of it where it is installed', () => {
  // Scripts stay in the package, and npm asks its users about these, also of a package that comes as a file or link.
  const asked = ['preinstall', 'install', 'postinstall', 'prepare']
  assert.equal(
    Object.keys(manifest.scripts).filter(name => asked.includes(name)),
    []
  )
})

test('no file of it names a place on the machine that made it', () => {
  const places = [ROOT.replace(/[\\/]$/, ''), homedir()].filter(place => place.length > 1)
  const telling: string[] = []
  for (const name of readdirSync(installed, { recursive: true, encoding: 'utf8' })) {
    const path = join(installed, name)
    if (!statSync(path).isFile()) continue
    const bytes = readFileSync(path)
    // With what follows: a home may be the beginning of an ordinary word.
    if (places.some(place => bytes.includes(`${place}/`) || bytes.includes(`${place}\\`))) telling.push(name)
  }
  assert.equal(telling, [])
})

test('every path that package.json names is there; the programs can be executed and say their version', () => {
  const paths = [
    ...Object.values(manifest.bin),
    ...Object.values(manifest.exports).flatMap(entry =>
      typeof entry === 'string' ? [entry] : Object.values(entry)
    )
  ]
  for (const path of paths) assert.ok(statSync(join(installed, path)).size > 0, path)
  for (const path of Object.values(manifest.bin)) {
    assert.match(readFileSync(join(installed, path), 'utf8'), /^#!\/usr\/bin\/env node\n/)
    if (process.platform !== 'win32') assert.ok(statSync(join(installed, path)).mode & 0o100, path)
  }
  assert.is(node(join(installed, manifest.bin['coffer']!), 'version').stdout, `coffer ${manifest.version}\n`)
  const center = node(join(installed, manifest.bin['coffer-center']!), '--help')
  assert.is(center.status, 0, center.said)
  assert.match(center.stdout, 'serve')
})

test('every entry is there for JavaScript, as a module and as what require() gives; nothing behind them is', () => {
  const entries = Object.entries(manifest.exports).flatMap(([name, entry]) =>
    typeof entry !== 'string' && entry.default !== undefined ? [`coffer${name.slice(1)}`] : []
  )
  assert.is(entries.length, 5)
  writeFileSync(
    join(app, 'entries.js'),
    `import { createRequire } from 'node:module'
     const require = createRequire(import.meta.url)
     for (const name of ${JSON.stringify(entries)}) {
       const names = Object.keys(await import(name)).join()
       if (names === '' || Object.keys(require(name)).join() !== names) throw new Error(name)
     }
     for (const name of ['coffer/dist/index.js', 'coffer/loader/unwrap.js', 'coffer/guest'])
       if (await import(name).then(() => true, () => false)) throw new Error(name + ' can be imported')`
  )
  const ran = node('--no-warnings', 'entries.js')
  assert.is(ran.status, 0, ran.said)
})

/** An app, a tool and a shop, by people who have nothing but the package. */
const PROGRAMS: Readonly<Record<string, string>> = {
  'host.ts': `import { CofferError, openMedium, sync, type ErrorCode, type Medium } from 'coffer'

interface Hello { default(args: string[]): number }
const [path = '', titleId = ''] = process.argv.slice(2)
const medium: Medium = await openMedium(path)
for (const { id, release, granted } of await medium.titles()) console.log(id, release, granted)
await using guest = await medium.launch<Hello>(titleId, {
  limits: { memoryBytes: 32 * 1024 * 1024, cpuMs: 2000 },
  isolation: 'thread',
  stdout: bytes => process.stdout.write(bytes)
})
const code: number = await guest.api.default(['packed'])
console.log(code, (await medium.verify(titleId)).match, sync(() => 1).length)
const refusal: ErrorCode = await medium.launch('org.example.none').then(
  () => 'COFFER_INTERNAL' as const,
  (error: unknown) => (error as CofferError).code
)
console.log(refusal)
// @ts-expect-error
export const misuse = () => medium.launch(1)
`,
  'sandboxed.ts': `import { CofferError, launch, sync, type Capabilities, type LaunchOptions } from 'coffer/sandbox'

const source = new TextEncoder().encode(\`
  import { double, log } from 'coffer:host'
  export const quadruple = x => double(double(x))
  export const tell = async text => { await log(text) }
  export const forever = () => { for (;;); }\`)
const told: unknown[] = []
const capabilities: Capabilities = {
  host: { double: sync((x: number) => 2 * x), log: (text: string) => void told.push(text) }
}
const ways: LaunchOptions[] = [{}, { isolation: 'thread' }, { engine: 'ses' }]
for (const way of ways) {
  await using guest = await launch(source, { ...way, capabilities, limits: { cpuMs: 500 } })
  await guest.call('tell', guest.engine)
  console.log(await guest.call('quadruple', 3), told.length)
  try {
    await guest.call('forever')
  } catch (error) {
    console.log(error instanceof CofferError && error.code)
  }
}
// @ts-expect-error
export const text = () => launch('export {}')
// @ts-expect-error
export const engine = () => launch(source, { engine: 'v8' })
`,
  'tool.ts': `import { CofferError, deriveKeys, formatPublicKeys, hex, openGrant, type Grant } from 'coffer/formats'
import { CenterClient, Home, listMaster, prepare, type Prepared } from 'coffer/copier'

const keys = deriveKeys('user', new Uint8Array(32).fill(7))
const text: string = formatPublicKeys('user', keys)
const medium: Prepared = prepare(process.argv[2] ?? '')
console.log(text.length > 40, medium.kind, hex(new Uint8Array(2)), typeof listMaster, typeof Home, typeof CenterClient)
const kind = (grant: Grant): string => grant.kind
console.log(typeof openGrant, kind.length, new CofferError('COFFER_USAGE', 'no').exitCode)
`,
  'shop.ts': `import { createCenter, serve, type LicenseCenter, type Serving } from 'coffer/center'

const center: LicenseCenter = await createCenter(process.argv[2] ?? '', { name: 'Shop' })
const serving: Serving = await serve(center, { port: 0 })
console.log(center.name, (await fetch(serving.url)).status > 0)
await serving.close()
await center.close()
`
}

const COMPILER = {
  target: 'es2022',
  lib: ['es2023', 'esnext.disposable'],
  types: ['node'],
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  skipLibCheck: false
}

/** What the compiler says about these files; '' when nothing. */
function compile(name: string, compilerOptions: object, files: readonly string[]): string {
  writeFileSync(join(app, name), JSON.stringify({ compilerOptions, files }))
  return node(tsc, '-p', name, '--pretty', 'false').said
}

test('its types are whole, however strictly they are looked at', () => {
  const files = Object.entries(PROGRAMS).map(([name, text]) => {
    writeFileSync(join(app, name), text)
    return name
  })
  const bundler = { module: 'esnext', moduleResolution: 'bundler', noEmit: true }
  assert.is(compile('bundler.json', { ...COMPILER, ...bundler }, files), '')
  const nodenext = { module: 'nodenext', moduleResolution: 'nodenext', outDir: 'out' }
  assert.is(compile('nodenext.json', { ...COMPILER, ...nodenext }, files), '')
})

test('an app opens a medium and runs a title on it', async () => {
  await using shop = await newShop(join(folder, 'site'))
  const medium = await shop.medium(shop.hello)
  const ran = run(process.execPath, ['out/host.js', medium, shop.hello], { home: shop.home.folder })
  assert.is(
    ran.said,
    `${shop.hello} 1 true\nHello, packed. This program runs from a certified copy.\n0 true 0\nCOFFER_TITLE_MISSING\n`
  )

  const program = run(process.execPath, [join(installed, manifest.bin['coffer']!), 'run', medium], {
    home: shop.home.folder
  })
  assert.is(program.said, 'Hello, world. This program runs from a certified copy.\n')
})

test('a sandbox runs code on both engines and in a thread, and ends it', () => {
  const ran = node('out/sandboxed.js')
  assert.is(ran.said, [1, 2, 3].map(told => `12 ${told}\nCOFFER_LIMIT_CPU\n`).join(''))
})

test('tools read records and make media; a seller runs a center', () => {
  const tool = node('out/tool.js', join(folder, 'stick'))
  assert.is(tool.said, 'true folder 0000 function function function\nfunction 1 64\n')
  const shop = node('out/shop.js', join(folder, 'shop'))
  assert.is(shop.said, 'Shop true\n')
})

test('an author writes a title against coffer/guest, and tries it', () => {
  const title = join(app, 'title')
  mkdirSync(title)
  writeFileSync(
    join(title, 'package.json'),
    JSON.stringify({
      name: 'typed',
      version: '1.0.0',
      type: 'module',
      coffer: { id: 'org.example.typed', name: 'Typed', entry: 'main.ts', permissions: ['terminal', 'save'] }
    })
  )
  writeFileSync(
    join(title, 'main.ts'),
    `import { interactive, readLine, write } from 'coffer:terminal'
import * as save from 'coffer:save'

export default async function main(args: string[]): Promise<number> {
  await save.write('name', args[0] ?? '')
  write(\`\${await save.readText('name')} \${interactive} \${await readLine()}\\n\`)
  console.log(new URL('a:b').href)
  return 3
}
// @ts-expect-error
export const noProcess = () => process
`
  )
  const guest = { ...COMPILER, lib: ['es2023'], types: ['coffer/guest'], noEmit: true, module: 'preserve' }
  assert.is(compile('title.json', guest, ['title/main.ts']), '')
  const ran = node(join(installed, manifest.bin['coffer']!), 'dev', 'title', '--', 'Ada')
  assert.is(ran.stdout, 'Ada false null\na:b\n', ran.stderr)
  assert.is(ran.status, 3)
})

test.run()
