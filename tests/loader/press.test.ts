/** Pressing: what is wrong with an app is found by its author, in words that name the field, or the file and line. */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { CofferError, ErrorCode } from '../../formats/errors.js'
import { createKeyFile, listMaster, press, type Home, type PressEvent } from '../../loader/copier/index.js'
import { PERMISSIONS, readApp } from '../../loader/copier/app.js'
import { CenterClient } from '../../loader/copier/center-client.js'
import { mediumPaths } from '../../loader/medium/layout.js'
import { openTitleFile } from '../../loader/read.js'
import { POWERS } from '../../loader/powers.js'
import {
  closeSites,
  librarySite,
  PROGRAM,
  SCHEMES,
  snapshot,
  writeApp,
  type TitleToPress
} from '../helpers/library-site.js'
import { rejectsWith } from '../helpers/rejects.js'
import { wipedWhile } from '../helpers/wiped.js'

const site = await librarySite()
test.after(closeSites)

const out = site.path('master')

interface Pressing {
  readonly out?: string
  readonly home?: Home
  readonly publisherKeyFile?: string
  readonly centerUrl?: string
  readonly onEvent?: (event: PressEvent) => void
  readonly signal?: AbortSignal
}

const pressPath = (path: string, more: Pressing = {}) =>
  press(path, {
    home: site.home,
    out,
    publisherKeyFile: site.publisherKeyFile,
    centerUrl: site.url,
    powers: site.powers,
    ...more
  })

/** An app that must not be pressed. @returns Why. */
async function refused(
  code: ErrorCode,
  app: TitleToPress,
  prepare: (folder: string) => void = () => {}
): Promise<CofferError> {
  const folder = site.path('app')
  writeApp(folder, 'org.refused', app)
  prepare(folder)
  return refusedPath(code, folder)
}

async function refusedPath(code: ErrorCode, path: string, more: Pressing = {}): Promise<CofferError> {
  const error = await rejectsWith(code, () => pressPath(path, more))
  assert.ok(error.hint, error.message)
  assert.equal(existsSync(out) ? readdirSync(out) : [], [], 'something was left in the master')
  return error
}

// ---------------------------------------------------------------- manifest

test('every field of a manifest that is not valid is named', async () => {
  const bad: Record<string, readonly unknown[]> = {
    id: [undefined, '', 'ab', 'Org.Example', 'a/b', '../a', 'org..a', 'con', 7, null, 'a'.repeat(65)],
    name: [undefined, '', 7, 'a\x1b[2J', 'a\nb', 'a\u202eb', 'a\u2028b', 'x'.repeat(201), '\ud800', null],
    release: [0, -1, 1.5, 2 ** 32, '1', null, true],
    entry: [undefined, '', 7, null, 'a\0b'],
    engine: ['v8', '', 1, null],
    engineRequired: ['yes', 1, null],
    permissions: [['everything'], ['save', 'save'], 'save', {}, [1], null],
    assets: ['', 7, null, []],
    limits: [7, 'none', null, []],
    memory: [64],
    ID: ['org.example'],
    __proto: [1]
  }
  for (const [field, values] of Object.entries(bad)) {
    for (const value of values) {
      const error = await refused('COFFER_MANIFEST_INVALID', { fields: { [field]: value } })
      assert.match(error.message, `"${field}"`, JSON.stringify(value))
      assert.match(error.message, 'package.json')
      assert.ok(error.expected)
    }
  }
  for (const [limit, values] of Object.entries({
    memoryMiB: [0, 4097, 1.5, '64', null],
    cpuMs: [0, 2 ** 32],
    wallMs: [-1],
    outputMiB: [4097],
    disk: [1]
  }))
    for (const value of values) {
      const error = await refused('COFFER_MANIFEST_INVALID', { fields: { limits: { [limit]: value } } })
      assert.match(error.message, `"${limit}"`, JSON.stringify(value))
    }
})

test('of permissions the one that is none is told', async () => {
  const found = async (permissions: readonly unknown[]) =>
    (await refused('COFFER_MANIFEST_INVALID', { fields: { permissions } })).found
  assert.is(await found(['save', 'termnal']), '"termnal"')
  assert.is(await found(['save', 'save']), '["save","save"]')
})

