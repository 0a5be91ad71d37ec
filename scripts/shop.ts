/** A whole shop in one folder, in this process: center, publisher, person, masters and media, for benchmarks. */
import { spawn } from 'node:child_process'
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createCenter, serve } from '../center/index.js'
import { parsePublicKeys } from '../formats/keys.js'
import { CenterClient, copy, createKeyFile, Home, prepare, press } from '../loader/copier/index.js'
import { POWERS } from '../loader/powers.js'
import { memoryOf } from '../tests/helpers/memory.js'

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
  /** A fresh medium with that title on it. */
  largeMedium(
    bytes: number,
    scheme?: 'certificate' | 'conversion'
  ): Promise<{ medium: string; titleId: string }>
  /** Peak resident memory, in bytes, of `coffer copy` of this master in a process of its own. */
  peakMemoryOfCopy(master: string): Promise<number>
}

export async function newShop(folder: string): Promise<Shop> {
  const center = await createCenter(join(folder, 'shop'), { name: 'Bench' })
  const serving = await serve(center, { port: 0, addressRate: null, signerRate: null })
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

  const largeTitle = async (bytes: number, scheme: 'certificate' | 'conversion' = 'certificate') => {
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
    largeTitle,
    async largeMedium(bytes, scheme = 'certificate') {
      const medium = freshMedium()
      const titleId = `org.example.large-${scheme}-${bytes}`
      await copy(await largeTitle(bytes, scheme), medium, titleId, { home })
      return { medium, titleId }
    },
    peakMemoryOfCopy(path) {
      const args = [join(ROOT, 'dist/bin/coffer.cjs'), 'copy', path, freshMedium(), '--json']
      const env = { ...process.env, COFFER_HOME: home.folder }
      const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'ignore', 'pipe'] })
      let peak = 0
      // The kernel's own high-water mark, read until the process is gone: nothing is loaded into what is measured.
      const watch = setInterval(() => (peak = Math.max(peak, memoryOf(child.pid!, 'VmHWM'))), 2)
      let said = ''
      child.stderr.on('data', (text: Buffer) => (said += text.toString('utf8')))
      return new Promise((resolve, reject) => {
        child.once('close', code => {
          clearInterval(watch)
          if (code === 0) resolve(peak)
          else reject(new Error(`copy ended with ${code}: ${said}`))
        })
      })
    },
    async [Symbol.asyncDispose]() {
      await serving.close()
      await center.close()
    }
  }
}
