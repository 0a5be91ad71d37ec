/** Step 4 of the path: the payload's key, out of a license that was rechecked (docs/spec.md §6.5). */
import { unwrapConversionKey, unwrapTitleKey } from '../formats/derive.js'
import { wipe } from '../formats/bytes.js'
import type { CheckedLicense } from './recheck.js'

declare const unwrapped: unique symbol
/** Opens one payload. Only {@link unwrapPayloadKey} makes one. Dispose it: that wipes it. */
export interface PayloadKey extends Disposable {
  readonly [unwrapped]: true
  /** Kd or Ku, 32 bytes. */
  readonly key: Uint8Array
  /** 32 bytes: saves are sealed under keys derived from it. */
  readonly saveRoot: Uint8Array
}

/**
 * Kd under a key that CS' enters, or Ku under one that the measured mediumId enters.
 *
 * @throws CofferError COFFER_KEY_UNWRAP when anything that enters is not what the center certified.
 */
export function unwrapPayloadKey(license: CheckedLicense): PayloadKey {
  const { binding } = license
  if (license.scheme === 'certificate') {
    const { certificationKey, recomputedCertificate, wrappedTitleKey } = license
    const key = unwrapTitleKey(certificationKey, binding, recomputedCertificate, wrappedTitleKey)
    return payloadKey(key, license.saveRoot.slice())
  }
  const key = unwrapConversionKey(license.bindingKey, 'medium-key', license.wrappedMediumKey)
  return payloadKey(key, license.saveRoot.slice())
}

const payloadKey = (key: Uint8Array, saveRoot: Uint8Array): PayloadKey =>
  ({ key, saveRoot, [Symbol.dispose]: () => wipe(key, saveRoot) }) as unknown as PayloadKey
