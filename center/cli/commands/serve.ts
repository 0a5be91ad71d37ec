/** `coffer-center serve`: from the first line that it prints to the signal that ends it. */
import { createSecureContext } from 'node:tls'
import { CofferError } from '../../../formats/errors.js'
import { jsonLine } from '../../../formats/wording.js'
import { openCenter } from '../../center.js'
import { readSmallFile } from '../../files.js'
import type { TlsFiles } from '../../http/http.js'
import { placeOf } from '../../books/place.js'
import { SYSTEM_POWERS } from '../../powers.js'
import type { Watch } from '../../http/watch.js'
import { readServices } from '../../services.js'
import { write } from '../output.js'
import { refuseAddress, unlockFromEnvironment } from './reach.js'

export interface ServeCommand {
  readonly port: number
  readonly host: string
  readonly database?: string | undefined
  /** Paths of PEM files: the certificate with its chain, and its key. */
  readonly tlsCert?: string | undefined
  readonly tlsKey?: string | undefined
  readonly behindProxy: boolean
  /** Requests a minute from one address and of one signer; 0: as many as come; undefined: as usual. */
  readonly rate?: number | undefined
  readonly metricsPort?: number | undefined
  readonly verbose: boolean
  readonly json: boolean
}

/** Runs until SIGTERM or SIGINT, then lets running requests finish. Prints its one line itself, once it listens. */
export async function serveUntilSignal(folder: string, options: ServeCommand): Promise<void> {
  // Here, so that the other commands start faster.
  const { serve } = await import('../../http/http.js')
  const { watch } = await import('../../http/watch.js')
  const { port, host, database, behindProxy, rate, json } = options
  refuseAddress(folder)
  const tls = await tlsFiles(options)
  if (database !== undefined) await moveBooks(folder, database, json)
  const center = await openCenter(folder, SYSTEM_POWERS, unlockFromEnvironment())
  let watching: Watch | undefined
  try {
    watching = await watch(options.verbose, options.metricsPort)
    const one = rate === undefined ? undefined : rate === 0 ? null : { burst: rate, perSecond: rate / 60 }
    const { onRequest, onFault } = watching
    const { stripe } = await readServices(folder)
    const serving = await serve(center, {
      payment: stripe && (await (await import('../../payment.js')).stripeProvider(stripe)),
      port,
      host,
      tls,
      behindProxy,
      ...(one !== undefined && { addressRate: one, signerRate: one }),
      onRequest,
      onFault
    })
    // Of two files that are replaced one is first: until both are, the pair that was there goes on.
    const renew = () =>
      void tlsFiles(options)
        .then(files => files && serving.renewTls(files))
        .catch((error: unknown) => onFault('tls', error))
    process.on('SIGHUP', renew)
    try {
      const signalled = untilSignal()
      const { url } = serving
      const { metricsUrl } = watching
      await write(
        process.stdout,
        json ? jsonLine({ url, centerId: center.centerId, metricsUrl }) : `${url}\n`
      )
      await signalled
    } finally {
      await serving.close()
      process.off('SIGHUP', renew)
    }
  } finally {
    await watching?.close()
    await center.close()
  }
}

async function moveBooks(folder: string, url: string, json: boolean): Promise<void> {
  const kept = await (await import('../../books/move.js')).useDatabase(folder, url)
  if (kept === undefined || json) return
  process.stderr.write(`The books have moved to ${placeOf(url)}. The old file is kept as ${kept}.\n`)
}

async function tlsFiles({ tlsCert, tlsKey }: ServeCommand): Promise<TlsFiles | undefined> {
  if (tlsCert === undefined && tlsKey === undefined) return undefined
  if (tlsCert === undefined || tlsKey === undefined) {
    throw new CofferError('COFFER_USAGE', 'TLS needs a certificate and its key.', {
      expected: '--tls-cert and --tls-key',
      found: 'one of them',
      hint: 'Give both, or neither where a proxy ends TLS.'
    })
  }
  const [cert, key] = await Promise.all(
    [tlsCert, tlsKey].map(async path => Buffer.from(await readSmallFile(path, MAX_PEM_BYTES)))
  )
  const files = { cert: cert!, key: key! }
  try {
    createSecureContext(files)
  } catch (cause) {
    throw new CofferError('COFFER_USAGE', 'The certificate and its key cannot be used for TLS.', {
      expected: 'a certificate with its chain, and the key that belongs to it, both PEM',
      found: (cause as NodeJS.ErrnoException).code ?? 'others',
      hint: 'Check the files that --tls-cert and --tls-key name, and that neither stands in the place of the other.',
      cause
    })
  }
  return files
}

const MAX_PEM_BYTES = 256 * 1024

/** The second signal ends the process at once, as it would have without us. */
function untilSignal(): Promise<void> {
  return new Promise(resolve => {
    const stop = () => {
      process.off('SIGTERM', stop).off('SIGINT', stop)
      resolve()
    }
    process.on('SIGTERM', stop).on('SIGINT', stop)
  })
}
