/**
 * On a real terminal: the permission prompt, keys, Ctrl-C, and the terminal as it was on every way out. The terminal is
 * made by `script`, which Debian and Ubuntu always have.
 */
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { COFFER, ended, expectSuccess, newSite, start, type Site } from '../helpers/site.js'

const hasScript =
  process.platform === 'linux' &&
  /util-linux/.test(spawnSync('script', ['--version'], { encoding: 'utf8' }).stdout ?? '')
/** Tests that need a terminal say so when there is none to be had. */
const onTerminal = (name: string, body: () => Promise<void>) =>
  test(name, async () => {
    if (hasScript) await body()
    else console.log('skip: this machine has no util-linux script, which makes terminals')
  })

const TITLE = `
import { interactive, readKey, readLine, size, write } from 'coffer:terminal'
import { readText } from 'coffer:save'
export default async function main([what]) {
  if (what === 'line') { console.log('line ' + JSON.stringify(await readLine('name? '))); return 5 }
  write('\\x1b[?1049h\\x1b[?25l\\x1b[1m')
  write('ready ' + interactive + ' ' + JSON.stringify(size()) + '\\n')
  if (what === 'spin') { setTimeout(() => { for (;;); }, 50) }
  if (what === 'throw') { await readKey(); throw new Error('in the middle') }
  for (;;) {
    const key = await readKey()
    write('key ' + (key === null ? 'none' : (key.ctrl ? 'ctrl+' : '') + (key.alt ? 'alt+' : '') + key.name) + '\\n')
    if (key === null || key.name === 'q') return 7
  }
}`

let site: Site
let medium: string

test.before(async () => {
  site = await newSite()
  medium = await site.copied(site.app('org.example.screen', TITLE, { permissions: ['terminal', 'save'] }))
})
test.after(() => site.close())

/** A shell command on a terminal of 30 rows. */
class Screen {
  #shown = ''
  readonly #child
  readonly #closed: Promise<void>

  constructor(command: string, columns = 100) {
    const { env } = site.options()
    // The shell outlives a Ctrl-C, so that it can tell what that left behind.
    const typed = `trap : INT; stty rows 30 cols ${columns}; ${command}`
    this.#child = spawn('script', ['-qfec', typed, '/dev/null'], {
      cwd: site.folder,
      env: { PATH: process.env['PATH'], TERM: 'xterm', SHELL: '/bin/sh', ...env },
      stdio: ['pipe', 'pipe', 'pipe']
    })
    this.#child.stdout.setEncoding('utf8').on('data', (text: string) => (this.#shown += text))
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), 60_000)
    this.#closed = new Promise(resolve => this.#child.on('close', () => resolve()))
    void this.#closed.then(() => clearTimeout(timer))
  }

  get shown(): string {
    return this.#shown
  }

  type(keys: string): void {
    this.#child.stdin.write(keys)
  }

  /** Wait until this is seen. */
  async see(text: string | RegExp): Promise<void> {
    const deadline = Date.now() + 30_000
    while (!(typeof text === 'string' ? this.#shown.includes(text) : text.test(this.#shown))) {
      if (Date.now() > deadline) assert.unreachable(`did not see ${text} in ${JSON.stringify(this.#shown)}`)
      await new Promise(resolve => setTimeout(resolve, 20))
    }
  }

  async end(): Promise<string> {
    await this.#closed
    return this.#shown
  }
}

const words = (...args: readonly string[]) =>
  [process.execPath, COFFER, ...args].map(word => `'${word}'`).join(' ')
/** Run on a terminal, then show its exit code and how the terminal is set. */
const onScreen = (...args: readonly string[]) =>
  new Screen(
    `${words(...args)}; echo "exit=$?"; stty -a | tr ' ;' '\\n\\n' | grep -x -e '-\\?icanon' -e '-\\?echo' -e '-\\?isig'; echo done`
  )

const ALLOWED = ['run', '--allow', 'terminal', '--allow', 'save'] as const
const LEFT_AS_IT_WAS = ['isig', 'icanon', 'echo']
const HIDDEN = '\x1b[?25l'
const SHOWN = '\x1b[?25h'
const OTHER_PAGE = '\x1b[?1049h'
const FIRST_PAGE = '\x1b[?1049l'

function assertRestored(shown: string, exitCode: number): void {
  assert.match(shown, `exit=${exitCode}\r\n`)
  const settings = shown
    .slice(shown.indexOf('exit='))
    .split('\r\n')
    .filter(line => /^-?(?:isig|icanon|echo)$/.test(line))
  assert.equal(settings.sort(), [...LEFT_AS_IT_WAS].sort())
  for (const [off, on] of [
    [OTHER_PAGE, FIRST_PAGE],
    [HIDDEN, SHOWN]
  ] as const)
    assert.ok(shown.lastIndexOf(on) > shown.lastIndexOf(off), `${JSON.stringify(off)} was left`)
  assert.ok(shown.lastIndexOf(FIRST_PAGE) < shown.indexOf('exit='), 'restored by the program itself')
}