test('a package.json that is none says so', async () => {
  for (const [text, words] of [
    ['', /JSON/],
    ['{', /JSON/],
    ['[]', /not an object/],
    ['"x"', /not an object/],
    ['{}', /coffer/],
    ['{"coffer":[]}', /coffer/],
    ['{"coffer":null}', /coffer/],
    [Buffer.from([0xff, 0xfe]), /JSON/]
  ] as const) {
    const error = await refused('COFFER_MANIFEST_INVALID', {}, folder =>
      writeFileSync(join(folder, 'package.json'), text)
    )
    assert.match(error.message, words)
    if (error.message.includes('not an object')) assert.match(error.hint!, '{ "coffer": { "id": ')
  }
  const empty = site.path('empty')
  mkdirSync(empty)
  await refusedPath('COFFER_FILE_MISSING', empty)
  await refusedPath('COFFER_FILE_MISSING', site.path('missing'))
})

test('what a manifest leaves out has a value, and what it says is in the sealed title', async () => {
  const { path } = await site.press('org.plain', { fields: { permissions: [], limits: {} } })
  {
    using title = openTitleFile(path)
    const { engine, engineRequired, permissions, limits, release, version } = title.manifest
    assert.equal(
      { engine, engineRequired, permissions, limits, release, version },
      { engine: 'quickjs', engineRequired: false, permissions: [], limits: {}, release: 1, version: '1.2.3' }
    )
  }
  const all = await site.press('org.all', {
    release: 4294967295,
    fields: {
      name: 'Größe 日本語 🎲',
      engine: 'ses',
      engineRequired: true,
      permissions: [...PERMISSIONS],
      net: ['api.example.org', '*.example.org:8443', 'http://example.org'],
      limits: { memoryMiB: 4096, cpuMs: 4294967295, wallMs: 1, outputMiB: 1, saveMiB: 1024 }
    }
  })
  using title = openTitleFile(all.path)
  assert.match(all.path, 'org.all-4294967295.title')
  assert.is(title.manifest.name, 'Größe 日本語 🎲')
  assert.equal(title.manifest.limits, {
    memoryMiB: 4096,
    cpuMs: 4294967295,
    wallMs: 1,
    outputMiB: 1,
    saveMiB: 1024
  })
  assert.equal(title.manifest.net, ['api.example.org', '*.example.org:8443', 'http://example.org'])
  assert.equal([title.manifest.engine, title.manifest.engineRequired], ['ses', true])
})

test('the network is asked for by names of hosts, and by nothing else', async () => {
  for (const net of [
    undefined,
    [],
    'api.example.org',
    ['*'],
    ['*.org'],
    ['localhost'],
    ['127.0.0.1'],
    ['[::1]'],
    ['API.example.org'],
    ['ftp://example.org'],
    ['example.org/path'],
    ['user@example.org'],
    ['example.org:0'],
    ['a..b.org'],
    Array(33).fill('example.org')
  ]) {
    const path = site.path('net')
    writeApp(path, 'org.net', { fields: { permissions: ['net'], ...(net === undefined ? {} : { net }) } })
    await refusedPath('COFFER_MANIFEST_INVALID', path)
  }
  // Hosts without the permission would be without effect.
  const path = site.path('net')
  writeApp(path, 'org.net', { fields: { net: ['example.org'] } })
  await refusedPath('COFFER_MANIFEST_INVALID', path)
})

test('one file is an app, too, whatever its name', async () => {
  for (const [name, id] of [
    ['Tool 2.ts', 'local.tool-2'],
    ['日本.js', 'local.app'],
    [`${'x'.repeat(100)}.js`, 'local.app'],
    ['con.js', 'local.con']
  ] as const) {
    const path = join(site.folder, name)
    writeFileSync(path, PROGRAM)
    assert.is(readApp(path).id, id)
    assert.is((await press(path, { ...pressing(), out: site.path('master') })).id, id)
  }
  for (const name of ['a\x1b[2Jb.js', 'a\nb.js']) {
    const path = join(site.folder, name)
    writeFileSync(path, PROGRAM)
    const error = await refusedPath('COFFER_MANIFEST_INVALID', path)
    assert.not.match(error.message, /\p{Cc}/u)
  }
  // esbuild takes a file without an ending for JavaScript: whatever it was would have been sold as a program.
  for (const name of ['notes', 'notes.txt', 'js', 'data.json']) {
    const path = join(site.folder, name)
    writeFileSync(path, 'x')
    assert.match((await refusedPath('COFFER_MANIFEST_INVALID', path)).message, 'is no app')
  }
})

