/**
 * The person's own side: user key, pinned centers, newest revocation lists seen, permissions given. One folder,
 * `$COFFER_HOME` or the platform's config folder (docs/spec.md §6.3).
 *
 *     user.key                     the seed of the user's key pairs, mode 0600
 *     centers/<centerId>/roots     the center's root records, first to newest
 *     centers/<centerId>/url       where it listens
 *     centers/<centerId>/revocations   newest list seen anywhere
 *     centers/<centerId>/marks     times that have passed, copies given up (marks.ts)
 *     permissions.json             what the person allowed, by center, title and release
 */
import { isAbsolute, join } from 'node:path'
import { equalBytes, hex, utf8, utf8Decode, wipe } from '../formats/bytes.js'
import { CofferError, orNone } from '../formats/errors.js'
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
import { MAX_ANSWER_BYTES, MAX_RECORD_BYTES, MAX_REVOCATIONS_BYTES } from '../formats/limits.js'
import { encode } from '../formats/msgpack.js'
import { sha256 } from '../formats/primitives.js'
import type { Manifest } from '../formats/records/manifest.js'
import { openRevocations, type Revocations } from '../formats/records/revocations.js'
import { MAX_ROOTS, openRoots, rootHash, type Center } from '../formats/records/root.js'
import { bytes, decodeAs, list, map } from '../formats/shape.js'
import { clearLeftovers, inspectFile, listFolder, makeFolder, readFile, within, writeFile } from './files.js'
import { MAX_RETURNED, NO_MARKS, readMarks, writeMarks, type Marks, type MarksPlace } from './marks.js'
import type { Powers } from './powers.js'
import { remembering } from './remember.js'

export interface PinnedCenter extends Center {
  readonly url: string | undefined
}

const rootsShape = map({ roots: list(bytes(1, MAX_RECORD_BYTES), 1, MAX_ROOTS) })

/** Root records as they travel and as they are stored. @throws CofferError COFFER_ENCODING */
export const decodeRoots = (packed: Uint8Array): readonly Uint8Array[] =>
  decodeAs('root records', rootsShape, packed).roots
export const encodeRoots = (roots: readonly Uint8Array[]): Uint8Array => encode({ roots })

/** @throws CofferError COFFER_FILE_MISSING where nothing is given and the system knows no home folder of this person. */
export const homeFolder = (given?: string): string =>
  given ?? (process.env['COFFER_HOME'] || settingsFolder())

/**
 * The platform's folder for settings, which never depends on where the program was started: a relative XDG_CONFIG_HOME is
 * passed over (XDG Base Directory Specification), a relative home folder is none. Not by a package: a cold start waits a
 * millisecond for what only these lines need.
 */
function settingsFolder(): string {
  const { APPDATA, XDG_CONFIG_HOME = '' } = process.env
  switch (process.platform) {
    case 'darwin':
      return join(personFolder(), 'Library', 'Preferences', 'coffer')
    case 'win32':
      return join(APPDATA || join(personFolder(), 'AppData', 'Roaming'), 'coffer', 'Config')
    default:
      return join(isAbsolute(XDG_CONFIG_HOME) ? XDG_CONFIG_HOME : join(personFolder(), '.config'), 'coffer')
  }
}

function personFolder(): string {
  let cause: unknown
  try {
    const folder = process.getBuiltinModule('node:os').homedir()
    if (isAbsolute(folder)) return folder
  } catch (error) {
    cause = error
  }
  throw new CofferError('COFFER_FILE_MISSING', 'There is no folder for your keys and pinned centers.', {
    expected: 'COFFER_HOME, or a home folder',
    found: 'neither',
    hint: 'Set COFFER_HOME to a folder that only you can read.',
    cause
  })
}

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

/** What permissions are given to. Another center may sell another title under the same id. */
export type PermittedTitle = Pick<Manifest, 'centerId' | 'id' | 'release'>

const permissionName = ({ centerId, id, release }: PermittedTitle): string =>
  `${hex(centerId)}/${id}@${release}`

const MAX_OPENED = 64

export class Home {
  readonly folder: string
  readonly #centersFolder: string
  #centers: readonly PinnedCenter[] | undefined
  #userKeys: UserKeys | undefined
  readonly #roots = new Map<string, readonly Uint8Array[]>()
  /** Where marks are, by center: always the same object, by which what was read there is remembered. */
  readonly #places = new Map<string, MarksPlace>()
  /** What folders of centers are called: to write an id in hexadecimal takes longer than to find it. */
  readonly #names: { readonly centerId: Uint8Array; readonly name: string }[] = []

  /** Nothing is read or created until it is needed. */
  constructor(folder?: string) {
    this.folder = homeFolder(folder)
    this.#centersFolder = join(this.folder, 'centers')
  }

  get userKeyFile(): string {
    return join(this.folder, 'user.key')
  }

