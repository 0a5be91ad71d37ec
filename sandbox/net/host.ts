/** What `coffer:net` needs of the host, loaded when a guest is granted it: one without costs nothing. */
import type { NetGrant, NetHost } from '../guest.js'
import { readResource } from '../resources.js'
import { NetClient } from './client.js'

/** @throws TypeError for a grant that does not say what it means. */
export function netHost(grant: NetGrant): NetHost {
  // Said now, not when the first guest starts.
  new NetClient(grant).end()
  return { script: netScript(), connect: () => new NetClient(grant) }
}

/** The guest's half, as text. */
export const netScript = (): string => Buffer.from(readResource('guest-net.js')).toString('utf8')
