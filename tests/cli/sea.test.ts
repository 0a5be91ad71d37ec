/** The program as one executable: in a tree of files where there is no Node, nor anything else but what it links to. */
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  ended,
  expectSuccess,
  HELLO,
  HELLO_OUTPUT,
  jsonOf,
  newSite,
  ROOT,
  type Ran
} from '../helpers/site.js'

const executable = join(
  ROOT,
  `build/coffer-${process.platform}-${process.arch}${process.platform === 'win32' ? '.exe' : ''}`
)
execFileSync(process.execPath, [join(ROOT, 'build/scripts/sea.js')], {
  stdio: ['ignore', 'ignore', 'inherit']
})

const site = await newSite()
test.after(() => site.close())

/** With an environment that has nothing else, no PATH. */
function started(command: string, words: readonly string[], env: Record<string, string>): Promise<Ran> {
  const child = spawn(command, words, { cwd: '/', env, stdio: ['pipe', 'pipe', 'pipe'] })
  child.stdin.end()
  return ended(child)
}

const own = site.fresh('home')
const here = (...words: string[]): Promise<Ran> => started(executable, words, { COFFER_HOME: own })

/** Everything that a buyer does, with one way of starting the program. `at` is where it finds the site's folder. */
async function lifecycle(coffer: (...words: string[]) => Promise<Ran>, at: string): Promise<void> {
  const [master, medium] = [`${at}/master`, `${at}/stick`]
  expectSuccess(await coffer('keygen'))
  expectSuccess(await coffer('trust', site.url))
  expectSuccess(await coffer('prepare', medium))
  expectSuccess(await coffer('copy', master, medium, '--title', HELLO, '--with-manager'))
  assert.is(jsonOf(await coffer('verify', medium, '--json')).verdict, 'ok')
  for (const options of [[], ['--isolation', 'thread'], ['--engine', 'ses']]) {
    const ran = await coffer('run', medium, HELLO, ...options)
    assert.equal([ran.code, ran.stdout, ran.stderr], [0, HELLO_OUTPUT, ''], options.join(' '))
  }
  // The limits of a process of its own hold, though an executable takes no flags of V8.
  expectSuccess(await coffer('copy', master, medium, '--title', HUNGRY))
  assert.is((await coffer('run', medium, HUNGRY, '--engine', 'ses')).code, 137)
  assert.is((await coffer('run', master)).code, 66)
}

const HUNGRY = 'org.example.hungry'
const EATS = 'export default () => { const all = []; for (;;) all.push(new Array(1e5).fill(0.5)) }'
await site.press(join(ROOT, 'samples/titles/hello'), 'certificate', site.path('master'))
await site.press(site.app(HUNGRY, EATS), 'certificate', site.path('master'))

test('without PATH, Node or anything of coffer in its environment it does all that a buyer does', async () => {
  await lifecycle(here, site.folder)
  // The program that it puts on a medium is the one for Node.
  assert.equal(readFileSync(site.path('stick/coffer.mjs')), readFileSync(join(ROOT, 'dist/coffer.mjs')))
})

test('lying on a medium it runs that one, and on a copy of it refuses', async () => {
  const medium = site.path('stick')
  copyFileSync(executable, join(medium, basename(executable)))
  const env = { COFFER_HOME: own }
  const ran = await started(join(medium, basename(executable)), ['run', HELLO], env)
  assert.equal([ran.code, ran.stdout], [0, HELLO_OUTPUT])
  execFileSync('cp', ['-a', medium, site.path('copy')])
  const refused = await started(join(site.path('copy'), basename(executable)), ['run', HELLO], env)
  assert.equal([refused.code, refused.stdout], [77, ''])
})

test('it does not press, and says what does', async () => {
  for (const words of [
    ['press', join(ROOT, 'samples/titles/hello'), '--out', site.path('more'), '--center', site.url],
    ['dev', join(ROOT, 'samples/titles/hello')]
  ]) {
    if (words[0] === 'press') words.push('--publisher', site.publisherFile)
    const ran = await here(...words)
    assert.is(ran.code, 64)
    assert.match(ran.stderr, /no part that bundles apps[^]*Install coffer as a package/)
  }
})

/** A tree with the executable, the libraries that it names, and nothing else. */
function bareTree(): string {
  const tree = site.path('tree')
  for (const name of ['proc', 'dev']) mkdirSync(join(tree, name), { recursive: true })
  writeFileSync(join(tree, 'dev/null'), '')
  const listed = execFileSync('ldd', [executable], { encoding: 'utf8' })
  for (const [, path] of listed.matchAll(/(\/\S+) \(0x/g)) {
    mkdirSync(join(tree, dirname(path!)), { recursive: true })
    copyFileSync(path!, join(tree, path!))
  }
  copyFileSync(executable, join(tree, 'coffer'))
  mkdirSync(join(tree, 'site/master'), { recursive: true })
  execFileSync('cp', ['-r', `${site.path('master')}/.`, join(tree, 'site/master')])
  return tree
}

/** A namespace of its own, so that nothing stays mounted; within it the tree is all that there is. */
const INSIDE =
  'mount --rbind /proc "$0/proc" && mount --bind /dev/null "$0/dev/null" && exec chroot "$0" "$@"'
const mayChroot = spawnSync('unshare', ['-m', 'chroot', '/', 'true']).status === 0

if (!mayChroot)
  test('skip: a tree without Node', () => console.log('skip: this user may not change the root folder'))
else
  test('in a tree of files with the executable and its libraries alone it does the same', async () => {
    const tree = bareTree()
    const inside = (...words: string[]): Promise<Ran> =>
      started('/usr/bin/unshare', ['-m', '/bin/sh', '-c', INSIDE, tree, '/coffer', ...words], {
        COFFER_HOME: '/home',
        HOME: '/',
        PATH: '/usr/sbin:/usr/bin:/sbin:/bin'
      })
    // There is no Node to be found, nor a shell.
    assert.is.not((await started('/usr/sbin/chroot', [tree, '/bin/sh'], {})).code, 0)
    await lifecycle(inside, '/site')
  })

test.run()
