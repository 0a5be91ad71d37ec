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
  /** 32 bytes, derived when it is first asked for: saves are sealed under keys derived from it. */
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
    return payloadKey(key, license)
  }
  const key = unwrapConversionKey(license.bindingKey, 'medium-key', license.wrappedMediumKey)
  return payloadKey(key, license)
}

const payloadKey = (key: Uint8Array, license: CheckedLicense): PayloadKey =>
  new UnwrappedKey(key, license) as unknown as PayloadKey

class UnwrappedKey implements Disposable {
  readonly key: Uint8Array
  readonly #license: CheckedLicense
  #saveRoot: Uint8Array | undefined
  #isDisposed = false

  constructor(key: Uint8Array, license: CheckedLicense) {
    this.key = key
    this.#license = license
  }

  get saveRoot(): Uint8Array {
    if (this.#isDisposed) throw new Error('internal: the save root of a key that was disposed of')
    return (this.#saveRoot ??= this.#license.deriveSaveRoot())
  }

  [Symbol.dispose](): void {
    this.#isDisposed = true
    wipe(this.key, this.#saveRoot)
  }
}
