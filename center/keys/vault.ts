/**
 * The vault: everything that is computed with the center's own keys. Where those are kept is its {@link KeyStore}'s
 * affair; callers get what is derived from them for one user, medium or release, and signed records.
 */
import { concat, equalBytes, hex, wipe } from '../../formats/bytes.js'
import { deriveCertificationKey, deriveMasterMediumKey, deriveMediumKey } from '../../formats/derive.js'
import { enc } from '../../formats/encode.js'
import { CofferError } from '../../formats/errors.js'
import type { Signer } from '../../formats/frame.js'
import {
  aes256GcmOpen,
  aes256GcmSeal,
  GCM_NONCE_BYTES,
  unwrapKey,
  wrapKey
} from '../../formats/primitives.js'
import { expandWith, kindOf, type KeyStore } from './keystore.js'
import type { Random } from '../powers.js'

/** Whose and when: enters every derived key. */
export interface Epoch {
  readonly centerId: Uint8Array
  readonly epoch: number
}

/** Every key that is returned is fresh; the caller wipes it. */
export interface Vault {
  /** Who signs with this key of the center. @throws CofferError COFFER_CENTER_UNTRUSTED when it is not here. */
  signer(publicKey: Uint8Array): Signer

  /** KEYc of one user and medium. */
  certificationKey(at: Epoch, userId: Uint8Array, mediumId: Uint8Array): Uint8Array
  /** Ku. */
  mediumKey(at: Epoch, mediumId: Uint8Array): Uint8Array
  /** Ka. */
  masterMediumKey(at: Epoch, titleId: string, release: number): Uint8Array

  /** Wrap Kd for the database, so that whoever copies the database alone has no key: 40 bytes. */
  wrapStoredTitleKey(titleId: string, release: number, titleKey: Uint8Array): Uint8Array
  /** @throws Error for bytes of another title, release or vault: the books are not what this vault wrote. */
  unwrapStoredTitleKey(titleId: string, release: number, stored: Uint8Array): Uint8Array

  /**
   * Encrypt an answer for the database. Most answers hold nothing that opens without the user's key, but a bearer grant
   * is all it takes beside the medium's id, which is in the database too.
   *
   * @param nonce - 12 fresh random bytes.
   */
  sealStoredAnswer(requestId: Uint8Array, answer: Uint8Array, nonce: Uint8Array): Uint8Array
  /** @throws Error for bytes of another request or vault. */
  openStoredAnswer(requestId: Uint8Array, stored: Uint8Array): Uint8Array

  /** Whether a signing key's private half is here. */
  holds(publicKey: Uint8Array): boolean
  /** Make a signing key. @returns Its public half. */
  makeSigner(random: Random): Promise<Uint8Array>
  /** Destroy a signing key; no matter if it is gone. */
  removeSigner(publicKey: Uint8Array): Promise<void>
  /** Make the masters of an epoch; no matter if they are there. */
  makeEpoch(epoch: number, random: Random): Promise<void>
  /** Wipe what is in memory. */
  close(): void
}

const NO_BYTES = new Uint8Array(0)
const FIRST_SIGNER = 'signing'
const STORAGE = 'storage'

/** Fill a new store with the keys of a new center, epoch 1. @returns The vault, and the public half of its signing key. */
export async function createVault(
  store: KeyStore,
  random: Random
): Promise<{ readonly vault: Vault; readonly signKey: Uint8Array }> {
  await store.make(FIRST_SIGNER, 'sign', random)
  await store.make(STORAGE, 'mac', random)
  const vault = openVault(store)
  await vault.makeEpoch(1, random)
  return { vault, signKey: store.publicKey(FIRST_SIGNER) }
}

/** @param store - Closed with the vault. */
export function openVault(store: KeyStore): Vault {
  const masters = (name: 'certification' | 'master', epoch: number) => (info: Uint8Array) =>
    expandWith(store, `epoch-${epoch}/${name}`, info)

  const withStorageKey = <T>(info: Uint8Array, use: (key: Uint8Array) => T): T => {
    const key = expandWith(store, STORAGE, info)
    try {
      return use(key)
    } finally {
      wipe(key)
    }
  }

  const nameOf = (publicKey: Uint8Array): string | undefined =>
    store.names().find(name => kindOf(name) === 'sign' && equalBytes(store.publicKey(name), publicKey))
  const signers = new Map<string, Signer>()

  return {
    signer(publicKey) {
      const known = signers.get(hex(publicKey))
      if (known !== undefined) return known
      const name = nameOf(publicKey)
      if (name === undefined) throw keyMissing(publicKey)
      const signer: Signer = { publicKey, sign: message => store.sign(name, message) }
      signers.set(hex(publicKey), signer)
      return signer
    },
    certificationKey: ({ centerId, epoch }, userId, mediumId) =>
      deriveCertificationKey(masters('certification', epoch), centerId, epoch, userId, mediumId),
    mediumKey: ({ centerId, epoch }, mediumId) =>
      deriveMediumKey(masters('master', epoch), centerId, epoch, mediumId),
    masterMediumKey: ({ centerId, epoch }, titleId, release) =>
      deriveMasterMediumKey(masters('master', epoch), centerId, epoch, titleId, release),
    wrapStoredTitleKey: (titleId, release, titleKey) =>
      withStorageKey(enc('stored-title-key', titleId, release), key => wrapKey(key, titleKey)),
    unwrapStoredTitleKey: (titleId, release, stored) =>
      withStorageKey(enc('stored-title-key', titleId, release), key => {
        try {
          return unwrapKey(key, stored)
        } catch (cause) {
          // Not a CofferError: those say what a request got wrong.
          throw new Error(`internal: the stored key of ${titleId} release ${release} does not open`, {
            cause
          })
        }
      }),
    sealStoredAnswer: (requestId, answer, nonce) =>
      withStorageKey(enc('stored-answer', requestId), key =>
        concat(nonce, aes256GcmSeal(key, nonce, NO_BYTES, answer))
      ),
    openStoredAnswer: (requestId, stored) =>
      withStorageKey(enc('stored-answer', requestId), key => {
        const nonce = stored.subarray(0, GCM_NONCE_BYTES)
        const answer = aes256GcmOpen(key, nonce, NO_BYTES, stored.subarray(GCM_NONCE_BYTES))
        if (answer === undefined) throw new Error('internal: a stored answer does not open')
        return answer
      }),
    holds: publicKey => nameOf(publicKey) !== undefined,
    async makeSigner(random) {
      const numbers = store.names().flatMap(name => /^signing-(\d+)$/.exec(name)?.[1] ?? [])
      const name = `signing-${Math.max(1, ...numbers.map(Number)) + 1}`
      await store.make(name, 'sign', random)
      return store.publicKey(name)
    },
    async removeSigner(publicKey) {
      signers.delete(hex(publicKey))
      const name = nameOf(publicKey)
      if (name !== undefined) await store.remove(name)
    },
    async makeEpoch(epoch, random) {
      const there = store.names()
      for (const name of [`epoch-${epoch}/certification`, `epoch-${epoch}/master`])
        if (!there.includes(name)) await store.make(name, 'mac', random)
    },
    close() {
      signers.clear()
      store.close()
    }
  }
}

const keyMissing = (publicKey: Uint8Array) =>
  new CofferError('COFFER_CENTER_UNTRUSTED', 'Vault and database do not belong together.', {
    expected: `the signing key ${hex(publicKey)}, which the center's newest root record names`,
    found: 'a vault without it',
    hint: "Restore the center's folder, vault and database together, from a backup."
  })
