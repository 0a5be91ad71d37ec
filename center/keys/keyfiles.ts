/**
 * Keys in files: a folder of mode 0700, each key a file of mode 0600 that holds its 32 bytes, or, in a locked vault,
 * those bytes wrapped under a key that is not in the folder:
 *
 *     lock      { "kind": "key-file" }, or { "kind": "passphrase", "salt": ..., "log2N": 17, "r": 8, "p": 1 }
 *     <name>    KW(EXP(vault key, ENC("vault-key", name)), key), 40 bytes
 *
 * The vault key is what the key file holds, or scrypt of the passphrase. Each wrapping has the name in it, so that no
 * key can be put in another's place.
 */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { chmod, mkdir, open, realpath, rename, rm } from 'node:fs/promises'
import { scryptSync } from 'node:crypto'
import { basename, dirname, isAbsolute, join, relative, sep } from 'node:path'
import { base64url, equalBytes, fromBase64url, fromHex, hex, utf8, wipe } from '../../formats/bytes.js'
import { enc } from '../../formats/encode.js'
import { CofferError } from '../../formats/errors.js'
import { counted } from '../../formats/wording.js'
import {
  Ed25519Signer,
  hkdfExpand512,
  hkdfExtract512,
  unwrapKey,
  wrapKey,
  WRAPPED_KEY_BYTES
} from '../../formats/primitives.js'
import { clearPartials, fileError, flushFolder, writeWholeFile } from '../files.js'
import { isKeyName, type KeyStore } from './keystore.js'
import type { Random } from '../powers.js'

/** What opens a locked vault, read from where the seller keeps it. */
export type Unlock =
  | { readonly kind: 'passphrase'; readonly passphrase: string }
  | { readonly kind: 'key-file'; readonly path: string }
  /** Of a token (pkcs11.ts). */
  | { readonly kind: 'pin'; readonly pin: string }

/** What can lock keys that are files. */
export type FileUnlock = Exclude<Unlock, { kind: 'pin' }>

const KEY_BYTES = 32
const LOCK = 'lock'
/** A new lock is written beside the old vault, and takes its place whole. */
const NEXT = '.next'
const PREVIOUS = '.previous'

/** Half a second and 128 MiB on a machine of today, once per start. */
const SCRYPT = { log2N: 17, r: 8, p: 1 } as const

type Lock =
  | { readonly kind: 'key-file' }
  | { readonly kind: 'passphrase'; salt: string; log2N: number; r: number; p: number }

/** Make an empty store. @param folder - Must not exist yet. */
export async function createKeyFiles(folder: string): Promise<KeyStore> {
  await makePrivateFolder(folder)
  return new KeyFiles(folder, undefined)
}

/**
 * @throws CofferError COFFER_FILE_MISSING, COFFER_HOST_UNSAFE when other accounts may read it, COFFER_VAULT_LOCKED
 *   when what opens it was not given or does not.
 */
export async function openKeyFiles(folder: string, unlock?: Unlock): Promise<KeyStore> {
  await finishRelock(folder)
  refuseShared(folder)
  const lock = readLock(folder)
  const store = new KeyFiles(folder, lock && vaultKey(folder, lock, unlock))
  try {
    for (const name of store.names()) store.load(name)
    for (const name of ['storage', 'epoch-1/certification', 'epoch-1/master']) store.load(name)
  } catch (error) {
    store.close()
    throw error
  }
  return store
}

/** How a vault is locked; undefined: it is not. */
export const lockOf = (folder: string): Lock['kind'] | undefined => readLock(folder)?.kind

/**
 * Lock a vault, lock it otherwise, or unlock it.
 *
 * @param unlock - What opens it now.
 * @param next - What shall open it; undefined: nothing is needed.
 * @throws CofferError COFFER_USAGE for a key file in the folder of the center.
 */
export async function relockKeyFiles(
  folder: string,
  unlock: Unlock | undefined,
  next: FileUnlock | undefined,
  random: Random
): Promise<void> {
  if (next?.kind === 'key-file') await refuseInside(dirname(folder), next.path)
  const store = (await openKeyFiles(folder, unlock)) as KeyFiles
  const lock = next && newLock(next, random)
  const key = lock && vaultKey(folder, lock, next)
  try {
    const made = folder + NEXT
    await rm(made, { recursive: true, force: true })
    await makePrivateFolder(made)
    const copy = new KeyFiles(made, key)
    for (const name of store.names()) await copy.put(name, store.load(name))
    if (lock !== undefined) await writeWholeFile(join(made, LOCK), utf8(`${JSON.stringify(lock)}\n`))
    await flushFolder(made)
    copy.close()
    await proveSame(store, made, next)
    // From here on the new one counts, whatever happens (finishRelock).
    await rename(folder, folder + PREVIOUS)
    await rename(made, folder)
    await flushFolder(dirname(folder))
    await rm(folder + PREVIOUS, { recursive: true })
  } finally {
    store.close()
    wipe(key)
  }
}

