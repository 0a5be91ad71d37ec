/**
 * The person's own side: user key, pinned centers, newest revocation lists seen, permissions given. One folder,
 * `$COFFER_HOME` or the platform's config folder (docs/spec.md §6.3).
 *
 *     user.key                         the seed of the user's key pairs, mode 0600 (key-files.ts)
 *     centers/<centerId>/roots         the center's root records, first to newest
 *     centers/<centerId>/url           where it listens
 *     centers/<centerId>/...           what was seen of it (seen.ts): revocations, ended, marks
 *     permissions.json                 what the person allowed, by center, title and release
 */
import { isAbsolute, join } from 'node:path'
import { equalBytes, hex, utf8, utf8Decode } from '../formats/bytes.js'
import { CofferError, orNone } from '../formats/errors.js'
import { MAX_ANSWER_BYTES } from '../formats/limits.js'
import type { Manifest } from '../formats/records/manifest.js'
import { decodeRoots, encodeRoots, openRoots, rootHash, type Center } from '../formats/records/root.js'
import { inspectFile, listFolder, makeFolder, readFile, within } from './files.js'
import { writeFile } from './pending.js'
import { readUserKeys, type UserKeys } from './key-files.js'
import { Seen } from './seen.js'

export interface PinnedCenter extends Center {
  readonly url: string | undefined
}

/** What permissions are given to. Another center may sell another title under the same id. */
export type PermittedTitle = Pick<Manifest, 'centerId' | 'id' | 'release'>

export class Home {
  readonly folder: string
  readonly #centersFolder: string
  #centers: readonly PinnedCenter[] | undefined
  #userKeys: UserKeys | undefined
  readonly #roots = new Map<string, readonly Uint8Array[]>()
  readonly #seen = new Map<string, Seen>()
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
    return (this.#userKeys ??= readUserKeys(this.userKeyFile))
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

  /** Every pinned center, by its newest root record. @throws CofferError for a pin that is damaged. */
  centers(): readonly PinnedCenter[] {
    this.#centers ??= listFolder(this.#centersFolder).flatMap(name => {
      const packed = readFile(this.#centerFile(name, 'roots'), MAX_ANSWER_BYTES)
      if (packed === undefined) return []
      const roots = decodeRoots(packed)
      this.#roots.set(name, roots)
      const center = openRoots(roots)
      if (hex(center.centerId) !== name) throw damagedPin(this.#centerFile(name, 'roots'))
      const url = readFile(this.#centerFile(name, 'url'), 2048)
      return [{ ...center, url: url && addressIn(url) }]
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
        hint: this.trustHint('; compare the fingerprint.')
      }
    )
  }

  /** What to do about a center that is not trusted. Where nothing is, COFFER_HOME may be a slip. @param end - Of the sentence. */
  trustHint(end: string): string {
    const isEmpty = this.centers().length === 0 && inspectFile(this.userKeyFile) === undefined
    const looked = `There is no key and no trusted center in ${this.folder}: if you have them elsewhere, set COFFER_HOME. `
    return `${isEmpty ? looked : ''}If you know the seller, pin the center with "coffer trust <center URL>"${end}`
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

  /** What this person's programs have seen of a center, as it is now. */
  seen(centerId: Uint8Array): Seen {
    const name = this.#name(centerId)
    let seen = this.#seen.get(name)
    if (seen === undefined) {
      seen = new Seen(within(this.#centersFolder, name), centerId.slice(), () => this.userKeys()?.markSecret)
      this.#seen.set(name, seen)
    }
    return seen.look()
  }

  /** What this person has allowed a title, by the words of its manifest; none where it was never asked. */
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

const permissionName = ({ centerId, id, release }: PermittedTitle): string =>
  `${hex(centerId)}/${id}@${release}`

/** @throws CofferError COFFER_FILE_MISSING where nothing is given and the system knows no home folder of this person. */
const homeFolder = (given?: string): string => given ?? (process.env['COFFER_HOME'] || settingsFolder())

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

/** What cannot be read is no address: titles run without one, and who is to ask the center is asked for it. */
function addressIn(bytes: Uint8Array): string | undefined {
  try {
    return utf8Decode(bytes).trim()
  } catch {
    return undefined
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

const damagedPin = (path: string) =>
  new CofferError('COFFER_RECORD_FORGED', `The pinned center at ${path} is not the one it is filed as.`, {
    hint: 'Remove that folder and pin the center again with "coffer trust".'
  })
