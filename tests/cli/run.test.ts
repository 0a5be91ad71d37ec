/** `coffer run` and `coffer dev`: exit codes, words, limits, permissions, signals, closed pipes, unsafe processes. */
import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { unsafeOption } from '../../loader/cli/harden.js'
import { COFFER, ended, jsonOf, newSite, ROOT, start, type Ran, type Site } from '../helpers/site.js'

const PROBE = `
export default async function main([what, ...words]) {
  switch (what) {
    case 'exit': return Number(words[0])
    case 'nothing': return
    case 'words': console.log(JSON.stringify(words)); return
    case 'streams': console.log('out'); console.error('err'); return
    case 'throw': throw new TypeError('of its own')
    case 'spin': for (;;);
    case 'wait': console.log('waiting'); await new Promise(resolve => setTimeout(resolve, 1e8)); return
    case 'allocate': { const kept = []; for (;;) kept.push(new Uint8Array(65536).fill(1)) }
    case 'print': for (;;) console.log('line')
    case 'random': console.log(Math.random(), Date.now()); return
  }
}`

const SAVER = `
import { readText, write } from 'coffer:save'
import { interactive, size } from 'coffer:terminal'
export default async function main([word]) {
  const before = await readText('slot')
  if (word !== undefined) await write('slot', word)
  console.log(JSON.stringify({ before, interactive, size: size() }))
}`

let site: Site
/** One title, then two. */
let probe: string
let both: string

test.before(async () => {
  site = await newSite()
  ;[probe, both] = await Promise.all([
    site.copied(site.app('org.example.probe', PROBE)),
    site.copied(site.app('org.example.saver', SAVER, { permissions: ['save', 'terminal'] }))
  ])
  await site.copied(site.app('org.example.plugin', '', { permissions: ['host'] }), 'conversion', both)
})
test.after(() => site.close())

const run = (...words: readonly string[]): Promise<Ran> => site.coffer('run', probe, '--', ...words)
const until = async (condition: () => boolean): Promise<void> => {
  while (!condition()) await new Promise(resolve => setTimeout(resolve, 10))
}

test("the exit code is the title's own up to 63", async () => {
  for (const [returned, code] of [
    ['0', 0],
    ['7', 7],
    ['63', 63],
    ['64', 63],
    ['77', 63],
    ['-1', 63],
    ['NaN', 63]
  ] as const)
    assert.is((await run('exit', returned)).code, code, returned)
  assert.is((await run('nothing')).code, 0)
})

test('what a title throws goes to stderr with its own frames, exit code 1', async () => {
  const { code, stdout, stderr } = await run('throw')
  assert.equal([code, stdout], [1, ''])
  assert.match(stderr, 'TypeError: of its own')
  assert.not.match(stderr, /node:|\.ts|coffer failed/)
})

test('words after -- reach the title as they are', async () => {
  const words = ['--json', '-h', '', 'ä b', '--', '$HOME']
  assert.equal(JSON.parse((await run('words', ...words)).stdout), words)
})

test('console.log is stdout, console.error stderr; with --json both are stderr', async () => {
  const { stdout, stderr } = await run('streams')
  assert.equal([stdout, stderr], ['out\n', 'err\n'])
  const json = await site.coffer('run', probe, '--json', '--', 'streams')
  assert.is(jsonOf(json).exitCode, 0)
  assert.is(json.stderr, 'out\nerr\n')
  assert.is(jsonOf(await site.coffer('run', probe, '--json', '--', 'exit', '9')).exitCode, 9)
})

test('limits end a title: 124 for time and processor, 137 for memory', async () => {
  for (const isolation of ['inline', 'thread']) {
    const limited = (option: string, value: string, what: string) =>
      site.coffer('run', probe, '--isolation', isolation, option, value, '--json', '--', what)
    const cases = [
      ['--cpu', '150', 'spin', 124, 'COFFER_LIMIT_CPU'],
      ['--time', '150', 'wait', 124, 'COFFER_LIMIT_WALL'],
      ['--memory', '4', 'allocate', 137, 'COFFER_LIMIT_MEMORY']
    ] as const
    for (const [option, value, what, exitCode, code] of cases) {
      const ran = await limited(option, value, what)
      const { error } = jsonOf(ran)
      assert.equal([ran.code, error.code], [exitCode, code], `${isolation} ${what}`)
      assert.match(error.hint, `more with ${option} `)
      if (option === '--memory')
        assert.match(error.message, /needed [\d.]+ MiB of memory, and its limit is 4\.0 MiB/)
    }
  }
})

