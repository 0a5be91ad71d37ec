/** The thread of center/orders/aside.ts. */
import { parentPort, workerData } from 'node:worker_threads'
import { openKeyFiles } from '../keys/keyfiles.js'
import { openVault } from '../keys/vault.js'
import { SYSTEM_POWERS } from '../powers.js'
import type { Workshop } from '../site.js'
import type { Asked, AsideData, Drafts } from './aside.js'
import { draftAhead } from './draft.js'

const { centerId, folder, unlock } = workerData as AsideData
const vault = openVault(await openKeyFiles(folder, unlock))
const site: Workshop = { centerId, vault, powers: SYSTEM_POWERS }
const port = parentPort!

const drafts = ({ ground, decided }: Asked): Drafts => decided.map(one => draftAhead(site, ground, one))

// One after the other, as they came: who asked knows the answers by their order.
port.on('message', (asked: Asked | undefined) => {
  if (asked !== undefined) return port.postMessage(drafts(asked))
  vault.close()
  port.close()
})
port.postMessage('ready')