onTerminal('keys arrive one by one, and the terminal is put back at the end', async () => {
  const screen = onScreen(...ALLOWED, medium)
  await screen.see('ready true {"columns":100,"rows":30}')
  for (const [typed, named] of [
    ['a', 'a'],
    ['\x1b[A', 'up'],
    ['\x1b', 'escape'],
    ['\x01', 'ctrl+a'],
    ['ä', 'ä']
  ] as const) {
    screen.type(typed)
    await screen.see(`key ${named}\r\n`)
  }
  screen.type('q')
  assertRestored(await screen.end(), 7)
})

onTerminal('a price is asked about, and only yes pays it', async () => {
  const master = await site.press(site.app('org.example.priced', 'export default () => {}'))
  expectSuccess(await site.center('title', 'shop', 'set', 'org.example.priced', '--price', '900'))
  const target = await site.prepared()
  for (const [typed, exitCode] of [
    ['n\r', 77],
    ['\r', 77],
    ['\x03', 130],
    ['y\r', 0]
  ] as const) {
    const screen = onScreen('copy', master, target)
    await screen.see('Pay 9.00 EUR? [y/N] ')
    screen.type(typed)
    const shown = await screen.end()
    assert.match(shown, `exit=${exitCode}\r\n`)
    assert.is(shown.includes('charged 9.00 EUR'), exitCode === 0)
  }
  // What is paid for is not asked about.
  assert.match(await onScreen('copy', master, target).end(), 'exit=0')
})

onTerminal('what was typed before a price is asked about does not pay it', async () => {
  const master = await site.press(site.app('org.example.hasty', 'export default () => {}'))
  expectSuccess(await site.center('title', 'shop', 'set', 'org.example.hasty', '--price', '900'))
  const screen = onScreen('copy', master, await site.prepared())
  screen.type('y\r')
  await screen.see('Pay 9.00 EUR? [y/N] ')
  screen.type('\r')
  assert.match(await screen.end(), 'exit=77')
})

onTerminal('Ctrl-C ends a title that waits, that computes, inline and in a thread', async () => {
  for (const options of [[], ['--isolation', 'inline'], ['spin']]) {
    const spins = options.includes('spin')
    const screen = onScreen(...ALLOWED, medium, ...(spins ? ['--', 'spin'] : options))
    await screen.see('ready true')
    if (spins) await new Promise(resolve => setTimeout(resolve, 400))
    screen.type('\x03')
    const shown = await screen.end()
    assertRestored(shown, 130)
    assert.match(shown, 'COFFER_INTERRUPTED')
  }
})

onTerminal('an error, a limit, a signal: the terminal is put back', async () => {
  const thrown = onScreen(...ALLOWED, medium, '--', 'throw')
  await thrown.see('ready')
  thrown.type('x')
  const shown = await thrown.end()
  assertRestored(shown, 1)
  // Said where it stays to be read, not on the page that is gone.
  assert.ok(shown.indexOf('in the middle') > shown.lastIndexOf(FIRST_PAGE))

  const limited = onScreen(...ALLOWED, '--time', '300', medium)
  assertRestored(await limited.end(), 124)

  for (const signal of ['TERM', 'HUP']) {
    const pidFile = site.fresh('pid')
    const screen = new Screen(
      `sh -c 'echo $$ > ${pidFile}; exec "$@"' sh ${words(...ALLOWED, medium)}; echo "exit=$?"; stty -a | tr ' ;' '\\n\\n' | grep -x -e '-\\?icanon' -e '-\\?echo' -e '-\\?isig'`
    )
    await screen.see('ready')
    process.kill(Number(readFileSync(pidFile, 'latin1')), `SIG${signal}`)
    assertRestored(await screen.end(), 130)
  }
})

onTerminal('permissions are asked for once, in words, and remembered for this release', async () => {
  const remembered = join(site.home, 'permissions.json')
  for (const answer of ['n', '', 'perhaps']) {
    const refused = onScreen('run', medium)
    await refused.see('[y/N]')
    refused.type(`${answer}\n`)
    const shown = await refused.end()
    assert.match(shown, 'exit=77\r\n')
    assert.not.match(shown, 'ready')
    assert.not.ok(existsSync(remembered))
  }
  const interrupted = onScreen('run', medium)
  await interrupted.see('[y/N]')
  interrupted.type('\x03')
  assert.match(await interrupted.end(), 'exit=130\r\n')

  const asked = onScreen('run', medium)
  await asked.see('[y/N]')
  assert.match(asked.shown, /terminal +read the keys/)
  assert.match(asked.shown, /save +store data on the medium/)
  asked.type('y\n')
  await asked.see('ready')
  asked.type('q')
  assertRestored(await asked.end(), 7)
  const kept = JSON.parse(readFileSync(remembered, 'utf8')) as Record<string, string[]>
  const [name] = Object.keys(kept)
  assert.match(name!, /^[0-9a-f]{64}\/org\.example\.screen@1$/)
  assert.equal(kept, { [name!]: ['save', 'terminal'] })

  const again = onScreen('run', medium)
  await again.see('ready')
  again.type('q')
  assert.not.match(await again.end(), 'y/N')
  // What the person said holds where nobody can be asked, too.
  const piped = await site.cofferWith({ input: 'q' }, 'run', medium)
  assert.is(piped.code, 7)
  // What was allowed to this center's title is nothing to another's of the same name.
  writeFileSync(
    remembered,
    JSON.stringify({ [name!.replace(/^./, digit => (digit === '0' ? '1' : '0'))]: kept[name!] })
  )
  assert.is((await site.cofferWith({ input: 'q' }, 'run', medium)).code, 77)
  rmSync(remembered)
})