test('a seed makes two runs the same', async () => {
  const seeded = (seed: string) => site.coffer('run', probe, '--seed', seed, '--', 'random')
  assert.is((await seeded('7')).stdout, (await seeded('7')).stdout)
  assert.is.not((await seeded('7')).stdout, (await seeded('8')).stdout)
  assert.is.not((await run('random')).stdout, (await run('random')).stdout)
})

test('which title: the only one, a named one, none, unknown ones', async () => {
  const several = await site.coffer('run', both)
  assert.is(several.code, 64)
  assert.match(several.stderr, 'org.example.plugin, org.example.saver')
  assert.is((await site.coffer('run', both, 'org.example.other')).code, 66)
  assert.is((await site.coffer('run', await site.prepared())).code, 66)
  assert.is((await site.coffer('run', site.path('nothing'))).code, 66)
  assert.is((await site.coffer('run', both, '../../etc')).code, 66)
})

test('permissions: refused with the options to give, given by --allow, not remembered', async () => {
  const saver = (...words: readonly string[]) => site.coffer('run', both, 'org.example.saver', ...words)
  const refused = await saver()
  assert.equal([refused.code, refused.stdout], [77, ''])
  assert.match(refused.stderr, '--allow save --allow terminal')
  const { error } = jsonOf(await saver('--allow', 'save', '--json'))
  assert.is(error.code, 'COFFER_PERMISSION_NEEDED')
  assert.match(error.hint, 'add --allow terminal.')
  const allowed = ['--allow', 'save', '--allow', 'terminal'] as const
  const first = JSON.parse((await saver(...allowed, '--', 'kept')).stdout)
  assert.equal(first, { before: null, interactive: false, size: { columns: 80, rows: 24 } })
  assert.is(JSON.parse((await saver(...allowed)).stdout).before, 'kept')
  assert.is((await saver()).code, 77)
  assert.not.ok(existsSync(join(site.home, 'permissions.json')))
})

test('what run cannot give is said, whether asked for or allowed', async () => {
  const plugin = await site.coffer('run', both, 'org.example.plugin')
  assert.is(plugin.code, 77)
  assert.match(plugin.stderr, 'launch it from that app')
  for (const permission of ['host', 'net=', 'net=a/b', 'toString', 'everything'])
    assert.is((await site.coffer('run', probe, '--allow', permission)).code, 64, permission)
})

test('Ctrl-C: the first asks the guest to end, in a thread also while it computes', async () => {
  for (const [isolation, what] of [
    ['inline', 'wait'],
    ['thread', 'wait'],
    ['thread', 'spin']
  ] as const) {
    const child = start(COFFER, ['run', probe, '--isolation', isolation, '--', what], site.options())
    const outcome = ended(child)
    let seen = ''
    child.stdout!.on('data', (text: string) => (seen += text))
    // It has said that it waits, or says nothing and computes.
    if (what === 'wait') await until(() => seen !== '')
    await new Promise(resolve => setTimeout(resolve, what === 'wait' ? 200 : 800))
    child.kill('SIGINT')
    const { code, stderr } = await outcome
    assert.is(code, 130, `${isolation} ${what}: ${stderr}`)
    assert.match(stderr, 'COFFER_INTERRUPTED')
  }
})

test('with --json Ctrl-C ends in the one object, also while the guest computes', async () => {
  const child = start(COFFER, ['run', probe, '--json', '--', 'spin'], site.options())
  const outcome = ended(child)
  await new Promise(resolve => setTimeout(resolve, 800))
  child.kill('SIGINT')
  const ran = await outcome
  assert.is(ran.code, 130, ran.stderr)
  const { error } = jsonOf(ran)
  assert.is(error.code, 'COFFER_INTERRUPTED')
  assert.ok(error.hint)
})

