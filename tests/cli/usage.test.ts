/** How commands are typed, and what is said when they are typed wrong. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { optionsOf } from '../../loader/cli/command.js'
import { COMMANDS } from '../../loader/cli/commands.js'
import { progressLine } from '../../loader/cli/screen.js'
import { nearest } from '../../loader/suggest.js'
import { COFFER, COFFER_CENTER, jsonOf, ROOT, run, type Ran } from '../helpers/site.js'

const env = { COFFER_HOME: join(ROOT, 'build', 'no-such-home') }
const coffer = (...args: readonly string[]): Promise<Ran> => run(COFFER, args, { env })
const packageVersion = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')).version

test('every command is loaded by its name, explained, and has an example that parses', async () => {
  const { parseCall } = await import('../../loader/cli/parse.js')
  for (const command of COMMANDS) {
    assert.type((await command.load()).execute, 'function', command.name)
    assert.ok(command.examples.length > 0, command.name)
    for (const example of command.examples) {
      const [program, name, ...words] = example.split(' ')
      assert.equal([program, name], ['coffer', command.name])
      await parseCall(command, COMMANDS, words)
    }
    const names = optionsOf(command).map(option => option.name)
    assert.is(new Set(names).size, names.length)
  }
})

test('the commands are those of the contract', () => {
  const wanted =
    'keygen trust devices press prepare copy order apply run list inspect verify renew return transfer export import dev help version'
  assert.equal(COMMANDS.map(({ name }) => name).sort(), wanted.split(' ').sort())
})

test('help: of everything, of one command, in four spellings', async () => {
  const overview = await coffer('help')
  assert.equal([overview.code, overview.stderr], [0, ''])
  for (const { name } of COMMANDS) assert.match(overview.stdout, new RegExp(`^  ${name} `, 'm'))
  for (const words of [['--help'], ['-h'], ['help', '--help']]) assert.is((await coffer(...words)).code, 0)
  const explained = (await coffer('help', 'run')).stdout
  assert.match(explained, /Usage:\n {2}coffer run <medium> \[title\] \[options\] \[-- \.\.\.\]\n/)
  assert.match(explained, 'Examples:\n  coffer run stick\n')
  for (const words of [
    ['run', '--help'],
    ['run', '-h'],
    ['--help', 'run'],
    ['run', 'a', 'b', 'c', '--help']
  ])
    assert.is((await coffer(...words)).stdout, explained, words.join(' '))
  assert.is(jsonOf(await coffer('help', 'run', '--json')).command, 'run')
  assert.is(jsonOf(await coffer('help', '--json')).commands.length, COMMANDS.length)
})

test('nothing typed at all: the help, where complaints go', async () => {
  const shown = await coffer()
  assert.equal([shown.code, shown.stdout], [64, ''])
  assert.is(shown.stderr, (await coffer('help')).stdout)
  assert.is(jsonOf(await coffer('--json')).error.code, 'COFFER_USAGE')
})

test('help fits a terminal of 80 columns', async () => {
  for (const words of [[], ...COMMANDS.map(({ name }) => [name])]) {
    const { stdout } = await coffer('help', ...words)
    const explained = stdout.split('\n').filter(line => /^ {2}(?!coffer )/.test(line))
    assert.equal(
      explained.filter(line => line.length > 80),
      []
    )
  }
})

test("version is package.json's", async () => {
  for (const words of [['version'], ['--version'], ['-v'], ['-V']])
    assert.is((await coffer(...words)).stdout, `coffer ${packageVersion}\n`)
  assert.is(jsonOf(await coffer('version', '--json')).version, packageVersion)
})

const WRONG: readonly (readonly [words: readonly string[], says: RegExp])[] = [
  [['--verbose'], /Which command\?[^]*found[^]*--verbose/],
  [['rnu'], /no command "rnu"[^]*Did you mean "run"\?/],
  [['refund', 'stick', 'x'], /no command "refund"/],
  [['help', 'coppy'], /Did you mean "copy"\?/],
  [['copy', 'm', 's', '--titel', 'x'], /no option --titel[^]*Did you mean "--title"\?/],
  [['copy', 'm', 's', '-t', 'x'], /no option -t/],
  [['run'], /needs <medium>/],
  [['run', 'a', 'b', 'c'], /also "c"[^]*Words for the title come after "--"/],
  [['run', 'a', '--cpu'], /--cpu without a value/],
  [['run', 'a', '--cpu', '--json'], /without a value|whole number/],
  [['run', 'a', '--cpu', '0'], /a whole number from 1 to/],
  [['run', 'a', '--cpu', '1e3'], /found +1e3/],
  [['run', 'a', '--memory', '4097'], /from 1 to 4096/],
  [['run', 'a', '--memory', '1', '--memory', '2'], /--memory is given twice/],
  [['run', 'a', '--engine', 'v8'], /quickjs or ses/],
  [['run', 'a', '--allow', 'network'], /terminal or save/],
  [['run', 'a', '--allow', 'terminal,save'], /once for each: --allow terminal --allow save/],
  [['list', 'a', '--json=yes'], /--json alone/],
  [['list', 'a', '--', 'b'], /takes nothing after "--"/],
  [['press', 'app'], /needs --out/],
  [['prepare', 'x', '--kind', 'disk'], /folder or drive/],
  [['trust', 'gopher://x'], /not the URL/]
]

for (const [words, says] of WRONG) {
  test(`64: coffer ${words.join(' ')}`, async () => {
    const shown = await coffer(...words)
    assert.equal([shown.code, shown.stdout.startsWith('{') ? '' : shown.stdout], [64, ''])
    assert.match(shown.stdout + shown.stderr, says)
    if (words.some(word => word.startsWith('--json'))) return
    assert.match(shown.stderr, /\n {2}\[COFFER_USAGE\]\n$/)
    const json = await coffer('--json', ...words)
    const { code, message, hint } = jsonOf(json).error
    assert.equal([json.code, json.stderr, code], [64, '', 'COFFER_USAGE'])
    assert.ok(message.length > 0 && hint.length > 0)
  })
}

test('73: a file where a folder would be', async () => {
  const shown = await coffer('prepare', join(ROOT, 'package.json'))
  assert.equal([shown.code, shown.stdout], [73, ''])
  assert.match(shown.stderr, 'what would hold it is a file')
})

test('66: what is not there, and where a medium may have been', async () => {
  const spaced = join(ROOT, 'build', 'two words')
  mkdirSync(spaced, { recursive: true })
  for (const [words, says] of [
    [['list', 'nowhere'], /no medium or master at "nowhere"/],
    [['list', spaced], /neither a medium nor a master/],
    [['run', '/'], /expected +\/\.coffer\/identity/],
    [
      ['run', 'nowhere'],
      /at "nowhere"\.\n[^]*found +no such folder[^]*that the medium is connected\. [^]*"coffer prepare nowhere"/
    ],
    [['run', join(ROOT, 'docs')], /never prepared[^]*connect it again\. Otherwise/],
    [['run', join(ROOT, 'package.json')], /found +a file\n/],
    [['run', spaced], /"coffer prepare '[^']*two words[^']*'"/]
  ] as const) {
    const shown = await coffer(...words)
    assert.equal([shown.code, shown.stdout], [66, ''])
    assert.match(shown.stderr, says)
  }
})

test('64: coffer.mjs with the name of a part that it does not have', async () => {
  for (const words of [['--coffer-part=other.js'], ['--coffer-part=other.js', 'version']]) {
    const shown = await run(join(ROOT, 'dist/coffer.mjs'), words, { env })
    assert.equal([shown.code, shown.stdout], [64, ''])
    assert.match(shown.stderr, /found +--coffer-part/)
  }
})

test('nothing of a failure is a stack, unless COFFER_DEBUG asks for it', async () => {
  const failed = () => ['run', 'nowhere']
  assert.not.match((await coffer(...failed())).stderr, /\n +at /)
  const debugged = await run(COFFER, failed(), { env: { ...env, COFFER_DEBUG: '1' } })
  assert.match(debugged.stderr, /\n +at /)
  assert.is(debugged.code, 66)
})

test('colours, of both programs: FORCE_COLOR brings them, NO_COLOR wins, a pipe has none', async () => {
  const coloured = async (extra: Record<string, string>) => {
    const shown = [
      (await run(COFFER, ['help'], { env: { ...env, ...extra } })).stdout,
      (await run(COFFER, ['run', 'nowhere'], { env: { ...env, ...extra } })).stderr,
      (await run(COFFER_CENTER, ['title', 'nowhere'], { env: { ...env, ...extra } })).stderr
    ]
    return shown.map(text => text.includes('\x1b['))
  }
  const all = [true, true, true]
  const none = [false, false, false]
  assert.equal(await coloured({}), none)
  assert.equal(await coloured({ FORCE_COLOR: '1' }), all)
  assert.equal(await coloured({ FORCE_COLOR: '0' }), none)
  assert.equal(await coloured({ FORCE_COLOR: '1', NO_COLOR: '1' }), none)
})

test('output that is lost is a failure', async () => {
  if (!existsSync('/dev/full')) return console.log('skip: this system has no /dev/full')
  const { status, stderr } = spawnSync('sh', ['-c', `"${process.execPath}" "${COFFER}" help > /dev/full`], {
    encoding: 'utf8',
    env: { PATH: process.env['PATH'], ...env }
  })
  assert.is(status, 74)
  assert.match(stderr, /found +ENOSPC/)
})

test('text from elsewhere does not steer the terminal', async () => {
  const { stderr } = await coffer('list', 'x\x1b[2J\x9b2J\u202e.title')
  assert.not.match(stderr, /[\x1b\x9b\u202e]/)
})

test('nearest() finds slips of the fingers, and nothing far away', () => {
  const words = ['run', 'copy', 'verify', 'inspect', '--title', '--time']
  const found = {
    rnu: 'run',
    cop: 'copy',
    coyp: 'copy',
    verfiy: 'verify',
    insp: 'inspect',
    '--titel': '--title'
  }
  for (const [word, expected] of Object.entries(found)) assert.is(nearest(word, words), expected, word)
  for (const word of ['x', 'delete', '', '-x']) assert.is(nearest(word, words), undefined, word)
})

test('progress fits its terminal, however narrow that is', () => {
  const label = 'S7        payload copied as it is'
  for (const columns of [10, 20, 40, 60, 80, 200]) {
    for (const done of [0, 5, 10]) {
      const line = progressLine(label, done << 20, 10 << 20, columns)
      assert.ok(line.length < columns, `${columns}: ${line}`)
      if (columns >= 60) assert.match(line, /^S7 .* \[#*\.*\] 10\.0 MiB$/)
      else assert.match(line, new RegExp(` ${done * 10} %$`))
    }
  }
  assert.match(progressLine(label, 1, 2, 80), /\[#{15}\.{15}\] 2 bytes$/)
  assert.match(progressLine(label, 0, 0, 80), /\[#{30}\] 0 bytes$/)
})

test('what is said below a bar does not stand in its line', () => {
  const output = pathToFileURL(join(ROOT, 'build/loader/cli/output.js'))
  const program = `const { draw, say } = await import('${output}'); draw('a'); draw('b'); say('c'); say('d')`
  const { stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' })
  assert.is(stderr, '\r\x1b[Ka\r\x1b[Kb\nc\nd\n')
})

test.run()
