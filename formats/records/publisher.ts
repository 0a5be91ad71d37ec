/** The publisher certificate: the center's word that a key may sign titles (docs/spec.md §3.2). */
import { CofferError } from '../errors.js'
import { NO_ATTACHMENTS, signFrame, type SigningKey } from '../frame.js'
import { encodeAs, map, seconds, type Infer } from '../shape.js'
import { openByCenter } from './by-center.js'
import { displayName, hash, publicKey } from './fields.js'
import type { Center } from './root.js'

const shape = map({
  centerId: hash,
  issued: seconds,
  name: displayName,
  /** X25519: release keys are sealed to it. */
  sealKey: publicKey,
  /** Ed25519: title manifests are signed with it. */
  signKey: publicKey
})

export type Publisher = Infer<typeof shape>

export const encodePublisher = (publisher: Publisher, centerKey: SigningKey): Uint8Array =>
  signFrame('publisher', encodeAs('publisher certificate', shape, publisher), NO_ATTACHMENTS, centerKey)

/** @throws CofferError COFFER_RECORD_*, COFFER_PUBLISHER_UNTRUSTED when another than `center` signed it. */
export function openPublisher(bytes: Uint8Array, center: Center): Publisher {
  const opened = openByCenter('publisher', shape, bytes, [center], { what: 'publisher certificate' })
  if (opened !== undefined) return opened.body
  throw new CofferError(
    'COFFER_PUBLISHER_UNTRUSTED',
    'The publisher of this title is not certified by its center.',
    {
      expected: `a publisher certificate signed by ${center.name}`,
      found: 'one signed by someone else',
      hint: 'Get the title from its seller again.'
    }
  )
}