const pressing = () => ({
  home: site.home,
  publisherKeyFile: site.publisherKeyFile,
  centerUrl: site.url,
  powers: site.powers
})

// ---------------------------------------------------------------- programs

test("an error in a program names the author's own file and line", async () => {
  const lines = (...text: string[]) => text.join('\n')
  const table: readonly (readonly [string, string, number])[] = [
    ['a syntax error', lines('const a: number = 1', 'export default () => a', 'const b = ;'), 3],
    ['an import of nothing', lines('export default () => 0', 'import "./missing.js"'), 2],
    [
      'an import of Node',
      lines('import { readFileSync } from "node:fs"', 'export default () => readFileSync("/etc/passwd")'),
      1
    ],
    [
      'an import that is not installed',
      lines('', 'import x from "no-such-package"', 'export default () => x'),
      2
    ],
    [
      'an export that is not there',
      lines('import { nothing } from "./other.js"', 'export default nothing'),
      1
    ]
  ]
  for (const [what, source, line] of table) {
    const error = await refused('COFFER_PROGRAM_INVALID', { source }, folder =>
      writeFileSync(join(folder, 'other.ts'), 'export const something = 1')
    )
    assert.match(`${error.message}\n${error.found}`, new RegExp(`main\\.ts:${line}:\\d+`), what)
  }
})

/** What QuickJS alone cannot compile, in TypeScript, after lines that disappear in the bundle. */
const QUICKJS_ONLY = `interface Shape {
  readonly sides: number
}
type Other = Shape | undefined

export function* walk(y: number): Generator<number> {
  for (const x of yield y) {
  }
}
export default () => 0
`

test('what the engine alone cannot compile is found, at the line of the source', async () => {
  const error = await refused('COFFER_PROGRAM_INVALID', { source: QUICKJS_ONLY })
  assert.match(error.message, /main\.ts:7:\d+/, error.message)
  // The same where texts were rewritten for the other engine.
  const rewritten = await refused('COFFER_PROGRAM_INVALID', {
    source: `${QUICKJS_ONLY}export const arrow = 'a --> b', html = '<!-- c'\n`
  })
  assert.match(rewritten.message, /main\.ts:7/, rewritten.message)
  // And in a file that is imported.
  const imported = await refused(
    'COFFER_PROGRAM_INVALID',
    { source: "import { walk } from './deep/walk.js'\nexport { walk }\nexport default () => 0\n" },
    folder => {
      mkdirSync(join(folder, 'deep'))
      writeFileSync(join(folder, 'deep/walk.ts'), QUICKJS_ONLY)
    }
  )
  assert.match(imported.message, /deep\/walk\.ts:7/, imported.message)
})

test('an app imports only what it asks for', async () => {
  const undeclared = await refused('COFFER_PROGRAM_INVALID', {
    source: "import { write } from 'coffer:save'\nexport default () => write('a', 'b')"
  })
  assert.match(undeclared.message, 'coffer:save')
  assert.match(undeclared.hint!, 'package.json')
  const assets = await refused('COFFER_PROGRAM_INVALID', {
    source: "import { list } from 'coffer:assets'\nexport default () => list().length"
  })
  assert.match(assets.expected!, '"assets"')
  const unknown = await refused('COFFER_PROGRAM_INVALID', {
    source: "import 'coffer:disk'\nexport default () => 0"
  })
  assert.match(unknown.message, 'coffer:disk')
  for (const foreign of ['node:fs', 'fs', 'https://example.org/x.js'])
    await refused('COFFER_PROGRAM_INVALID', { source: `import '${foreign}'\nexport default () => 0` })
})

