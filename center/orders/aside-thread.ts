/** The thread of center/orders/aside.ts. */
import { parentPort, workerData } from 'node:worker_threads'
import { openKeyFiles } from '../keys/keyfiles.js'
import { openVault } from '../keys/vault.js'
import { SYSTEM_POWERS } from '../powers.js'
import type { Workshop } from '../site.js'
import type { AsideData, Batch } from './aside.js'
import { makeAnswer } from './make.js'

const { centerId, folder, unlock } = workerData as AsideData
const vault = openVault(await openKeyFiles(folder, unlock))
const site: Workshop = { centerId, vault, powers: SYSTEM_POWERS }
const port = parentPort!

port.on('message', (batch: Batch | undefined) => {
  if (batch === undefined) {
    vault.close()
    port.close()
    return
  }
  const made = batch.decided.map(({ order, decision }) => {
    try {
      return makeAnswer(site, batch.ground, order, decision)
    } catch {
      return undefined // made again under the lock, where the failure is told
    }
  })
  port.postMessage(made)
})
port.postMessage('ready')