onTerminal('a line is typed and corrected as everywhere', async () => {
  const screen = onScreen(...ALLOWED, medium, '--', 'line')
  await screen.see('name? ')
  screen.type('Adx\x7fa\r')
  await screen.see('line "Ada"')
  assert.match(await screen.end(), 'exit=5')
})

onTerminal('colours and bars are for terminals', async () => {
  const master = await site.master('conversion')
  const target = await site.prepared()
  const screen = new Screen(`${words('copy', master, target)}`)
  assert.match(await screen.end(), /\x1b\[K.*\[#{30}\]/)
})

const LARGE_SAVES = `
import { write } from 'coffer:save'
export default async () => { for (let slot = 0; slot < 5; slot++) await write('slot' + slot, new Uint8Array(8 << 20)) }`

onTerminal('export and import show how far they are with large saves', async () => {
  const id = 'org.example.large-saves'
  const app = site.app(id, LARGE_SAVES, { permissions: ['save'], limits: { saveMiB: 64 } })
  const master = await site.press(app)
  const [from, to] = [await site.prepared(), await site.prepared()]
  for (const root of [from, to]) expectSuccess(await site.coffer('copy', master, root))
  expectSuccess(await site.coffer('run', from, '--allow', 'save'))
  const [seen, file] = [site.fresh('saves'), site.fresh('saves')]
  const exported = await new Screen(words('export', from, id, '--out', seen)).end()
  for (const step of ['read', 'write']) assert.match(exported, bar(step, 1))
  // The first slots of five, and the whole.
  assert.match(exported, bar('read', 0.2))
  assert.match(await new Screen(words('import', seen, to)).end(), bar('write', 0.2))
  // Elsewhere a line for each.
  const { stderr } = expectSuccess(await site.coffer('export', from, id, '--out', file))
  assert.match(stderr, /^read, 40\.0 MiB\nwrite, 40\.\d MiB\n$/)
})

/** A bar that is filled so far. */
const bar = (step: string, share: number): RegExp =>
  new RegExp(`${step} \\[#{${30 * share}}\\.{${30 - 30 * share}}\\] 40\\.\\d MiB`)

test('keys from a pipe: each character one, then none', async () => {
  const { code, stdout } = await site.cofferWith({ input: 'a\nä\x1b[Aq' }, ...ALLOWED, medium)
  assert.is(code, 7)
  assert.match(stdout, 'ready false {"columns":80,"rows":24}\nkey a\nkey enter\nkey ä\nkey up\nkey q\n')
  const ended_ = await site.cofferWith({ input: 'a' }, ...ALLOWED, medium)
  assert.equal([ended_.code, ended_.stdout.endsWith('key a\nkey none\n')], [7, true])
})

test('a program ends though its input stays open', async () => {
  const child = start(COFFER, [...ALLOWED, medium], site.options())
  child.stdin!.write('aq')
  assert.is((await ended(child)).code, 7)
})

test('lines from a pipe, more than anyone asked for', async () => {
  const input = `Ada\n${'x'.repeat(200_000)}\n`
  const { code, stdout } = await site.cofferWith({ input }, ...ALLOWED, medium, '--', 'line')
  assert.equal([code, stdout], [5, 'name? line "Ada"\n'])
})

onTerminal('a bar of progress keeps to the width of its terminal, and Ctrl-C ends its line', async () => {
  const app = site.app('org.example.large', 'export default () => 0', { assets: 'assets' })
  mkdirSync(join(app, 'assets'))
  writeFileSync(join(app, 'assets/large'), Buffer.alloc(64 * 1024 * 1024, 7))
  const [master, target] = await Promise.all([site.press(app), site.prepared()])
  const screen = new Screen(`${words('copy', master, target)}; echo "exit=$?"`, 40)
  await screen.see(/S7 +payload [^\r]* %/)
  screen.type('\x03')
  const shown = (await screen.end()).replaceAll(/\x1b\[[0-9;]*[mK]/g, '')
  assert.match(shown, 'exit=130\r\n')
  assert.match(shown, /(?:^|\n)error: It was interrupted/)
  for (const line of shown.split(/[\r\n]+/).filter(line => line.endsWith('%')))
    assert.ok(line.length < 40, line)
})

test.run()