test('a text that one engine refuses says the same on both', async () => {
  const { root, id } = await site.copied('org.evaded', {
    source: "export default () => { console.log('<!-- a --> ' + 'import(\"x\")'); return 0 }"
  })
  for (const engine of ['quickjs', 'ses'] as const)
    assert.is((await site.run(root, id, { engine })).stdout, '<!-- a --> import("x")\n', engine)
})

// ---------------------------------------------------------------- assets

test('assets of every name and size arrive as they are', async () => {
  const assets = {
    'plain.txt': 'text',
    empty: '',
    '.hidden': 'h',
    'with space & ünïcode 日本.bin': new Uint8Array([0, 255]),
    'deep/er/er/file': 'deep',
    '-rf': 'dash',
    "it's": 'quote',
    ['a'.repeat(200)]: 'long'
  } as Record<string, string | Uint8Array>
  const { root, id } = await site.copied('org.assets', {
    source: `import { list, read } from 'coffer:assets'
      export const names = () => list().map(({ path, size }) => path)
      export { read }
      export default () => 0`,
    assets
  })
  await using guest = await site.launch(root, id)
  assert.equal(((await guest.call('names')) as string[]).sort(), Object.keys(assets).sort())
  for (const [name, text] of Object.entries(assets))
    assert.equal(
      Buffer.from((await guest.call('read', name)) as Uint8Array),
      Buffer.from(text as string),
      name
    )
  for (const name of ['missing', '', '../main.ts', './empty', 'deep/../empty', 'program.js', 'EMPTY'])
    assert.instance(await guest.call('read', name).catch((error: unknown) => error), Error, name)
})

test('assets that cannot travel are refused by name', async () => {
  const table: readonly (readonly [string, (assets: string) => void])[] = [
    ['link', assets => symlinkSync('/etc/passwd', join(assets, 'link'))],
    ['loop', assets => symlinkSync('.', join(assets, 'loop'))],
    ['pipe', assets => execFileSync('mkfifo', [join(assets, 'pipe')])],
    ['back\\\\slash', assets => writeFileSync(join(assets, 'back\\slash'), 'x')],
    ['program.js', assets => writeFileSync(join(assets, 'program.js'), 'x')],
    ['line', assets => writeFileSync(join(assets, 'line\nfeed'), 'x')],
    [
      'latin',
      assets => writeFileSync(Buffer.concat([Buffer.from(join(assets, 'latin')), Buffer.from([0xe9])]), 'x')
    ]
  ]
  for (const [name, make] of table) {
    const error = await refused('COFFER_MANIFEST_INVALID', { assets: { a: 'x' } }, folder =>
      make(join(folder, 'assets'))
    )
    assert.match(error.message, new RegExp(name), name)
    assert.not.match(error.message, /\p{Cc}/u)
  }
  const none = await refused('COFFER_MANIFEST_INVALID', { fields: { assets: 'nowhere' } })
  assert.match(none.message, 'nowhere')
})

// ---------------------------------------------------------------- publisher, center, disk

test('only a publisher whom a pinned center knows presses', async () => {
  const folder = site.path('app')
  writeApp(folder, 'org.publishers', {})
  await refusedPath('COFFER_FILE_MISSING', folder, { publisherKeyFile: site.path('missing') })
  const unknown = site.path('key')
  createKeyFile('publisher', unknown, POWERS)
  await refusedPath('COFFER_PUBLISHER_UNKNOWN', folder, { publisherKeyFile: unknown })
  const notAKey = site.path('key')
  writeFileSync(notAKey, 'COFFER-USER-KEY-1-')
  await refusedPath('COFFER_ENCODING', folder, { publisherKeyFile: notAKey })
  await refusedPath('COFFER_ENCODING', folder, { publisherKeyFile: site.home.userKeyFile })
  await refusedPath('COFFER_CENTER_UNTRUSTED', folder, { home: await site.newHome({ pinned: false }) })
  await refusedPath('COFFER_CENTER_UNREACHABLE', folder, { centerUrl: 'http://127.0.0.1:9' })
  await refusedPath('COFFER_USAGE', folder, { centerUrl: 'shop' })
})

