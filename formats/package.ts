/**
 * The package: what a payload holds once decrypted (docs/spec.md §5.2).
 *
 *     offset  bytes
 *     0       4     length of the index, u32be
 *     4       n     index: a strict MessagePack map, its SHA-256 in the manifest
 *     4 + n   ...   the entries, one after the other, in the order of the index, with nothing between or after
 */
import { concat, equalBytes, readU32be, u32be } from './bytes.js'
import { CofferError } from './errors.js'
import {
  MAX_ENTRY_NAME_CHARS,
  MAX_PACKAGE_ENTRIES,
  MAX_PACKAGE_INDEX_BYTES,
  MAX_PAYLOAD_BYTES
} from './limits.js'
import { Sha256, sha256, sha256Aside } from './primitives.js'
import { decodeAs, encodeAs, integer, list, map, oneOf, text, type Infer } from './shape.js'
import { hash } from './records/fields.js'

/** Groups joined by '/', none of them '.' or '..': a name, never a way out of a folder. */
const ENTRY_NAME =
  /^(?!\.{1,2}(?:\/|$))[^/\\\0-\x1f\x7f-\x9f]+(?:\/(?!\.{1,2}(?:\/|$))[^/\\\0-\x1f\x7f-\x9f]+)*$/

export const isEntryName = (name: string): boolean =>
  name.length <= MAX_ENTRY_NAME_CHARS && ENTRY_NAME.test(name)

const entryShape = map({
  name: text(MAX_ENTRY_NAME_CHARS, ENTRY_NAME),
  /** From the first byte after the index. */
  offset: integer(0, MAX_PAYLOAD_BYTES),
  role: oneOf('program', 'image', 'asset', 'source-map'),
  sha256: hash,
  size: integer(0, MAX_PAYLOAD_BYTES)
})

const indexShape = map({ entries: list(entryShape, 1, MAX_PACKAGE_ENTRIES) })

export type PackageEntry = Infer<typeof entryShape>

export interface PackageIndex {
  readonly entries: readonly PackageEntry[]
  /** Where the entries begin, in the package. */
  readonly entriesOffset: number
  /** Size of the whole package. */
  readonly totalBytes: number
}

const damaged = (what: string) =>
  new CofferError(
    'COFFER_PACKAGE_DAMAGED',
    `The title's contents are not what its manifest names: ${what}.`,
    {
      hint: 'Copy the title to the medium again; if that does not help, tell its publisher.'
    }
  )

/** What goes in front of the entries. @returns The head (length and index) and the digest for the manifest. */
export function encodePackageHead(
  contents: readonly { name: string; role: PackageEntry['role']; bytes: Uint8Array }[]
): { head: Uint8Array; indexDigest: Uint8Array } {
  let offset = 0
  const entries = contents.map(({ name, role, bytes }) => {
    const entry = { name, offset, role, sha256: sha256(bytes), size: bytes.length }
    offset += bytes.length
    return entry
  })
  const index = encodeAs('package index', indexShape, { entries })
  return { head: concat(u32be(index.length), index), indexDigest: sha256(index) }
}

/** @throws CofferError COFFER_PACKAGE_DAMAGED */
export function packageIndexLength(firstFour: Uint8Array): number {
  const length = readU32be(firstFour, 0)
  if (length < 1 || length > MAX_PACKAGE_INDEX_BYTES) throw damaged(`its index claims ${length} bytes`)
  return length
}

/**
 * @param index - The index's bytes, without the length in front.
 * @param indexDigest - From a manifest that was checked.
 * @throws CofferError COFFER_PACKAGE_DAMAGED, COFFER_ENCODING.
 */
export function openPackageIndex(index: Uint8Array, indexDigest: Uint8Array): PackageIndex {
  if (!equalBytes(sha256(index), indexDigest)) throw damaged('its index has another digest')
  const { entries } = decodeAs('package index', indexShape, index)
  let offset = 0
  const seen = new Set<string>()
  for (const entry of entries) {
    if (entry.offset !== offset) throw damaged(`entry "${entry.name}" does not follow the one before it`)
    if (seen.has(entry.name)) throw damaged(`two entries are named "${entry.name}"`)
    seen.add(entry.name)
    offset += entry.size
  }
  const count = (role: PackageEntry['role']) => entries.filter(entry => entry.role === role).length
  if (count('program') > 1) throw damaged('it has more than one program')
  const image = entries.findIndex(({ role }) => role === 'image')
  if (entries.slice(image, image + count('image')).some(({ role }) => role !== 'image'))
    throw damaged('the parts of its image are apart')
  if (count('source-map') > 1) throw damaged('it has more than one source map')
  if (count('program') + count('image') === 0) throw damaged('it has no program')
  const entriesOffset = 4 + index.length
  return { entries, entriesOffset, totalBytes: entriesOffset + offset }
}

/** @returns memory of an entry's size for its bytes, filled once the check has ended; undefined for what is not kept. */
export type Keep = (entry: PackageEntry, index: PackageIndex) => Uint8Array | undefined

const otherDigest = ({ name }: PackageEntry) => damaged(`entry "${name}" has another digest`)

