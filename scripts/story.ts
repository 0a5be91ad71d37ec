/**
 * `npm start`: the whole job, told while it happens. A license center, two titles, one per embodiment of the seed, a
 * medium, two purchases, both titles run, and the same files refused on another medium.
 *
 * Every line with a `$` is the real program, started as a person would; nothing is configured, and the temporary
 * folder is gone afterwards.
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { painter } from '../formats/screen.js'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const COFFER = join(ROOT, 'dist/bin/coffer.cjs')
const CENTER = join(ROOT, 'dist/bin/coffer-center.cjs')

const paint = painter(process.env, () => process.stdout.isTTY)

function chapter(title: string, ...lines: readonly string[]): void {
  console.log(`\n${paint('bold', title)}`)
  for (const line of lines) console.log(line)
}

const indented = (text: string): string => text.trimEnd().replace(/^/gm, '    ')

const MAX_LINES = 24

function lastLines(text: string): string {
  const lines = text.split('\n')
  return lines.length <= MAX_LINES ? text : ['...', ...lines.slice(-MAX_LINES / 2)].join('\n')
}

interface Ended {
  readonly code: number
  readonly stdout: string
}

class Story {
  readonly folder = mkdtempSync(join(tmpdir(), 'coffer-story-'))
  readonly #env = { ...process.env, COFFER_HOME: join(this.folder, 'home'), NO_COLOR: '1' }
  #center: ChildProcess | undefined

  /** Type a command, show what it says (its last lines, if that is much), and insist on how it ends. */
  type(program: string, args: readonly string[], expectedCode = 0): Ended {
    const command = program === CENTER ? 'coffer-center' : program === COFFER ? 'coffer' : 'paper'
    console.log(`  ${paint('cyan', `$ ${command} ${args.map(shown).join(' ')}`)}`)
    const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...args], {
      cwd: this.folder,
      env: this.#env,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe']
    })
    const said = [stderr, stdout].map(text => this.#local(text).trimEnd()).filter(text => text !== '')
    if (said.length > 0) console.log(paint('dim', indented(lastLines(said.join('\n')))))
    if (status !== expectedCode)
      throw new Error(`"${command} ${args[0]}" ended with ${status}, not ${expectedCode}`)
    return { code: status, stdout: stdout.trim() }
  }

  /** Without the paths of this machine. */
  #local(text: string): string {
    return text.replaceAll(`${this.folder}/`, '').replaceAll(ROOT, '')
  }

  /** Start the center as a process of its own; returns the URL that it prints. */
  async serve(): Promise<string> {
    console.log(`  ${paint('cyan', '$ coffer-center serve shop --port 0 &')}`)
    const center = spawn(process.execPath, [CENTER, 'serve', 'shop', '--port', '0'], {
      cwd: this.folder,
      env: this.#env,
      stdio: ['ignore', 'pipe', 'ignore']
    })
    this.#center = center
    const url = await new Promise<string>((resolve, reject) => {
      center.stdout.once('data', (line: Buffer) => resolve(line.toString('utf8').trim()))
      center.once('exit', code => reject(new Error(`the center ended with ${code} before it listened`)))
    })
    console.log(paint('dim', indented(url)))
    return url
  }

  async end(): Promise<void> {
    const center = this.#center
    if (center !== undefined && center.exitCode === null) {
      const gone = new Promise(resolve => center.once('exit', resolve))
      center.kill('SIGTERM')
      await gone
    }
    rmSync(this.folder, { recursive: true, force: true })
  }
}

/** As it would stand in a shell, without the paths of this machine. */
const shown = (arg: string): string => {
  const short = arg.replace(ROOT, '')
  return /^[\w@%+=:,./-]+$/.test(short) ? short : `'${short}'`
}

