/**
 * Files with a key in them, and what a user's is for: he signs and receives with it, and his marks and saves are kept under
 * what is derived from it (docs/spec.md §2.5).
 */
import { dirname } from 'node:path'
import { hex, utf8, wipe } from '../formats/bytes.js'
import { CofferError } from '../formats/errors.js'
import {
  deriveKeys,
  deriveMarkSecret,
  deriveSaveSecret,
  formatPublicKeys,
  formatSecretKey,
  parseSecretKey,
  userIdOf,
  wipeKeys,
  type KeyOwner,
  type Keys
} from '../formats/keys.js'
import { sha256 } from '../formats/primitives.js'
import { asTyped } from '../formats/wording.js'
import { inspectFile, isFolder, makeFolder, readFile } from './files.js'
import { clearLeftovers, writeNewFile } from './pending.js'
import { POWERS, type Powers } from './powers.js'

/** The user's keys, and what they opened before: whoever has them here could open it again, only slower. */
export class UserKeys implements Keys {
  readonly signer: Keys['signer']
  readonly recipient: Keys['recipient']
  readonly signKey: Uint8Array
  readonly sealKey: Uint8Array
  readonly userId: Uint8Array
  /** Secret, 32 bytes: marks are authenticated under keys derived from it. */
  readonly markSecret: Uint8Array
  /** Secret, 32 bytes: saves are sealed under keys derived from it. */
  readonly saveSecret: Uint8Array
  readonly #opened = new Map<string, Uint8Array>()
  readonly #names = new WeakMap<Uint8Array, string>()

  constructor({ signer, recipient, signKey, sealKey }: Keys, saveSecret: Uint8Array, markSecret: Uint8Array) {
    this.saveSecret = saveSecret
    this.markSecret = markSecret
    this.signer = signer
    this.recipient = recipient
    this.signKey = signKey
    this.sealKey = sealKey
    this.userId = userIdOf(this)
  }

  /**
   * The key of a grant, opened with `recipient` the first time.
   *
   * @param grantBytes - The whole record: everything that `open` reads follows from it. Its body, and so `grantHash`,
   *   does not suffice, since a grant issued twice in one second has one body and two sealed keys.
   * @returns A copy; the caller wipes it.
   */
  opened(grantBytes: Uint8Array, open: () => Uint8Array): Uint8Array {
    // A grant that is remembered comes as the same object, which nobody writes to.
    let name = this.#names.get(grantBytes)
    if (name === undefined) this.#names.set(grantBytes, (name = hex(sha256(grantBytes))))
    let key = this.#opened.get(name)
    if (key === undefined) {
      key = open()
      if (this.#opened.size >= MAX_OPENED) this.forget()
      this.#opened.set(name, key)
    }
    return key.slice()
  }

  /** Overwrite what was opened. */
  forget(): void {
    wipe(...this.#opened.values())
    this.#opened.clear()
  }
}

/** Grants whose key is kept open. */
const MAX_OPENED = 64

/** The user's keys; undefined where there are none yet. @throws CofferError COFFER_ENCODING. */
export function readUserKeys(path: string): UserKeys | undefined {
  if (inspectFile(path) === undefined) return undefined
  return withKeyFile(
    'user',
    path,
    (keys, seed) => new UserKeys(keys, deriveSaveSecret(seed), deriveMarkSecret(seed))
  )
}

/** @throws CofferError COFFER_FILE_MISSING, COFFER_ENCODING. */
export const readKeyFile = (owner: KeyOwner, path: string): Keys => withKeyFile(owner, path, keys => keys)

/** @param use - Gets the seed too, which is wiped when it returns. */
function withKeyFile<T>(owner: KeyOwner, path: string, use: (keys: Keys, seed: Uint8Array) => T): T {
  const bytes = readFile(path, 1024)
  if (bytes === undefined) {
    throw new CofferError('COFFER_FILE_MISSING', `There is no ${owner}'s key at ${path}.`, {
      hint:
        owner === 'publisher'
          ? `Make one with "coffer keygen --publisher ${asTyped(path)}".`
          : 'Make one with "coffer keygen".'
    })
  }
  let seed: Uint8Array | undefined
  try {
    seed = parseSecretKey(owner, String.fromCharCode(...bytes))
    const keys = deriveKeys(owner, seed)
    wipeKeys(keys)
    const { signer, recipient, signKey, sealKey } = keys
    return use({ signer, recipient, signKey, sealKey }, seed)
  } finally {
    wipe(bytes, seed)
  }
}

/** What is lost with a key. */
const KEPT_FOR: Readonly<Record<KeyOwner, string>> = {
  user: 'titles bought with it',
  publisher: 'titles pressed with it, and their next releases,'
}

/**
 * Make a key file that only its owner can read; for a user's, the home that it lies in too.
 *
 * @param powers - Randomness, for tests.
 * @returns The public half, one word.
 * @throws CofferError COFFER_EXISTS: a key is never overwritten, since what is bound to it would be lost.
 */
export function createKeyFile(owner: KeyOwner, path: string, powers: Powers = POWERS): string {
  if (owner === 'user') makeFolder(dirname(path), 0o700)
  // Half of a secret key, or all of it, that nobody would ever look for.
  clearLeftovers(path)
  if (inspectFile(path) !== undefined) throw alreadyThere(owner, path)
  const seed = powers.random(32)
  const text = utf8(formatSecretKey(owner, seed))
  try {
    if (!writeNewFile(path, text, 0o600)) throw alreadyThere(owner, path)
    const keys = deriveKeys(owner, seed)
    wipeKeys(keys)
    return formatPublicKeys(owner, keys)
  } finally {
    wipe(seed, text)
  }
}

const alreadyThere = (owner: KeyOwner, path: string) =>
  isFolder(path)
    ? new CofferError('COFFER_EXISTS', `There is a folder at ${path}, where the key would be.`, {
        expected: 'the name of a file that is not there yet',
        found: 'a folder',
        hint: 'Name a file in it, or another one.'
      })
    : new CofferError('COFFER_EXISTS', `There is a file at ${path} already, and it was left as it is.`, {
        expected: 'no file of that name',
        found: 'one',
        hint: `If it is a key: ${KEPT_FOR[owner]} need it. To start anew, move it to a safe place first.`
      })