/**
 * Check a package as it passes by, in pieces of any size: index against the manifest's digest, each entry against
 * the index's, nothing missing, nothing more.
 *
 * With `keep`, the bytes of chosen entries are collected on the way: how a program reaches memory. Digests of large ones among
 * them may be made aside, while what follows arrives.
 */
export class PackageChecker {
  readonly #indexDigest: Uint8Array
  readonly #keep: Keep
  readonly #asideBytes: number
  readonly #kept = new Map<string, Uint8Array>()
  readonly #aside: { readonly entry: PackageEntry; readonly digest: Promise<Uint8Array> }[] = []
  #index: PackageIndex | undefined
  #head = new Uint8Array(4)
  #headFilled = 0
  #entry = 0
  #entryFilled = 0
  /** Of an entry that arrives in more than one piece. */
  #hash: Sha256 | undefined

  /**
   * @param indexDigest - From a manifest that was checked.
   * @param keep - What to collect, and where.
   * @param asideBytes - From which size on digests of what is kept are made aside. Whoever gives it ends by {@link endAside}.
   */
  constructor(indexDigest: Uint8Array, keep: Keep = () => undefined, asideBytes = Infinity) {
    this.#indexDigest = indexDigest
    this.#keep = keep
    this.#asideBytes = asideBytes
  }

  get index(): PackageIndex | undefined {
    return this.#index
  }

  /** @param bytes - Read during the call only. @throws CofferError COFFER_PACKAGE_DAMAGED, COFFER_ENCODING. */
  push(bytes: Uint8Array): void {
    let at = 0
    while (this.#index === undefined) {
      if (at === bytes.length) return
      at += this.#takeHead(bytes.subarray(at))
    }
    while (at < bytes.length) at += this.#takeEntry(this.#index, bytes.subarray(at))
  }

  /** @throws CofferError COFFER_PACKAGE_DAMAGED when something is missing. */
  end(): PackageIndex {
    if (this.#aside.length > 0) throw new Error('internal: digests that are made aside were not waited for')
    return this.#end()
  }

  /** The same, once all digests are there. @throws CofferError COFFER_PACKAGE_DAMAGED for one that does not fit, too. */
  async endAside(): Promise<PackageIndex> {
    const index = this.#end()
    for (const { entry, digest } of this.#aside)
      if (!equalBytes(await digest, entry.sha256)) throw otherDigest(entry)
    return index
  }

  #end(): PackageIndex {
    if (this.#index === undefined) throw damaged('it ends within its index')
    this.#finishEmptyEntries(this.#index)
    if (this.#entry !== this.#index.entries.length) {
      throw damaged(`it ends within entry "${this.#index.entries[this.#entry]!.name}"`)
    }
    return this.#index
  }

  #takeHead(bytes: Uint8Array): number {
    const taken = bytes.subarray(0, this.#head.length - this.#headFilled)
    this.#head.set(taken, this.#headFilled)
    this.#headFilled += taken.length
    if (this.#headFilled < this.#head.length) return taken.length
    if (this.#head.length === 4) {
      const whole = new Uint8Array(4 + packageIndexLength(this.#head))
      whole.set(this.#head)
      this.#head = whole
    } else {
      this.#index = openPackageIndex(this.#head.subarray(4), this.#indexDigest)
      this.#begin(this.#index)
    }
    return taken.length
  }

  #takeEntry(index: PackageIndex, bytes: Uint8Array): number {
    this.#finishEmptyEntries(index)
    const entry = index.entries[this.#entry]
    if (entry === undefined) throw damaged('it goes on after its last entry')
    const taken = bytes.subarray(0, entry.size - this.#entryFilled)
    const isWhole = taken.length === entry.size
    const kept = this.#kept.get(entry.name)
    const isAside = kept !== undefined && entry.size >= this.#asideBytes
    if (!isWhole && !isAside) (this.#hash ??= new Sha256()).update(taken)
    kept?.set(taken, this.#entryFilled)
    this.#entryFilled += taken.length
    if (this.#entryFilled < entry.size) return taken.length
    if (isAside) {
      const digest = sha256Aside(kept)
      digest.catch(() => {}) // it is waited for at the end, if that is reached
      this.#aside.push({ entry, digest })
      this.#next(index)
    } else this.#finish(index, entry, isWhole ? sha256(taken) : this.#hash!.digest())
    return taken.length
  }

  #finishEmptyEntries(index: PackageIndex): void {
    for (;;) {
      const entry = index.entries[this.#entry]
      if (entry === undefined || entry.size > 0) return
      this.#finish(index, entry, sha256())
    }
  }

  #finish(index: PackageIndex, entry: PackageEntry, digest: Uint8Array): void {
    if (!equalBytes(digest, entry.sha256)) throw otherDigest(entry)
    this.#next(index)
  }

  #next(index: PackageIndex): void {
    this.#entry++
    this.#begin(index)
  }

  #begin(index: PackageIndex): void {
    this.#entryFilled = 0
    this.#hash = undefined
    const entry = index.entries[this.#entry]
    const room = entry && this.#keep(entry, index)
    if (room !== undefined) this.#kept.set(entry!.name, room)
  }
}