test('SIGINT and SIGTERM end a guest that computes in the only thread, also one that may use the terminal', async () => {
  const spinner = await site.copied(
    site.app('org.example.spinner', "import 'coffer:terminal'; export default () => { for (;;); }", {
      permissions: ['terminal']
    })
  )
  for (const [signal, words] of [
    ['SIGINT', [probe, '--', 'spin']],
    ['SIGTERM', [probe, '--', 'spin']],
    ['SIGINT', [spinner, '--allow', 'terminal']],
    ['SIGTERM', [spinner, '--allow', 'terminal']]
  ] as const) {
    const child = start(COFFER, ['run', ...words], site.options())
    const outcome = ended(child)
    await new Promise(resolve => setTimeout(resolve, 500))
    child.kill(signal)
    assert.is((await outcome).signal, signal)
  }
})

test('a reader that stops reading ends the program quietly', async () => {
  for (const words of [
    ['run', probe, '--', 'print'],
    ['run', probe, '--isolation', 'thread', '--', 'print'],
    ['help']
  ]) {
    const child = spawn(process.execPath, [COFFER, ...words], {
      ...childOptions(),
      stdio: ['ignore', 'pipe', 'pipe']
    })
    child.stdout.once('data', () => child.stdout.destroy())
    let stderr = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
    const code = await new Promise(resolve => child.on('exit', resolve))
    assert.equal([code, stderr], [0, ''], words.join(' '))
  }
})

const childOptions = () => {
  const { cwd, env } = site.options()
  return { cwd, env: { PATH: process.env['PATH'], ...env } }
}

test('an inspected, traced or instrumented process opens nothing', async () => {
  const cases: [nodeOptions: string[], variable: string | undefined][] = [
    [['--inspect=0'], undefined],
    [['--heap-prof'], undefined],
    [[], '--heapsnapshot-signal=SIGUSR2'],
    [[], '--require=./x.cjs'],
    [[], '--no-warnings --report-on-signal'],
    [[], '--inspect_port=0']
  ]
  for (const [nodeOptions, variable] of cases) {
    const env: Record<string, string> = variable === undefined ? {} : { NODE_OPTIONS: variable }
    if (variable?.includes('x.cjs')) env['NODE_OPTIONS'] = `--require=${join(ROOT, 'package.json')}`
    const ran = await site.cofferWith({ nodeOptions, env }, 'run', probe, '--json', '--', 'streams')
    assert.equal(
      [ran.code, jsonOf(ran).error?.code],
      [77, 'COFFER_HOST_UNSAFE'],
      `${nodeOptions} ${variable}`
    )
    assert.not.match(ran.stderr, /^out$/m)
  }
  const harmless = { NODE_OPTIONS: '--max-old-space-size=500 --enable-source-maps --no-warnings' }
  assert.is((await site.cofferWith({ env: harmless }, 'run', probe, '--', 'streams')).code, 0)
  // Nothing is opened by these, so nothing is refused.
  assert.is((await site.cofferWith({ env: { NODE_OPTIONS: '--trace-warnings' } }, 'list', probe)).code, 0)
})

test('unsafeOption() knows spellings', () => {
  const unsafe = [
    '--inspect',
    '--inspect-brk=1',
    '--inspect_brk',
    '-r',
    '--import',
    '--cpu-prof-dir=x',
    '--trace-gc',
    '-prof',
    '--ll-prof',
    '--config-file=node.config.json',
    '--experimental-config-file=node.config.json',
    '--experimental-default-config-file',
    '--experimental-package-map=x',
    '--vfs-load=x',
    '--snapshot-blob=x',
    // Which may name options of its own.
    '--env-file=x',
    '--openssl-config=x',
    '--tls-keylog=x',
    '--an-option-of-a-later-release'
  ]
  for (const option of unsafe) {
    assert.ok(unsafeOption([option]), option)
    assert.ok(unsafeOption([], `--no-warnings "${option}"`), option)
  }
  const harmless = [
    '--max-old-space-size=1',
    '--max_old_space_size=1',
    '--no-warnings',
    '--enable-source-maps',
    '--stack-size=1',
    '--openssl-legacy-provider',
    '--tls-min-v1.2',
    '--conditions=development',
    '--preserve-symlinks-main',
    '--title="a --inspect b"'
  ]
  for (const option of harmless) assert.is(unsafeOption([option], option), undefined, option)
})

