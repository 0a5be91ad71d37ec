/** Sample titles pressed, bought and on a medium, with the center gone: where a host app begins. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createCenter, serve } from '../../../center/index.js'
import { parsePublicKeys } from '../../../formats/keys.js'
import { CenterClient, Home, copy, createKeyFile, prepare, press } from '../../../loader/copier/index.js'
import { POWERS } from '../../../loader/powers.js'
import { sample } from './titles.js'

export interface Sold {
  /** For what else a test needs; removed at the end. */
  readonly folder: string
  readonly home: Home
  readonly medium: string
}

/** @param names - Of folders in samples/titles. */
export async function soldTitles(...names: readonly string[]): Promise<Sold> {
  const folder = mkdtempSync(join(tmpdir(), 'coffer-sold-'))
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
  const home = new Home(join(folder, 'home'))
  const medium = join(folder, 'stick')
  const center = await createCenter(join(folder, 'shop'), { name: 'Shop' })
  const { url: centerUrl, close } = await serve(center, { port: 0 })
  try {
    home.pin(await new CenterClient(centerUrl).roots(), centerUrl)
    createKeyFile('user', home.userKeyFile, POWERS)
    const publisherKeyFile = join(folder, 'publisher.key')
    const publicKey = createKeyFile('publisher', publisherKeyFile, POWERS)
    await center.desk.addPublisher(parsePublicKeys('publisher', publicKey), 'Press')
    const master = join(folder, 'master')
    prepare(medium)
    for (const name of names) {
      await press(sample(`samples/titles/${name}`), { home, out: master, publisherKeyFile, centerUrl })
      await copy(master, medium, `org.example.${name}`, { home })
    }
  } finally {
    await close()
    await center.close()
  }
  return { folder, home, medium }
}
