/** The thread of center/orders/aside.ts. */
import { parentPort, workerData } from 'node:worker_threads'
import { openReader } from '../books/store.js'
import { openKeyFiles } from '../keys/keyfiles.js'
import { openVault } from '../keys/vault.js'
import { SYSTEM_POWERS } from '../powers.js'
import type { Workshop } from '../site.js'
import type { AsideData, Drafts } from './aside.js'
import { draftEach } from './draft.js'
import type { Order } from './make.js'
import { Sheet } from './sheet.js'

const { centerId, folder, place, unlock } = workerData as AsideData
const vault = openVault(await openKeyFiles(folder, unlock))
const reader = await openReader(place)
const site: Workshop = { centerId, vault, powers: SYSTEM_POWERS }
const port = parentPort!

async function drafts(orders: readonly Order[]): Promise<Drafts> {
  try {
    const about = orders.map(({ request }) => request)
    return draftEach(site, await Sheet.read(reader, reader.books, about, site.powers.now()), orders)
  } catch {
    return [] // of books that cannot be read is told under the lock
  }
}

async function end(): Promise<void> {
  await reader.close()
  vault.close()
  port.close()
}

// One after the other, as they came: who asked knows the answers by their order.
let last: Promise<void> = Promise.resolve()
port.on('message', (orders: readonly Order[] | undefined) => {
  last = last.then(async () => {
    if (orders === undefined) await end()
    else port.postMessage(await drafts(orders))
  })
})
port.postMessage('ready')