test('unsafeOption() reads NODE_OPTIONS as Node does', () => {
  const unsafe = [
    '--"import"=x',
    '"\\-\\-\\i\\mport=x"',
    '-"r" x',
    '"--title=\\"" --inspect',
    '--title "" --inspect'
  ]
  for (const words of unsafe) assert.ok(unsafeOption([], words), words)
  for (const words of ['  --title=a  "b c"', '--title="\\" --inspect"'])
    assert.is(unsafeOption([], words), undefined, words)
})

test('while a title runs, core dumps hold nothing and SIGUSR1 opens no inspector', async () => {
  if (process.platform !== 'linux') return console.log('skip: /proc is Linux only')
  const child = start(COFFER, ['run', probe, '--', 'wait'], site.options())
  const outcome = ended(child)
  let seen = ''
  child.stdout!.on('data', (text: string) => (seen += text))
  await until(() => seen !== '')
  assert.is(parseInt(readFileSync(`/proc/${child.pid}/coredump_filter`, 'latin1'), 16), 0)
  child.kill('SIGUSR1')
  await new Promise(resolve => setTimeout(resolve, 300))
  child.kill('SIGINT')
  const { code, stderr } = await outcome
  assert.is(code, 130)
  assert.not.match(stderr, /[Dd]ebugger/)
})

test('dev runs source as run runs titles, and keeps nothing', async () => {
  const dev = (app: string, ...words: readonly string[]) => site.coffer('dev', app, ...words)
  const app = site.app('org.example.dev', PROBE)
  assert.is((await dev(app, '--', 'exit', '5')).code, 5)
  assert.is((await dev(app, '--cpu', '100', '--', 'spin')).code, 124)
  const saver = site.app('org.example.devsaver', SAVER, { permissions: ['save', 'terminal'] })
  for (const _ of [1, 2]) {
    const ran = await dev(saver, '--', 'kept')
    assert.is(JSON.parse(ran.stdout).before, null)
    assert.match(ran.stderr, 'kept in memory')
  }
  const json = jsonOf(await dev(join(app, 'main.js'), '--json', '--', 'exit', '3'))
  assert.equal([json.title, json.exitCode], ['local.main', 3])
  assert.is((await dev(site.app('org.example.plugin', '', { permissions: ['host'] }))).code, 77)
  // Without a folder of them it has none.
  const bare = "import { list } from 'coffer:assets'; export default () => list().length"
  assert.is((await dev(site.app('org.example.bare', bare, { permissions: ['assets'] }))).code, 0)
  assert.is((await dev(site.path('nothing'))).code, 66)
  assert.is((await dev(site.app('org.example.broken', 'let ='))).code, 65)
  const thrown = await dev(site.app('org.example.thrown', "throw new RangeError('at its start')"))
  assert.is(thrown.code, 1)
  assert.match(thrown.stderr, 'RangeError: at its start')
  assert.match(thrown.stderr, /main\.js:1:\d+/)
  // Comments and types are gone from what runs; the place is the one in the source.
  const source = '// one\n// two\nexport default () => {\n  // three\n  throw new Error("deep")\n}\n'
  assert.match((await dev(site.app('org.example.deep', source))).stderr, /main\.js:5:\d+/)
})

test('an error of a title is told by its place in the source, wherever the title runs', async () => {
  const line = 1 + PROBE.split('\n').findIndex(text => text.includes('of its own'))
  for (const words of [[], ['--isolation', 'thread'], ['--engine', 'ses']]) {
    const { code, stderr } = await site.coffer('run', probe, ...words, '--', 'throw')
    assert.is(code, 1)
    assert.match(
      stderr,
      new RegExp(`^Uncaught TypeError: of its own\\n {4}at main \\(main\\.js:${line}:\\d+\\)\\n`)
    )
  }
})

test('ses runs the same title', async () => {
  if (!existsSync(join(ROOT, 'build/sandbox/ses'))) return console.log('skip: the SES engine is not built')
  const ran = await site.coffer('run', probe, '--engine', 'ses', '--', 'words', 'a')
  assert.equal([ran.code, ran.stdout], [0, '["a"]\n'], ran.stderr)
})

test.run()
