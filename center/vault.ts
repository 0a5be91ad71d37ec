/**
 * The vault: the center's own keys, and everything that is computed with them.
 *
 *     vault/                       mode 0700, every file 0600 and 32 raw bytes
 *       signing                    Ed25519 seed: roots, grants, answers, certificates, revocation lists
 *       storage                    wraps title keys (Kd) and encrypts answers before they go into the database
 *       epoch-1/certification      certification master of the epoch, from which every KEYc is derived
 *       epoch-1/master             KM of the epoch, from which every Ku and Ka is derived
 *
 * Those bytes never leave this file. Callers get what is derived from them for one user, medium or release, and
 * signed records; so a vault in another process or device is another implementation of {@link Vault}.
 */
import { chmod, mkdir, open, readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { concat, wipe } from '../formats/bytes.js'
import { deriveCertificationKey, deriveMasterMediumKey, deriveMediumKey } from '../formats/derive.js'
import { enc } from '../formats/encode.js'
import { CofferError } from '../formats/errors.js'
import {
  aes256GcmOpen,
  aes256GcmSeal,
  Ed25519Signer,
  GCM_NONCE_BYTES,
  hkdfExpand512,
  unwrapKey,
  wrapKey
} from '../formats/primitives.js'
import { flushFolder } from './files.js'
import type { Random } from './powers.js'

/** Whose and when: enters every derived key. */
export interface Epoch {
  readonly centerId: Uint8Array
  readonly epoch: number
}

/** Every key that is returned is fresh; the caller wipes it. */
export interface Vault {
  /** Ed25519 public key, 32 bytes. */
  readonly signKey: Uint8Array

  /** Build a record with one of the `encode...` functions of formats/, whose last argument is who signs. */
  sign<A extends readonly unknown[]>(
    encode: (...args: readonly [...A, signer: Ed25519Signer]) => Uint8Array,
    ...args: A
  ): Uint8Array

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

  /** Wipe the keys. */
  close(): void
}

const KEY_BYTES = 32
const NO_BYTES = new Uint8Array(0)

/** Make the keys of a new center, epoch 1. @param folder - Must not exist yet. */
export async function createVault(folder: string, random: Random): Promise<Vault> {
  await mkdir(folder, { mode: 0o700 })
  await chmod(folder, 0o700) // whatever the umask
  await writeKey(join(folder, 'signing'), random)
  await writeKey(join(folder, 'storage'), random)
  await mkdir(join(folder, 'epoch-1'), { mode: 0o700 })
  await writeKey(join(folder, 'epoch-1', 'certification'), random)
  await writeKey(join(folder, 'epoch-1', 'master'), random)
  await flushFolder(join(folder, 'epoch-1'))
  await flushFolder(folder)
  return openVault(folder)
}

/** @throws CofferError COFFER_FILE_MISSING, COFFER_HOST_UNSAFE when other accounts may read it. */
export async function openVault(folder: string): Promise<Vault> {
  await refuseShared(folder)
  const signingSeed = await readKey(join(folder, 'signing'))
  const signer = new Ed25519Signer(signingSeed)
  wipe(signingSeed)
  const storageKey = await readKey(join(folder, 'storage'))
  const masters = new Map<number, { certification: Uint8Array; master: Uint8Array }>()
  for (const name of await readdir(folder)) {
    const epoch = /^epoch-([1-9]\d{0,8})$/.exec(name)?.[1]
    if (epoch === undefined) continue
    masters.set(Number(epoch), {
      certification: await readKey(join(folder, name, 'certification')),
      master: await readKey(join(folder, name, 'master'))
    })
  }

  const mastersOf = (epoch: number) => {
    const found = masters.get(epoch)
    if (found === undefined) throw new Error(`internal: the vault has no keys of epoch ${epoch}`)
    return found
  }

  const withStorageKey = <T>(info: Uint8Array, use: (key: Uint8Array) => T): T => {
    const key = hkdfExpand512(storageKey, info)
    try {
      return use(key)
    } finally {
      wipe(key)
    }
  }

  return {
    signKey: signer.publicKey,
    sign: (encode, ...args) => encode(...args, signer),
    certificationKey: ({ centerId, epoch }, userId, mediumId) =>
      deriveCertificationKey(mastersOf(epoch).certification, centerId, epoch, userId, mediumId),
    mediumKey: ({ centerId, epoch }, mediumId) =>
      deriveMediumKey(mastersOf(epoch).master, centerId, epoch, mediumId),
    masterMediumKey: ({ centerId, epoch }, titleId, release) =>
      deriveMasterMediumKey(mastersOf(epoch).master, centerId, epoch, titleId, release),
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
    close() {
      wipe(storageKey)
      for (const { certification, master } of masters.values()) wipe(certification, master)
    }
  }
}

async function writeKey(path: string, random: Random): Promise<void> {
  const key = random(KEY_BYTES)
  const file = await open(path, 'wx', 0o600)
  try {
    await file.writeFile(key)
    await file.sync()
  } finally {
    await file.close()
    wipe(key)
  }
}

async function readKey(path: string): Promise<Uint8Array> {
  const bytes = await readFile(path).catch((cause: unknown) => {
    throw incomplete(path, `it cannot be read (${(cause as NodeJS.ErrnoException).code})`)
  })
  if (bytes.length !== KEY_BYTES) throw incomplete(path, `it has ${bytes.length} bytes`)
  const key = new Uint8Array(bytes)
  wipe(bytes)
  return key
}

/** A vault restored from a backup easily ends up readable by everyone on the machine. */
async function refuseShared(folder: string): Promise<void> {
  if (process.platform === 'win32') return // there the folder's access list decides, which mode bits do not show
  const { mode } = await stat(folder).catch((cause: unknown) => {
    throw incomplete(folder, `it cannot be read (${(cause as NodeJS.ErrnoException).code})`)
  })
  if ((mode & 0o077) === 0) return
  throw new CofferError('COFFER_HOST_UNSAFE', `Other accounts may read the keys in ${folder}.`, {
    expected: 'mode 700',
    found: `mode ${(mode & 0o777).toString(8)}`,
    hint: `Close it with: chmod -R go= ${folder}`
  })
}

const incomplete = (path: string, found: string) =>
  new CofferError('COFFER_FILE_MISSING', `Cannot open the vault: ${path}: ${found}.`, {
    expected: `a key file of ${KEY_BYTES} bytes`,
    found,
    hint: "Restore the center's folder, vault and database together, from a backup."
  })
