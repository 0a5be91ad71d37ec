/**
 * Step 5 of the path: open a payload, in memory only (docs/spec.md §6.6).
 *
 * A title of a usual size starts whole or not at all: one pass opens every chunk and checks every entry before the
 * program runs. Of a large one, index and program are opened, and nothing else is touched. Either way only the program
 * is kept, and an asset is opened from its own chunks, and checked, when the title asks for it.
 */
import { sha256 } from '../formats/primitives.js'
import { equalBytes, wipe } from '../formats/bytes.js'
import { HEADER_BYTES, plaintextSize, PayloadOpener, readRange } from '../formats/cobblestone.js'
import { payloadContext } from '../formats/derive.js'
import { CofferError } from '../formats/errors.js'
import { MAX_IMAGE_BYTES, MAX_PROGRAM_BYTES } from '../formats/limits.js'
import {
  openPackageIndex,
  PackageChecker,
  packageIndexLength,
  type PackageEntry,
  type PackageIndex
} from '../formats/package.js'
import type { AssetRange, AssetSource, Program } from '../sandbox/guest.js'
import { passPayload } from './pass.js'
import type { OpenTitle } from './read.js'
import { giveRoom, takeRoom } from './rooms.js'
import type { PayloadKey } from './unwrap.js'

/** A title's program in the clear, and the way to its assets. Disposing it wipes the program, which is gone then; the assets live on. */
export interface OpenedProgram extends Program, Disposable {
  readonly assets: SealedAssets
}

/**
 * Payloads up to this are checked whole before their program starts, in some 15 ms; larger ones as they are used
 * (docs/decisions/0024-start-before-large-assets.md).
 */
const WHOLE_BYTES = 16 * 1024 * 1024

/** @throws as {@link passPayload}. The title's file stays open for its assets: the caller closes it last. */
export async function openProgram(title: OpenTitle, { key }: PayloadKey): Promise<OpenedProgram> {
  const forms = new Forms()
  try {
    const isWhole = title.manifest.payloadBytes <= WHOLE_BYTES
    const index = isWhole ? await checkWhole(title, key, forms) : readProgram(title, key, forms)
    const assets = new SealedAssets(new SealedPackage(title, key), index)
    return {
      get source() {
        return forms.source
      },
      get image() {
        return forms.image
      },
      assets,
      [Symbol.dispose]: () => forms.wipe()
    }
  } catch (error) {
    forms.wipe()
    throw error
  }
}

/** Hold the index of the contents against the manifest. @throws CofferError COFFER_PAYLOAD_*, COFFER_PACKAGE_DAMAGED. */
export function checkIndex(title: OpenTitle, key: Uint8Array): void {
  using contents = new SealedPackage(title, key)
  contents.readIndex()
}

/** Where the forms of a program go, in the clear: the parts of an image one after the other. */
class Forms {
  source: Uint8Array | undefined
  image: Uint8Array | undefined
  #imageOffset = 0

  /** @see Keep @throws CofferError COFFER_PACKAGE_DAMAGED for more than a program may be. */
  room({ role, name, offset, size }: PackageEntry, { entries }: PackageIndex): Uint8Array | undefined {
    if (role === 'program') {
      refuseLarger(name, size, MAX_PROGRAM_BYTES)
      return (this.source = takeRoom(size))
    }
    if (role !== 'image') return undefined
    if (this.image === undefined) {
      const total = entries.reduce((sum, entry) => sum + (entry.role === 'image' ? entry.size : 0), 0)
      refuseLarger(name, total, MAX_IMAGE_BYTES)
      this.image = takeRoom(total)
      this.#imageOffset = offset
    }
    const start = offset - this.#imageOffset
    return this.image.subarray(start, start + size)
  }

  wipe(): void {
    for (const form of [this.source, this.image]) if (form !== undefined) giveRoom(form)
    this.source = this.image = undefined
  }
}

function refuseLarger(name: string, size: number, max: number): void {
  if (size <= max) return
  throw new CofferError('COFFER_PACKAGE_DAMAGED', `The program "${name}" is larger than a program may be.`, {
    expected: `at most ${max} bytes`,
    found: `${size} bytes`,
    hint: 'Tell the publisher of the title.'
  })
}

/** From here on digests are made on another thread, whose start takes some 1.5 ms once: half as much as they take here. */
const ASIDE_PAYLOAD_BYTES = 3 * 1024 * 1024
const ASIDE_ENTRY_BYTES = 64 * 1024

async function checkWhole(title: OpenTitle, key: Uint8Array, forms: Forms): Promise<PackageIndex> {
  const { indexDigest, payloadBytes } = title.manifest
  const asideBytes = payloadBytes >= ASIDE_PAYLOAD_BYTES ? ASIDE_ENTRY_BYTES : Infinity
  const checker = new PackageChecker(indexDigest, (entry, index) => forms.room(entry, index), asideBytes)
  passPayload(title, { key, take: plaintext => checker.push(plaintext) })
  return checker.endAside()
}

function readProgram(title: OpenTitle, key: Uint8Array, forms: Forms): PackageIndex {
  using contents = new SealedPackage(title, key)
  const index = contents.readIndex()
  for (const entry of index.entries) {
    const room = forms.room(entry, index)
    if (room !== undefined) contents.readEntry(index, entry, room)
  }
  return index
}

