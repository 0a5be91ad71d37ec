/** A whole shop in one folder, in this process: center, publisher, person, masters and media, for benchmarks. */
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createCenter, serve } from '../center/index.js'
import { parsePublicKeys } from '../formats/keys.js'
import { CenterClient, copy, createKeyFile, Home, prepare, press } from '../loader/copier/index.js'
import { POWERS } from '../loader/powers.js'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

export interface Shop extends AsyncDisposable {
  readonly url: string
  readonly home: Home
  /** Id of a title that prints a line. */
  readonly hello: string
  /** A fresh medium with one title on it. */
  medium(titleId: string): Promise<string>
  /** Path of a sealed title with an asset of that many bytes. */
  largeTitle(bytes: number, scheme?: 'certificate' | 'conversion'): Promise<string>
  /** Peak resident memory, in bytes, of `coffer copy` of this master in a process of its own. */
  peakMemoryOfCopy(master: string): Promise<number>
}

export async function newShop(folder: string): Promise<Shop> {
  const center = await createCenter(join(folder, 'shop'), { name: 'Bench' })
  const serving = await serve(center, { port: 0 })
  const home = new Home(join(folder, 'home'))
  const publisherKeyFile = join(folder, 'publisher.key')
  const publicKey = createKeyFile('publisher', publisherKeyFile, POWERS)
  await center.desk.addPublisher(parsePublicKeys('publisher', publicKey), 'Bench')
  home.pin(await new CenterClient(serving.url).roots(), serving.url)
  createKeyFile('user', home.userKeyFile, POWERS)

  const master = join(folder, 'master')
  let media = 0
  const pressed = new Map<string, string>()
  const pressApp = (app: string, out: string, scheme: 'certificate' | 'conversion') =>
    press(app, { home, out, publisherKeyFile, centerUrl: serving.url, scheme })
  const hello = await pressApp(join(ROOT, 'samples/titles/hello'), master, 'certificate')
  const freshMedium = () => {
    const path = join(folder, `medium-${++media}`)
    prepare(path)
    return path
  }

  return {
    url: serving.url,
    home,
    hello: hello.id,
    async medium(titleId) {
      const path = freshMedium()
      await copy(master, path, titleId, { home })
      return path
    },
    async largeTitle(bytes, scheme = 'certificate') {
      const name = `large-${scheme}-${bytes}`
      if (!pressed.has(name)) {
        const app = join(folder, name)
        cpSync(join(ROOT, 'samples/titles/hello'), app, { recursive: true })
        mkdirSync(join(app, 'assets'))
        writeFileSync(join(app, 'assets/data'), Buffer.alloc(bytes, 'coffer '))
        const manifest = JSON.parse(readFileSync(join(app, 'package.json'), 'utf8')) as { coffer: object }
        manifest.coffer = { ...manifest.coffer, id: `org.example.${name}`, assets: 'assets' }
        writeFileSync(join(app, 'package.json'), JSON.stringify(manifest))
        pressed.set(name, (await pressApp(app, join(folder, `master-${name}`), scheme)).path)
      }
      return pressed.get(name)!
    },
    async peakMemoryOfCopy(path) {
      const args = [join(ROOT, 'dist/bin/coffer.cjs'), 'copy', path, freshMedium(), '--json']
      const env = { ...process.env, COFFER_HOME: home.folder }
      // GNU time is not everywhere; the kernel's own high-water mark is, and dies with the process: ask before it ends.
      const probe = `process.on('exit', () => process.stderr.write('peak ' + process.resourceUsage().maxRSS))`
      const { status, stderr } = spawnSync(
        process.execPath,
        ['--require', writeProbe(folder, probe), ...args],
        { env, encoding: 'utf8' }
      )
      if (status !== 0) throw new Error(`copy ended with ${status}: ${stderr}`)
      return Number(/peak (\d+)/.exec(stderr)![1]) * 1024
    },
    async [Symbol.asyncDispose]() {
      await serving.close()
      await center.close()
    }
  }
}

function writeProbe(folder: string, source: string): string {
  const path = join(folder, 'probe.cjs')
  writeFileSync(path, source)
  return path
}