test('a failure in the middle of sealing leaves no half title, and the one before it as it was', async () => {
  for (const scheme of SCHEMES) {
    const app = site.path('app')
    writeApp(app, `org.half.${scheme}`, { assets: { a: new Uint8Array(3_000_000) } })
    const master = site.path('master')
    const options = { ...pressing(), out: master, scheme }
    await press(app, options)
    const before = readFileSync(join(master, `org.half.${scheme}-1.title`))
    await press(app, {
      ...options,
      onEvent: event => {
        if (event.step === 'seal' && event.doneBytes > 1_500_000) throw new Error('the author pressed Ctrl-C')
      }
    }).then(
      () => assert.unreachable('it was pressed'),
      (error: Error) => assert.match(error.message, 'Ctrl-C')
    )
    assert.equal(readdirSync(master), [`org.half.${scheme}-1.title`, 'revocations'])
    assert.equal(readFileSync(join(master, `org.half.${scheme}-1.title`)), before)
    // Pressed again, the same release opens with the grants that were given for it.
    const root = site.prepare()
    await site.copy(master, root, `org.half.${scheme}`)
    await press(app, options)
    await site.copy(master, root, `org.half.${scheme}`)
    await site.runs(root, `org.half.${scheme}`)
    assert.is(listMaster(master).titles.length, 1)
    assert.ok(snapshot(root).has(`grants/org.half.${scheme}.grant`))
    assert.ok(existsSync(mediumPaths(root).title(`org.half.${scheme}`, 1)))
  }
})

test('a press that fails once it has the key of the release wipes that key all the same', async () => {
  const pressing = (id: string) => {
    const folder = site.path('app')
    writeApp(folder, id, {})
    return (more: Pressing = {}) => pressPath(folder, more)
  }
  const [again, other] = [pressing('org.wiped'), pressing('org.wiped.other')]
  const [first, second, others] = [
    await wipedWhile(32, again),
    await wipedWhile(32, again),
    await wipedWhile(32, other)
  ]
  // Those that are this release's alone; the center, which is here too, wipes its own copies.
  const keys = new Set(first.filter(key => second.includes(key) && !others.includes(key)))
  assert.ok(keys.size > 0)
  const ofRelease = (wiped: readonly string[]) => wiped.filter(key => keys.has(key)).sort()

  const file = site.path('file')
  writeFileSync(file, '')
  const { revocations } = CenterClient.prototype
  const noMaster = () => rejectsWith('COFFER_CANNOT_CREATE', () => again({ out: join(file, 'in') }))
  const noList = async () => {
    CenterClient.prototype.revocations = () => Promise.reject(new Error('no list'))
    try {
      await again().then(
        () => assert.unreachable(),
        (error: Error) => assert.is(error.message, 'no list')
      )
    } finally {
      CenterClient.prototype.revocations = revocations
    }
  }
  for (const failing of [noMaster, noList])
    assert.equal(ofRelease(await wipedWhile(32, failing)), ofRelease(second), failing.name)
})

test('pressing is interrupted wherever it is, leaves nothing, and is done by the same words again', async () => {
  const folder = site.path('app')
  writeApp(folder, 'org.pressed.twice', { assets: { large: new Uint8Array(20e6) } })
  const master = site.path('master')
  for (const step of ['bundle', 'compile', 'image', 'register', 'seal'] as const) {
    const controller = new AbortController()
    const onEvent = (event: PressEvent) => {
      if (event.step === step) controller.abort()
    }
    const { signal } = controller
    await rejectsWith('COFFER_INTERRUPTED', () => pressPath(folder, { out: master, onEvent, signal }))
    assert.equal(existsSync(master) ? readdirSync(master) : [], [], step)
  }
  let turns = 0
  let sealing = false
  const turn = () => {
    if (sealing) turns++
    timer = setImmediate(turn)
  }
  let timer = setImmediate(turn)
  const onEvent = ({ step }: PressEvent) => (sealing = step === 'seal')
  const { path } = await pressPath(folder, { out: master, onEvent })
  clearImmediate(timer)
  assert.ok(turns > 0, 'nobody had a turn while the title was sealed')
  assert.ok(existsSync(path))
})

test.run()