/** Open a new vault from what is on the disk, as the next start will: the old one goes only if it has the same keys. */
async function proveSame(store: KeyFiles, made: string, unlock: FileUnlock | undefined): Promise<void> {
  const opened = (await openKeyFiles(made, unlock)) as KeyFiles
  try {
    for (const name of store.names()) {
      if (!equalBytes(opened.load(name), store.load(name)))
        throw incomplete(join(made, name), 'it reads otherwise')
    }
  } finally {
    opened.close()
  }
}

/** The power failed between the two renames: the new vault is whole. Or after them: the old one is still there. */
async function finishRelock(folder: string): Promise<void> {
  if (!existsSync(folder) && existsSync(folder + NEXT) && existsSync(folder + PREVIOUS))
    await rename(folder + NEXT, folder)
  if (existsSync(folder)) await rm(folder + PREVIOUS, { recursive: true, force: true })
}

class KeyFiles implements KeyStore {
  readonly #folder: string
  readonly #vaultKey: Uint8Array | undefined
  readonly #keys = new Map<string, Uint8Array>()
  readonly #signers = new Map<string, Ed25519Signer>()

  constructor(folder: string, vaultKey: Uint8Array | undefined) {
    this.#folder = folder
    this.#vaultKey = vaultKey
  }

  names(): readonly string[] {
    const found: string[] = []
    for (const entry of readdirSync(this.#folder, { withFileTypes: true })) {
      const inside = entry.isDirectory() ? readdirSync(join(this.#folder, entry.name)) : undefined
      found.push(...(inside?.map(name => `${entry.name}/${name}`) ?? [entry.name]))
    }
    return found.filter(isKeyName).sort()
  }

  publicKey(name: string): Uint8Array {
    return this.#signer(name).publicKey
  }

  sign(name: string, message: Uint8Array): Uint8Array {
    return this.#signer(name).sign(message)
  }

  mac(name: string, message: Uint8Array): Uint8Array {
    return hkdfExtract512(this.load(name), message) // HMAC-SHA-512
  }

  async make(name: string, _kind: unknown, random: Random): Promise<void> {
    const key = random(KEY_BYTES)
    try {
      await this.put(name, key)
    } finally {
      wipe(key)
    }
  }

  async remove(name: string): Promise<void> {
    wipe(this.#keys.get(name))
    this.#keys.delete(name)
    this.#signers.delete(name)
    const path = join(this.#folder, name)
    await rm(path)
    await flushFolder(dirname(path))
  }

  close(): void {
    wipe(...this.#keys.values(), this.#vaultKey)
    this.#keys.clear()
    this.#signers.clear()
  }

  async put(name: string, key: Uint8Array): Promise<void> {
    const path = join(this.#folder, name)
    if (name.includes('/')) await mkdir(dirname(path), { mode: 0o700, recursive: true })
    const stored =
      this.#vaultKey === undefined ? key : this.#wrapping(name, wrapping => wrapKey(wrapping, key))
    const file = await open(path, 'wx', 0o600)
    try {
      await file.writeFile(stored)
      await file.sync()
    } finally {
      await file.close()
    }
    await flushFolder(dirname(path))
    await flushFolder(this.#folder)
  }

  /** Its 32 bytes, which stay the store's. */
  load(name: string): Uint8Array {
    let key = this.#keys.get(name)
    if (key === undefined) this.#keys.set(name, (key = this.#read(name)))
    return key
  }

  #signer(name: string): Ed25519Signer {
    let signer = this.#signers.get(name)
    if (signer === undefined) this.#signers.set(name, (signer = new Ed25519Signer(this.load(name))))
    return signer
  }

  #read(name: string): Uint8Array {
    const path = join(this.#folder, name)
    const expected = this.#vaultKey === undefined ? KEY_BYTES : WRAPPED_KEY_BYTES
    let bytes: Uint8Array
    try {
      bytes = new Uint8Array(readFileSync(path))
    } catch (cause) {
      throw incomplete(path, `it cannot be read (${(cause as NodeJS.ErrnoException).code})`)
    }
    if (bytes.length !== expected) throw incomplete(path, `it has ${counted(bytes.length, 'byte')}`)
    if (this.#vaultKey === undefined) return bytes
    return this.#wrapping(name, wrapping => {
      try {
        return unwrapKey(wrapping, bytes)
      } catch {
        throw locked(this.#folder, 'another passphrase or key file, or damaged keys')
      }
    })
  }

  #wrapping<T>(name: string, use: (wrapping: Uint8Array) => T): T {
    const wrapping = hkdfExpand512(this.#vaultKey!, enc('vault-key', name))
    try {
      return use(wrapping)
    } finally {
      wipe(wrapping)
    }
  }
}

// ---------------------------------------------------------------- the lock

const KEY_FILE_PREFIX = 'COFFER-VAULT-KEY-1-'

/** A key file in the folder of its center is in every backup of it; one in the vault would go with the old vault. */
export async function refuseInside(center: string, path: string): Promise<void> {
  let way: string
  try {
    way = relative(await realpath(center), join(await realpath(dirname(path)), basename(path)))
  } catch (cause) {
    throw fileError(path, cause)
  }
  if (way === '..' || way.startsWith(`..${sep}`) || isAbsolute(way)) return
  throw new CofferError('COFFER_USAGE', 'The key file of a vault cannot be in the folder of its center.', {
    expected: `a place outside of ${center}`,
    found: path,
    hint: 'Name a file on another medium, which is not kept where the backup of the folder is.'
  })
}

/** Make a key file that opens a vault. @throws CofferError COFFER_EXISTS: it may open another one. */
export async function createVaultKeyFile(path: string, random: Random): Promise<void> {
  const key = random(KEY_BYTES)
  const text = utf8(`${KEY_FILE_PREFIX}${base64url(key)}\n`)
  try {
    await clearPartials(path) // each may hold a key
    await writeWholeFile(path, text, false, 0o600)
  } finally {
    wipe(key, text)
  }
}

function newLock(next: FileUnlock, random: Random): Lock {
  return next.kind === 'key-file'
    ? { kind: 'key-file' }
    : { kind: 'passphrase', salt: hex(random(16)), ...SCRYPT }
}

function readLock(folder: string): Lock | undefined {
  const path = join(folder, LOCK)
  if (!existsSync(path)) return undefined
  try {
    const lock = JSON.parse(readFileSync(path, 'utf8')) as Lock
    if (lock.kind === 'key-file') return lock
    const { kind, salt, log2N, r, p } = lock
    // Bounds, so that an altered file cannot have us compute for ever.
    const isSound = [log2N, r, p].every(Number.isInteger) && log2N >= 14 && log2N <= 22 && r <= 32 && p <= 16
    if (kind === 'passphrase' && /^[0-9a-f]{32}$/.test(salt) && isSound && r > 0 && p > 0) return lock
  } catch {
    // Said below.
  }
  throw incomplete(path, 'it does not say how the vault is locked')
}

function vaultKey(folder: string, lock: Lock, unlock: Unlock | undefined): Uint8Array {
  if (unlock === undefined) throw locked(folder, 'nothing')
  if (unlock.kind === 'pin' || unlock.kind !== lock.kind)
    throw locked(folder, `a ${WORDS[unlock.kind]}`, lock.kind)
  if (unlock.kind === 'key-file') return readVaultKeyFile(unlock.path)
  const { salt, log2N, r, p } = lock as Lock & { kind: 'passphrase' }
  const N = 2 ** log2N
  const options = { N, r, p, maxmem: 256 * N * r }
  return new Uint8Array(scryptSync(unlock.passphrase.normalize('NFKC'), fromHex(salt), KEY_BYTES, options))
}

function readVaultKeyFile(path: string): Uint8Array {
  let text: string
  try {
    text = readFileSync(path, 'latin1').trim()
  } catch (cause) {
    throw fileError(path, cause)
  }
  try {
    const key = fromBase64url(text.slice(KEY_FILE_PREFIX.length))
    if (text.startsWith(KEY_FILE_PREFIX) && key.length === KEY_BYTES) return key
  } catch {
    // Said below, without quoting it.
  }
  throw new CofferError('COFFER_ENCODING', 'This is not the key file of a vault.', {
    expected: `one line that begins with "${KEY_FILE_PREFIX}"`,
    found: 'something else',
    hint: 'Give the file that "coffer-center vault <folder> lock --key-file <file>" made.'
  })
}

const WORDS = { 'key-file': 'key file', passphrase: 'passphrase', pin: 'PIN' }

const locked = (folder: string, found: string, kind: Lock['kind'] = lockOf(folder) ?? 'passphrase') =>
  new CofferError('COFFER_VAULT_LOCKED', `The vault in ${folder} is locked.`, {
    expected: `its ${WORDS[kind]}`,
    found,
    hint:
      kind === 'key-file'
        ? 'Say where its key file is: COFFER_VAULT_KEY=<file> coffer-center ...'
        : 'Give its passphrase in the environment: COFFER_VAULT_PASSPHRASE=... coffer-center ...'
  })

export async function makePrivateFolder(folder: string): Promise<void> {
  await mkdir(folder, { mode: 0o700 })
  await chmod(folder, 0o700) // whatever the umask
}

/** A vault restored from a backup easily ends up readable by everyone on the machine. */
export function refuseShared(folder: string): void {
  let mode: number
  try {
    mode = statSync(folder).mode
  } catch (cause) {
    throw incomplete(folder, `it cannot be read (${(cause as NodeJS.ErrnoException).code})`)
  }
  if (process.platform === 'win32') return // there the folder's access list decides, which mode bits do not show
  if ((mode & 0o077) === 0) return
  throw new CofferError('COFFER_HOST_UNSAFE', `Other accounts may read the keys in ${folder}.`, {
    expected: 'mode 700',
    found: `mode ${(mode & 0o777).toString(8)}`,
    hint: `Close it with: chmod -R go= ${folder}`
  })
}

const incomplete = (path: string, found: string) =>
  new CofferError('COFFER_FILE_MISSING', `Cannot open the vault: ${path}: ${found}.`, {
    expected: `a key file of ${KEY_BYTES} bytes, or ${WRAPPED_KEY_BYTES} in a locked vault`,
    found,
    hint: "Restore the center's folder, vault and database together, from a backup."
  })
