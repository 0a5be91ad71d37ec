/** How a command reaches the center that it is for: in its folder, or by its URL. */
import { CofferError } from '../../../formats/errors.js'
import { openCenter, type LicenseCenter } from '../../center.js'
import type { Desk } from '../../desk.js'
import type { Unlock } from '../../keys/keyfiles.js'
import { SYSTEM_POWERS } from '../../powers.js'

/**
 * Do one thing at the desk of a center: one that is opened for it, or one that runs elsewhere.
 *
 * @param place - Its folder, or its URL, where the key that COFFER_CENTER_KEY names signs.
 */
export async function atDesk<T>(place: string, work: (desk: Desk) => Promise<T>): Promise<T> {
  if (isAddress(place)) return work((await remote(place)).desk)
  return inFolder(place, center => work(center.desk))
}

export const remote = async (url: string) =>
  (await import('../../http/remote.js')).openRemote(url, process.env['COFFER_CENTER_KEY'] || undefined)

/** Open the center, do one thing with it, close it: what only who has the folder may do. */
export async function inFolder<T>(folder: string, work: (center: LicenseCenter) => Promise<T>): Promise<T> {
  refuseAddress(folder)
  const center = await openCenter(folder, SYSTEM_POWERS, unlockFromEnvironment())
  try {
    return await work(center)
  } finally {
    await center.close()
  }
}

/** Whether a center is meant that runs elsewhere, not a folder. */
export const isAddress = (place: string): boolean => /^https?:\/\//i.test(place)

/** @throws CofferError COFFER_USAGE for a URL, where the folder itself is needed. */
export function refuseAddress(folder: string): void {
  if (!isAddress(folder)) return
  throw new CofferError('COFFER_USAGE', 'This is done only where the folder of the center is.', {
    expected: 'a folder',
    found: folder,
    hint: 'Run it on the machine of the center. Keys, admins and request files stay there.'
  })
}

/** What everybody may have. */
export async function atPublic<T>(
  place: string,
  work: (center: Pick<LicenseCenter, 'roots' | 'revocations' | 'ended'>) => Promise<T>
): Promise<T> {
  if (!isAddress(place)) return inFolder(place, work)
  const { get } = await remote(place)
  return work({
    roots: () => get('/v1/roots'),
    revocations: () => get('/v1/revocations'),
    ended: () =>
      get('/v1/revocations/ended').catch((error: unknown) => {
        if (error instanceof CofferError && error.code === 'COFFER_FILE_MISSING') return undefined
        throw error
      })
  })
}

/** What the seller says that opens the vault. */
export function unlockFromEnvironment(): Unlock | undefined {
  const { COFFER_VAULT_KEY: path, COFFER_VAULT_PASSPHRASE: passphrase, COFFER_VAULT_PIN: pin } = process.env
  if (pin) return { kind: 'pin', pin }
  if (path) return { kind: 'key-file', path }
  return passphrase ? { kind: 'passphrase', passphrase } : undefined
}