async function tell(story: Story): Promise<void> {
  console.log(
    `${paint('bold', 'coffer')}: a copy that is certified for one medium, opened in memory only, run in a sandbox.\n` +
      'Numbers such as S3 or 14 are those of the seed document; docs/seed.md says where each is in the code.'
  )

  chapter(
    '1  The central site (5)',
    'A center is a folder: vault of keys, contents identifier file (33), user profile database (13, 37), ledger.'
  )
  story.type(CENTER, ['init', 'shop'])
  const { stdout: publisher } = story.type(COFFER, ['keygen', '--publisher', 'publisher.key'])
  story.type(CENTER, ['publisher', 'add', 'shop', publisher])
  const url = await story.serve()

  chapter(
    '2  The end user',
    'Pins the center once, and has one key, KU. The center never sees its private half.'
  )
  story.type(COFFER, ['trust', url])
  story.type(COFFER, ['keygen'])

  chapter(
    '3  The master medium (1, 11, 60)',
    'Two titles are pressed: a game sealed under Kd (first embodiment), a plugin under Ka (second embodiment).'
  )
  const pressed = ['--out', 'cdrom', '--center', url, '--publisher', 'publisher.key']
  story.type(COFFER, ['press', join(ROOT, 'samples/titles/wick'), ...pressed, '--scheme', 'certificate'])
  story.type(COFFER, ['press', join(ROOT, 'samples/titles/markdown'), ...pressed, '--scheme', 'conversion'])
  story.type(CENTER, ['title', 'shop', 'set', 'org.example.wick', '--price', '900', '--currency', 'EUR'])

  chapter(
    '4  The target medium (3, 12, 40)',
    'Its identity (IDk, Mid) is measured from the medium itself, each time.'
  )
  story.type(COFFER, ['prepare', 'stick'])

  chapter(
    '5  First embodiment: FIG. 2, FIG. 4',
    "The center certifies the copy (CS). The same code is made again here (CS'), and only if both agree is it copied."
  )
  story.type(COFFER, ['copy', 'cdrom', 'stick', '--title', 'org.example.wick'])

  chapter(
    '6  Second embodiment: FIG. 7, FIG. 8, FIG. 9',
    'The center sends Ku and Ka, wrapped for this medium (EMid). The payload is turned from Ka into Ku, in memory only.'
  )
  story.type(COFFER, ['copy', 'cdrom', 'stick', '--title', 'org.example.markdown'])
  story.type(COFFER, ['list', 'stick'])

  chapter("7  Before every run: FIG. 6 (CS against CS') and FIG. 10 (Ku out of EMid(Ku))")
  story.type(COFFER, ['verify', 'stick'])

  chapter(
    '8  The game runs, from the medium, in QuickJS',
    'Keys from a script, so that it plays without you.'
  )
  const allowed = ['--allow', 'terminal', '--allow', 'save']
  story.type(COFFER, [
    'run',
    'stick',
    'org.example.wick',
    ...allowed,
    '--',
    '--seed',
    '7',
    '--keys',
    'ofofof'
  ])
  console.log(
    '  Its saved game is on the medium, sealed. The same title on the other engine, SES, goes on from there:'
  )
  story.type(COFFER, [
    'run',
    'stick',
    'org.example.wick',
    '--engine',
    'ses',
    ...allowed,
    '--',
    '--keys',
    'ofofof'
  ])

  chapter('9  The plugin runs inside an app that knows nothing of keys', 'See samples/hosts/paper/main.ts.')
  story.type(join(ROOT, 'build/samples/hosts/paper/main.js'), [
    'stick',
    join(ROOT, 'samples/hosts/paper/note.md')
  ])

  chapter(
    '10  The same files on another medium',
    'Every byte is copied, and so are the permissions and times. What is measured is not the same: refused, with 77.'
  )
  console.log(`  ${paint('cyan', '$ cp -a stick other')}`)
  cpSync(join(story.folder, 'stick'), join(story.folder, 'other'), {
    recursive: true,
    preserveTimestamps: true
  })
  story.type(COFFER, ['run', 'other', 'org.example.wick', ...allowed], 77)
  story.type(COFFER, ['run', 'other', 'org.example.markdown'], 77)

  chapter('11  And the seller sees')
  story.type(CENTER, ['ledger', 'shop'])
}

const started = performance.now()
const story = new Story()
process.once('SIGINT', () => void story.end().then(() => process.exit(130)))
try {
  await tell(story)
  const seconds = ((performance.now() - started) / 1000).toFixed(0)
  console.log(
    `\n${paint('green', 'Done')} in ${seconds} s; nothing is left behind. Next: README.md, then docs/titles.md.`
  )
} finally {
  await story.end()
}