/** A payload opened in parts: of each, no chunk is decrypted but its own. */
class SealedPackage implements Disposable {
  readonly #title: OpenTitle
  readonly #opener: PayloadOpener
  readonly #totalBytes: number
  /** What is read lies here until it is opened. */
  #sealed: Uint8Array = new Uint8Array(0)

  /** @param key - Not kept. @throws CofferError COFFER_PAYLOAD_FORGED, COFFER_PAYLOAD_TRUNCATED. */
  constructor(title: OpenTitle, key: Uint8Array) {
    const { file, payloadOffset, manifest } = title
    this.#title = title
    this.#totalBytes = plaintextSize(manifest.payloadBytes)
    this.#opener = new PayloadOpener(
      key,
      payloadContext(manifest.id, manifest.release),
      file.read(payloadOffset, HEADER_BYTES)
    )
  }

  /** @throws CofferError COFFER_PAYLOAD_*, COFFER_PACKAGE_DAMAGED. */
  readIndex(): PackageIndex {
    const { indexDigest } = this.#title.manifest
    if (this.#totalBytes < 4) throw otherContents('its index')
    const length = packageIndexLength(this.#read(0, 4))
    if (4 + length > this.#totalBytes) throw otherContents('its index')
    const index = openPackageIndex(this.#read(4, length), indexDigest)
    if (index.totalBytes !== this.#totalBytes) throw otherContents('their size')
    return index
  }

  /**
   * @param room - Where to. Default: fresh bytes.
   * @returns the entry's bytes, the caller's to wipe.
   * @throws CofferError COFFER_PAYLOAD_*, COFFER_PACKAGE_DAMAGED.
   */
  readEntry(index: PackageIndex, entry: PackageEntry, room?: Uint8Array): Uint8Array {
    const bytes = this.#read(index.entriesOffset + entry.offset, entry.size, room)
    // Every chunk was authentic; the digest says that these bytes are the publisher's, not another licensee's.
    if (equalBytes(sha256(bytes), entry.sha256)) return bytes
    wipe(bytes)
    throw otherContents(`"${entry.name}"`)
  }

  /** A part of an entry: its chunks are authentic, but the digest needs all of it. @throws CofferError COFFER_PAYLOAD_*. */
  readPart(
    index: PackageIndex,
    { offset, size }: PackageEntry,
    { offsetBytes, lengthBytes }: AssetRange
  ): Uint8Array {
    if (offsetBytes < 0 || lengthBytes < 0 || offsetBytes + lengthBytes > size)
      throw new RangeError('internal: a range beyond its entry')
    return this.#read(index.entriesOffset + offset + offsetBytes, lengthBytes)
  }

  #read(offset: number, length: number, room?: Uint8Array): Uint8Array {
    const { file, payloadOffset } = this.#title
    const readSealed = (at: number, bytes: number) => {
      if (this.#sealed.length < bytes) this.#sealed = new Uint8Array(bytes)
      const sealed = this.#sealed.subarray(0, bytes)
      file.readInto(sealed, payloadOffset + at)
      return sealed
    }
    return readRange(this.#opener, this.#totalBytes, offset, length, readSealed, room)
  }

  [Symbol.dispose](): void {
    this.#opener.wipe()
  }
}

const otherContents = (what: string) =>
  new CofferError(
    'COFFER_PACKAGE_DAMAGED',
    `The title's contents are not what its manifest names: ${what} differs.`,
    { hint: 'Copy the title to the medium again.' }
  )

/** A title's assets, opened from their own chunks when they are asked for. Dispose it when the guest has ended. */
export class SealedAssets implements AssetSource, Disposable {
  readonly #contents: SealedPackage
  readonly #index: PackageIndex
  readonly #entries: ReadonlyMap<string, PackageEntry>
  /** Damage that was met so far: how often, and the last of it. */
  #met = 0
  #damage: unknown

  constructor(contents: SealedPackage, index: PackageIndex) {
    this.#contents = contents
    this.#index = index
    this.#entries = new Map(
      index.entries.filter(({ role }) => role === 'asset').map(entry => [entry.name, entry])
    )
  }

  list() {
    return [...this.#entries.values()].map(({ name, size }) => ({ path: name, sizeBytes: size }))
  }

  /**
   * Only the chunks that the range lies in are read and opened.
   *
   * @param range - Within the asset.
   */
  read(path: string, range?: AssetRange): Uint8Array {
    const entry = this.#entries.get(path)
    if (entry === undefined) {
      throw new CofferError('COFFER_FILE_MISSING', 'The title has no such asset.', {
        hint: 'Tell the publisher of the title.'
      })
    }
    try {
      return range === undefined
        ? this.#contents.readEntry(this.#index, entry)
        : this.#contents.readPart(this.#index, entry, range)
    } catch (error) {
      this.#met++
      this.#damage = error
      throw error
    }
  }

  /** The sealed map of the program's places; undefined where the publisher left it out. @throws as `read`. */
  readPlaces(): Uint8Array | undefined {
    const entry = this.#index.entries.find(({ role }) => role === 'source-map')
    return entry && this.#contents.readEntry(this.#index, entry)
  }

  /**
   * A title may catch what reading an asset throws: whoever called it meanwhile is to know all the same.
   *
   * @returns What throws the damage that was met since: CofferError COFFER_PAYLOAD_*, COFFER_PACKAGE_DAMAGED, COFFER_IO.
   */
  watch(): () => void {
    const before = this.#met
    return () => {
      if (this.#met > before) throw this.#damage
    }
  }

  [Symbol.dispose](): void {
    this.#contents[Symbol.dispose]()
  }
}
