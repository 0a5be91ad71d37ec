/**
 * Step 5 of the path: open a payload, in memory only (docs/spec.md §6.6).
 *
 * A title starts whole or not at all: one pass opens every chunk and checks every entry before the program runs. Only
 * the program is kept; assets are opened again from their own chunks when the title asks for them.
 */
import { Sha256 } from '../formats/primitives.js'
import { equalBytes, wipe } from '../formats/bytes.js'
import {
  HEADER_BYTES,
  plaintextSize,
  PayloadOpener,
  readRange,
  SEALED_CHUNK_BYTES,
  StreamOpener
} from '../formats/cobblestone.js'
import { payloadContext } from '../formats/derive.js'
import { CofferError } from '../formats/errors.js'
import { MAX_IMAGE_BYTES, MAX_PROGRAM_BYTES } from '../formats/limits.js'
import { PackageChecker, type PackageEntry, type PackageIndex } from '../formats/package.js'
import type { AssetSource, Program } from '../sandbox/guest.js'
import type { OpenTitle } from './read.js'
import type { PayloadKey } from './unwrap.js'

/** Sixteen sealed chunks at a time: about where reading reaches the speed of the disk (262 400 bytes). */
export const BLOCK_BYTES = 16 * SEALED_CHUNK_BYTES

export type Progress = (doneBytes: number, totalBytes: number) => void

/** A title's program in the clear, and the way to its assets. Disposing it wipes the program; the assets live on. */
export interface OpenedProgram extends Program, Disposable {
  readonly assets: SealedAssets
}

/**
 * Pass every byte of a payload through `checker`, decrypted, in constant memory.
 *
 * @throws CofferError COFFER_PAYLOAD_FORGED, COFFER_PAYLOAD_TRUNCATED, COFFER_PACKAGE_DAMAGED, COFFER_IO.
 */
export function passPayload(
  { file, payloadOffset, manifest }: OpenTitle,
  key: Uint8Array,
  take: (plaintext: Uint8Array) => void,
  progress: Progress = () => {}
): void {
  plaintextSize(manifest.payloadBytes)
  const header = file.read(payloadOffset, HEADER_BYTES)
  const opener = new StreamOpener(key, payloadContext(manifest.id, manifest.release), header)
  const block = new Uint8Array(Math.min(BLOCK_BYTES, manifest.payloadBytes))
  try {
    for (let at = HEADER_BYTES; at < manifest.payloadBytes;) {
      const part = block.subarray(0, Math.min(block.length, manifest.payloadBytes - at))
      file.readInto(part, payloadOffset + at)
      take(opener.push(part))
      at += part.length
      progress(at, manifest.payloadBytes)
    }
    take(opener.end())
  } finally {
    opener.wipe()
  }
}

/** Open and check a whole payload, keeping nothing. @throws as {@link passPayload}. */
export function verifyPayload(title: OpenTitle, key: Uint8Array, progress?: Progress): PackageIndex {
  const checker = new PackageChecker(title.manifest.indexDigest)
  passPayload(title, key, plaintext => checker.push(plaintext), progress)
  return checker.end()
}

/** @throws as {@link passPayload}. The title's file stays open for its assets: the caller closes it last. */
export function openProgram(title: OpenTitle, { key }: PayloadKey): OpenedProgram {
  const checker = new PackageChecker(title.manifest.indexDigest, isProgram)
  try {
    passPayload(title, key, plaintext => checker.push(plaintext))
    const index = checker.end()
    const assets = new SealedAssets(title, index, key)
    const bytesOf = (role: PackageEntry['role']) =>
      checker.kept.get(index.entries.find(entry => entry.role === role)?.name ?? '')
    return {
      source: bytesOf('program'),
      image: bytesOf('image'),
      assets,
      [Symbol.dispose]: () => wipe(...checker.kept.values())
    }
  } catch (error) {
    wipe(...checker.kept.values())
    throw error
  }
}

function isProgram({ role, size, name }: PackageEntry): boolean {
  if (role !== 'program' && role !== 'image') return false
  const max = role === 'program' ? MAX_PROGRAM_BYTES : MAX_IMAGE_BYTES
  if (size > max) {
    throw new CofferError(
      'COFFER_PACKAGE_DAMAGED',
      `The program "${name}" is larger than a program may be.`,
      {
        expected: `at most ${max} bytes`,
        found: `${size} bytes`,
        hint: 'Tell the publisher of the title.'
      }
    )
  }
  return true
}

/** A title's assets, opened from their own chunks when they are asked for. Dispose it when the guest has ended. */
export class SealedAssets implements AssetSource, Disposable {
  readonly #title: OpenTitle
  readonly #index: PackageIndex
  readonly #opener: PayloadOpener
  readonly #entries: ReadonlyMap<string, PackageEntry>

  constructor(title: OpenTitle, index: PackageIndex, key: Uint8Array) {
    const { file, payloadOffset, manifest } = title
    this.#title = title
    this.#index = index
    this.#opener = new PayloadOpener(
      key,
      payloadContext(manifest.id, manifest.release),
      file.read(payloadOffset, HEADER_BYTES)
    )
    this.#entries = new Map(
      index.entries.filter(({ role }) => role === 'asset').map(entry => [entry.name, entry])
    )
  }

  list() {
    return [...this.#entries.values()].map(({ name, size }) => ({ path: name, sizeBytes: size }))
  }

  read(path: string): Uint8Array {
    const entry = this.#entries.get(path)
    if (entry === undefined) {
      throw new CofferError('COFFER_FILE_MISSING', 'The title has no such asset.', {
        hint: 'Tell the publisher of the title.'
      })
    }
    const { file, payloadOffset } = this.#title
    const offset = this.#index.entriesOffset + entry.offset
    const bytes = readRange(this.#opener, this.#index.totalBytes, offset, entry.size, (at, length) =>
      file.read(payloadOffset + at, length)
    )
    // Every chunk was authentic; the digest says that these bytes are the publisher's, not another licensee's.
    if (equalBytes(new Sha256().update(bytes).digest(), entry.sha256)) return bytes
    wipe(bytes)
    throw new CofferError(
      'COFFER_PACKAGE_DAMAGED',
      `The asset "${entry.name}" is not what the manifest names.`,
      {
        hint: 'Copy the title to the medium again.'
      }
    )
  }

  [Symbol.dispose](): void {
    this.#opener.wipe()
  }
}
