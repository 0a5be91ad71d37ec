/**
 * The sealed title, one file (docs/spec.md §5.1).
 *
 *     offset  bytes
 *     0       4     magic 89 43 46 54
 *     4       1     version, 1
 *     5       3     zero
 *     8       4     length of the manifest, u32be
 *     12      n     the manifest, a signed record
 *     12 + n  ...   the payload, Cobblestone-256, `payloadBytes` of the manifest long, to the end of the file
 */
import { concat, equalBytes, hex, readU32be, u32be } from './bytes.js'
import { CofferError } from './errors.js'
import { counted } from './wording.js'
import { MAX_RECORD_BYTES } from './limits.js'
import { parseManifest, type Manifest, type ParsedManifest } from './records/manifest.js'

export const TITLE_HEAD_BYTES = 12
export const MAGIC = new Uint8Array([0x89, 0x43, 0x46, 0x54])
const VERSION = 1

const damaged = (found: string) =>
  new CofferError('COFFER_RECORD_DAMAGED', `Cannot read the sealed title: ${found}.`, {
    expected: 'a sealed title',
    found,
    hint: 'The file is damaged or incomplete; copy the title again.'
  })

/** Name of a sealed title's file. */
export const titleFileName = ({ id, release }: Pick<Manifest, 'id' | 'release'>): string =>
  `${id}-${release}.title`

/** Everything in front of the payload. */
export const encodeTitleHead = (manifest: Uint8Array): Uint8Array =>
  concat(MAGIC, new Uint8Array([VERSION, 0, 0, 0]), u32be(manifest.length), manifest)

/**
 * @param head - The first 12 bytes of the file, or fewer if it is shorter.
 * @returns Length of the manifest that follows, bounded.
 * @throws CofferError COFFER_RECORD_DAMAGED, COFFER_VERSION_UNSUPPORTED.
 */
export function manifestLength(head: Uint8Array): number {
  if (head.length < TITLE_HEAD_BYTES) throw damaged(`it ends after ${counted(head.length, 'byte')}`)
  if (!equalBytes(head.subarray(0, 4), MAGIC))
    throw damaged('it does not begin with the magic bytes of a title')
  if (head[4] !== VERSION || head[5] !== 0 || head[6] !== 0 || head[7] !== 0) {
    throw new CofferError(
      'COFFER_VERSION_UNSUPPORTED',
      `Cannot read the sealed title: it is of a version that this program does not know.`,
      {
        expected: `version ${VERSION}, and three bytes of zero`,
        found: `version ${head[4]}, and ${hex(head.subarray(5, 8))}`,
        hint: 'Install a newer coffer, or copy the title again if its file may be damaged.'
      }
    )
  }
  const length = readU32be(head, 8)
  if (length < 1 || length > MAX_RECORD_BYTES) throw damaged(`its manifest claims ${length} bytes`)
  return length
}

/** Where the payload of a title lies, and what the title says of itself. */
export interface ParsedTitle {
  readonly manifest: ParsedManifest
  readonly payloadOffset: number
}

/**
 * @param manifestBytes - As many as {@link manifestLength} said.
 * @param fileBytes - Size of the whole file.
 * @throws CofferError COFFER_RECORD_*, COFFER_ENCODING, COFFER_PAYLOAD_TRUNCATED.
 */
export function parseTitle(manifestBytes: Uint8Array, fileBytes: number): ParsedTitle {
  const manifest = parseManifest(manifestBytes)
  const payloadOffset = TITLE_HEAD_BYTES + manifestBytes.length
  const expected = payloadOffset + manifest.payloadBytes
  if (fileBytes !== expected) {
    throw new CofferError(
      'COFFER_PAYLOAD_TRUNCATED',
      `The sealed title "${manifest.id}" has ${fileBytes} bytes where its manifest says ${expected}.`,
      {
        expected: `${expected} bytes`,
        found: `${fileBytes} bytes`,
        hint: 'The file is incomplete; copy the title again.'
      }
    )
  }
  return { manifest, payloadOffset }
}
