/**
 * The root record: who a center is. The hash of the first one is the `centerId`, the anchor that buyers pin; later
 * ones, each signed by a key of the one before it, change keys without changing the anchor (docs/spec.md §3.1).
 */
import { equalBytes } from '../bytes.js'
import { enc } from '../encode.js'
import { CofferError } from '../errors.js'
import { NO_ATTACHMENTS, parseFrame, signFrame, type SigningKey, verifyFrame } from '../frame.js'
import { MAX_RECORD_BYTES } from '../limits.js'
import { sha256 } from '../primitives.js'
import { bytes, decodeAs, encodeAs, list, map, optional, seconds, u32, type Infer } from '../shape.js'
import { displayName, hash, publicKey } from './fields.js'

export const MAX_KEYS = 16
/** Of one center, from the first on. */
export const MAX_ROOTS = 64

const shape = map({
  created: seconds,
  /** Epoch of the certification and master keys in use. */
  epoch: u32,
  /** Ed25519 keys whose signatures count, the one in use first. One that is named no more is revoked. */
  keys: list(publicKey, 1, MAX_KEYS),
  name: displayName,
  /** Hash of the root record before this one; absent in the first. */
  previous: optional(hash),
  /** 0 for the first. */
  sequence: u32
})

export type Root = Infer<typeof shape>

/** What a reader knows of a center once its root records check out. */
export interface Center {
  readonly centerId: Uint8Array
  readonly name: string
  readonly epoch: number
  readonly sequence: number
  /** Every key whose signatures count, the one in use first. */
  readonly keys: readonly Uint8Array[]
  /** Keys that earlier records named and the newest does not: what they signed counts no more. */
  readonly former: readonly Uint8Array[]
}

export const rootHash = (bytes: Uint8Array): Uint8Array => sha256(enc('center-id', bytes))

/** @param keys - That of `root.keys[0]` first, then, after a rotation, one of the previous root. */
export const encodeRoot = (root: Root, ...keys: readonly SigningKey[]): Uint8Array =>
  signFrame('root', encodeAs('root record', shape, root), NO_ATTACHMENTS, ...keys)

/**
 * Follow a chain of root records from the first to the newest.
 *
 * @param records - The records as received, in order.
 * @throws CofferError COFFER_RECORD_DAMAGED, COFFER_RECORD_FORGED, COFFER_ENCODING, COFFER_CENTER_UNTRUSTED.
 */
export function openRoots(records: readonly Uint8Array[]): Center {
  const [first] = records
  if (first === undefined) throw new RangeError('no root record')
  let center: Center | undefined
  let previousBytes: Uint8Array | undefined
  for (const bytes of records) {
    const frame = parseFrame('root', bytes, MAX_RECORD_BYTES)
    // The first record speaks for itself (its hash is what a person compares); each later one needs a key that the
    // record before it named.
    const signers = center?.keys
    const verified = verifyFrame(
      frame,
      key => signers === undefined || signers.some(known => equalBytes(known, key))
    )
    if (verified === undefined) throw brokenChain()
    const root = decodeAs('root record', shape, verified.body)
    const ownSigned = verifyFrame(frame, key => equalBytes(key, root.keys[0]!))
    if (ownSigned === undefined) throw brokenChain()
    const expectedPrevious = previousBytes === undefined ? undefined : rootHash(previousBytes)
    const linked =
      expectedPrevious === undefined
        ? root.previous === undefined && root.sequence === 0
        : root.previous !== undefined &&
          equalBytes(root.previous, expectedPrevious) &&
          root.sequence === center!.sequence + 1
    if (!linked) throw brokenChain()
    center = {
      centerId: center?.centerId ?? rootHash(first),
      name: root.name,
      epoch: root.epoch,
      sequence: root.sequence,
      keys: root.keys,
      former: formerKeys(center, root.keys)
    }
    previousBytes = bytes
  }
  return center!
}

const rootsShape = map({ roots: list(bytes(1, MAX_RECORD_BYTES), 1, MAX_ROOTS) })

/** Root records as they travel and as they are stored, first to newest. */
export const encodeRoots = (roots: readonly Uint8Array[]): Uint8Array =>
  encodeAs('root records', rootsShape, { roots })

/** The inverse of {@link encodeRoots}; nothing of them is believed yet. @throws CofferError COFFER_ENCODING. */
export const decodeRoots = (packed: Uint8Array): readonly Uint8Array[] =>
  decodeAs('root records', rootsShape, packed).roots

function formerKeys(before: Center | undefined, keys: readonly Uint8Array[]): Uint8Array[] {
  const isNamed = (key: Uint8Array) => keys.some(known => equalBytes(known, key))
  return before === undefined ? [] : [...before.former, ...before.keys].filter(key => !isNamed(key))
}

const brokenChain = () =>
  new CofferError('COFFER_CENTER_UNTRUSTED', "The center's root records do not follow from one another.", {
    expected: 'each root record signed by a key of the one before it',
    found: 'one that is not',
    hint: 'Pin the center again with "coffer trust" and compare its fingerprint with the seller.'
  })
