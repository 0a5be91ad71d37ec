/** Move a payload from the master to a new file on the medium, in steps: S7 as it is, or S16 and S17 under another key. */
import { wipe } from '../../formats/bytes.js'
import { payloadHeader, SALT_BYTES } from '../../formats/cobblestone.js'
import { payloadContext } from '../../formats/derive.js'
import { encodeTitleHead } from '../../formats/title.js'
import { checkIndex } from '../decrypt.js'
import type { PendingFile } from '../pending.js'
import { helpersFor } from '../helpers.js'
import { passingPayload, shared, type Progress } from '../pass.js'
import type { Powers } from '../powers.js'
import type { OpenTitle } from '../read.js'
import type { Steps } from '../steps.js'

/** 256 KiB, in WebAssembly's pages of 64 KiB. */
const COPY_BLOCK_PAGES = { initial: 4, maximum: 4 }

/** Embodiment 1, S7: the sealed title as it is. */
export function* transferSealed({ file }: OpenTitle, target: PendingFile, progress: Progress): Steps {
  const block = alignedBlock()
  for (let at = 0; at < file.sizeBytes;) {
    const part = block.subarray(0, Math.min(block.length, file.sizeBytes - at))
    file.readInto(part, at)
    target.write(part)
    at += part.length
    progress(at, file.sizeBytes)
    yield
  }
}

/**
 * A block that begins on a page: the kernel copies into and out of it at full speed, where 16 bytes past a page, as
 * allocators give it, costs most of it. WebAssembly's memory is the one page-aligned buffer that JavaScript has.
 */
const alignedBlock = (): Uint8Array => new Uint8Array(new WebAssembly.Memory(COPY_BLOCK_PAGES).buffer)

/**
 * Embodiment 2, S16 and S17: out of Ka into Ku in one pass, a block at a time, plaintext only in memory. The index of
 * the contents is checked against the manifest before the first byte is written; the contents against the index once, by
 * who reads the whole target back before anything is believed of it.
 *
 * @param masterMediumKey - Ka. The caller's to wipe, as Ku is: steps that are never begun could not.
 * @throws CofferError COFFER_PAYLOAD_FORGED, COFFER_PAYLOAD_TRUNCATED, COFFER_PACKAGE_DAMAGED; the target is unfinished then.
 */
export function* transferConverted(
  title: OpenTitle,
  masterMediumKey: Uint8Array,
  mediumKey: Uint8Array,
  target: PendingFile,
  powers: Powers,
  progress: Progress
): Steps {
  const { manifest } = title
  const context = payloadContext(manifest.id, manifest.release)
  const header = payloadHeader(mediumKey, context, powers.random(SALT_BYTES))
  const key = shared(mediumKey)
  try {
    checkIndex(title, masterMediumKey)
    target.write(encodeTitleHead(manifest.frame.bytes))
    target.write(header)
    yield* passingPayload(title, {
      key: masterMediumKey,
      sealing: { key, context, header },
      take: sealed => target.write(sealed),
      progress,
      helpers: helpersFor(manifest.payloadBytes)
    })
  } finally {
    wipe(key)
  }
}