  /** The user's keys, read once; undefined when there are none yet. */
  userKeys(): UserKeys | undefined {
    if (this.#userKeys === undefined && inspectFile(this.userKeyFile) !== undefined) {
      this.#userKeys = withKeyFile(
        'user',
        this.userKeyFile,
        (keys, seed) => new UserKeys(keys, deriveSaveSecret(seed), deriveMarkSecret(seed))
      )
    }
    return this.#userKeys
  }

  /** @throws CofferError COFFER_USER_KEY_MISSING */
  requireUserKeys(): UserKeys {
    const keys = this.userKeys()
    if (keys !== undefined) return keys
    throw new CofferError('COFFER_USER_KEY_MISSING', 'There is no user key here.', {
      expected: this.userKeyFile,
      found: 'no such file',
      hint: 'Make one with "coffer keygen", or point COFFER_HOME at the folder that has yours.'
    })
  }

  centers(): readonly PinnedCenter[] {
    this.#centers ??= listFolder(this.#centersFolder).flatMap(name => {
      const packed = readFile(this.#centerFile(name, 'roots'), MAX_ANSWER_BYTES)
      if (packed === undefined) return []
      const roots = decodeRoots(packed)
      this.#roots.set(name, roots)
      const center = openRoots(roots)
      if (hex(center.centerId) !== name) throw damagedPin(this.#centerFile(name, 'roots'))
      const url = readFile(this.#centerFile(name, 'url'), 2048)
      return [{ ...center, url: url === undefined ? undefined : utf8Decode(url).trim() }]
    })
    return this.#centers
  }

  center(centerId: Uint8Array): PinnedCenter | undefined {
    return this.centers().find(center => equalBytes(center.centerId, centerId))
  }

  /** @throws CofferError COFFER_CENTER_UNTRUSTED */
  requireCenter(centerId: Uint8Array): PinnedCenter {
    const center = this.center(centerId)
    if (center !== undefined) return center
    throw new CofferError(
      'COFFER_CENTER_UNTRUSTED',
      'This belongs to a license center that is not trusted here.',
      {
        expected: 'a center pinned with "coffer trust"',
        found: `center ${hex(centerId)}`,
        hint: 'If you know the seller, pin the center with "coffer trust <center URL>" and compare the fingerprint.'
      }
    )
  }

  /**
   * Pin a center, or take newer root records of one that is pinned. An older chain never replaces a newer one.
   *
   * @throws CofferError COFFER_CENTER_UNTRUSTED for a chain that does not follow from the pinned one.
   */
  pin(roots: readonly Uint8Array[], url?: string): PinnedCenter {
    const center = this.#newest(roots, url)
    const name = hex(center.centerId)
    makeFolder(within(this.#centersFolder, name), 0o700)
    if (this.roots(center) === roots) writeFile(this.#centerFile(name, 'roots'), encodeRoots(roots), 0o600)
    if (url !== undefined) writeFile(this.#centerFile(name, 'url'), utf8(`${url}\n`), 0o600)
    return center
  }

  /**
   * Take newer root records of a pinned center, from wherever they come. Those of others, and those that do not follow
   * from the pinned ones, are left alone. A home that cannot be written follows until the program ends.
   */
  follow(roots: readonly Uint8Array[]): void {
    if (this.center(rootHash(roots[0]!)) === undefined) return
    orNone(() => this.pin(roots))
  }

  /** Check a chain and make it the one that counts if it is newer than what is known. */
  #newest(roots: readonly Uint8Array[], url: string | undefined): PinnedCenter {
    const offered = openRoots(roots)
    const known = this.center(offered.centerId)
    if (known !== undefined) refuseFork(this.roots(known), roots)
    const isNewer = known === undefined || offered.sequence > known.sequence
    const center = { ...(isNewer ? offered : known), url: url ?? known?.url }
    if (isNewer) this.#roots.set(hex(center.centerId), roots)
    this.#centers = [...this.centers().filter(other => other !== known), center].sort((a, b) =>
      hex(a.centerId) < hex(b.centerId) ? -1 : 1
    )
    return center
  }

  /** The newest revocation list of a center that this person's programs ever saw. */
  revocations(center: Center): { revocations: Revocations; bytes: Uint8Array } | undefined {
    const bytes = readFile(
      this.#centerFile(this.#name(center.centerId), 'revocations'),
      MAX_REVOCATIONS_BYTES
    )
    // A torn file is not believed; the next list that a medium carries takes its place.
    return bytes && orNone(() => openListOnce(bytes, center))
  }

  /** Remember a list if it is newer than the one remembered. A home on a read-only disk still runs titles. */
  rememberRevocations(center: Center, sequence: number, bytes: Uint8Array, knownSequence: number): void {
    if (sequence <= knownSequence) return
    orNone(() => writeFile(this.#centerFile(hex(center.centerId), 'revocations'), bytes, 0o600))
  }

  /** Copies that have ended, as this person's programs last had them from the center (ended.ts). */
  endedPath(centerId: Uint8Array): string {
    return this.#centerFile(hex(centerId), 'ended')
  }

  /** What this person's programs remember of a center's times and of copies that were given up. */
  marks(centerId: Uint8Array): Marks {
    const place = this.#marksPlace(centerId)
    return place === undefined ? NO_MARKS : readMarks(place)
  }

  /** Change them, where there is a user key. A home on a read-only disk still runs titles. */
  remark(centerId: Uint8Array, change: (marks: Marks) => Marks): void {
    const place = this.#marksPlace(centerId)
    if (place !== undefined) orNone(() => writeMarks(place, change(readMarks(place))))
  }

  /** A copy was given up: no matter what a medium says, it does not run any more. */
  rememberReturned(centerId: Uint8Array, grantId: Uint8Array): void {
    this.remark(centerId, marks => ({
      ...marks,
      returned: [...marks.returned, grantId].slice(-MAX_RETURNED)
    }))
  }

  /** The center's list names it now. */
  forgetReturned(centerId: Uint8Array, grantId: Uint8Array): void {
    this.remark(centerId, marks => ({
      ...marks,
      returned: marks.returned.filter(id => !equalBytes(id, grantId))
    }))
  }

  #marksPlace(centerId: Uint8Array): MarksPlace | undefined {
    const user = this.userKeys()
    if (user === undefined) return undefined
    const name = this.#name(centerId)
    const place = this.#places.get(name) ?? {
      path: this.#centerFile(name, 'marks'),
      secret: user.markSecret,
      of: [centerId]
    }
    this.#places.set(name, place)
    return place
  }

  permissions(title: PermittedTitle): readonly string[] {
    const all = this.#readPermissions()
    return all[permissionName(title)] ?? []
  }

  rememberPermissions(title: PermittedTitle, permissions: readonly string[]): void {
    makeFolder(this.folder, 0o700)
    const all = { ...this.#readPermissions(), [permissionName(title)]: [...permissions].sort() }
    writeFile(join(this.folder, 'permissions.json'), utf8(`${JSON.stringify(all, undefined, 2)}\n`), 0o600)
  }

  #readPermissions(): Record<string, string[]> {
    const bytes = readFile(join(this.folder, 'permissions.json'), 1 << 20)
    if (bytes === undefined) return {}
    try {
      const all: unknown = JSON.parse(utf8Decode(bytes))
      return Object.fromEntries(
        Object.entries(all as Record<string, unknown>).filter(
          (entry): entry is [string, string[]] =>
            Array.isArray(entry[1]) && entry[1].every(permission => typeof permission === 'string')
        )
      )
    } catch {
      // What cannot be read allows nothing: the person is asked again.
      return {}
    }
  }

  /** The root records of a pinned center, first to newest. */
  roots(center: Center): readonly Uint8Array[] {
    this.centers() // reads them
    return this.#roots.get(this.#name(center.centerId)) ?? []
  }

  #name(centerId: Uint8Array): string {
    let known = this.#names.find(one => equalBytes(one.centerId, centerId))
    if (known === undefined) this.#names.push((known = { centerId: centerId.slice(), name: hex(centerId) }))
    return known.name
  }

  #centerFile(name: string, file: string): string {
    return within(within(this.#centersFolder, name), file)
  }
}

/** Whoever stole a key can write a chain of his own, as long as he likes: the one that was seen first goes on counting. */
function refuseFork(known: readonly Uint8Array[], offered: readonly Uint8Array[]): void {
  const common = Math.min(known.length, offered.length)
  if (known.slice(0, common).every((record, index) => equalBytes(record, offered[index]!))) return
  throw new CofferError(
    'COFFER_CENTER_UNTRUSTED',
    "These root records do not follow from the center's that are known here.",
    {
      expected: 'the root records that are known, and newer ones after them',
      found: 'others in their place',
      hint: 'One of the keys of this center may be stolen. Ask the seller before you go on.'
    }
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
          ? `Make one with "coffer keygen --publisher ${path}".`
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
  user: 'Titles bought with it',
  publisher: 'Titles pressed with it, and their next releases,'
}

/**
 * Make a key file that only its owner can read.
 *
 * @returns The public half, one word.
 * @throws CofferError COFFER_EXISTS: a key is never overwritten, since what is bound to it would be lost.
 */
export function createKeyFile(owner: KeyOwner, path: string, powers: Powers): string {
  if (inspectFile(path) !== undefined) {
    throw new CofferError('COFFER_EXISTS', `There is a key at ${path} already, and it was left as it is.`, {
      hint: `${KEPT_FOR[owner]} need it. To start anew, move it to a safe place first.`
    })
  }
  // Half of a secret key, or all of it, that nobody would ever look for.
  clearLeftovers(path)
  const seed = powers.random(32)
  const text = utf8(formatSecretKey(owner, seed))
  try {
    writeFile(path, text, 0o600)
    const keys = deriveKeys(owner, seed)
    wipeKeys(keys)
    return formatPublicKeys(owner, keys)
  } finally {
    wipe(seed, text)
  }
}

const openListOnce = remembering((bytes: Uint8Array, center: Center) => {
  const opened = openRevocations(bytes, [center])
  return opened && { revocations: opened.revocations, bytes }
})

const damagedPin = (path: string) =>
  new CofferError('COFFER_RECORD_FORGED', `The pinned center at ${path} is not the one it is filed as.`, {
    hint: 'Remove that folder and pin the center again with "coffer trust".'
  })
