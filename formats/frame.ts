/**
 * The signed frame around every record (docs/spec.md §2.3).
 *
 *     offset  bytes
 *     0       4      magic 89 43 46 52
 *     4       1      version, 1
 *     5       1      record type
 *     6       2      suite, u16be, 1
 *     8       4      length of the body, u32be
 *     12      4      length of the attachments, u32be
 *     16      4      number of signatures, u32be, 1 to 4
 *     20      ...    body, attachments: strict MessagePack maps
 *             96 n   per signature: Ed25519 public key (32), signature (64)
 *
 * A signature covers ENC("signed/<type>", everything before the first signature), the bytes as received. What a
 * signature cannot cover because it is derived from the body, such as the certificate over its hash, is an
 * attachment.
 */
import { equalBytes, hex, readU32be, u32be } from './bytes.js'
import { enc } from './encode.js'
import { CofferError } from './errors.js'
import { counted } from './wording.js'
import type { Label } from './labels.js'
import { MAX_SIGNATURES } from './limits.js'
import { CURVE_KEY_BYTES, Ed25519Signer, ed25519Verify, ed25519VerifyAside, sha256 } from './primitives.js'

export const RECORD_TYPES = {
  root: 1,
  publisher: 2,
  manifest: 3,
  identity: 4,
  request: 5,
  grant: 6,
  answer: 7,
  revocations: 8,
  registration: 9,
  release: 10,
  return: 11,
  checkpoint: 12,
  ended: 13,
  quote: 14
} as const

export type RecordType = keyof typeof RECORD_TYPES

const SUITE = 1
const MAGIC = new Uint8Array([0x89, 0x43, 0x46, 0x52])
const VERSION = 1
export const FRAME_HEADER_BYTES = 20
/** A public key, and what it signed. */
const SIGNATURE_BYTES = 32 + 64

/** An empty MessagePack map: the attachments of a record that has none. */
export const NO_ATTACHMENTS = new Uint8Array([0x80])
const WITH_ATTACHMENTS: ReadonlySet<RecordType> = new Set(['manifest', 'grant', 'answer', 'release'])

export interface Signature {
  readonly publicKey: Uint8Array
  readonly signature: Uint8Array
}

/** A frame whose lengths add up; nothing in it is believed yet. All fields are views of the bytes as received. */
export interface ParsedFrame {
  readonly type: RecordType
  readonly bytes: Uint8Array
  readonly body: Uint8Array
  readonly attachments: Uint8Array
  readonly signatures: readonly Signature[]
}

declare const verified: unique symbol
/** A frame one of whose signatures was made by a key that the caller named. Only {@link verifyFrame} makes one. */
export interface VerifiedFrame extends ParsedFrame {
  readonly [verified]: true
  /** The public key, 32 bytes, that was asked for and fits. */
  readonly signer: Uint8Array
}

const names: Readonly<Record<number, RecordType | undefined>> = Object.fromEntries(
  Object.entries(RECORD_TYPES).map(([name, type]) => [type, name as RecordType])
)

/** Whether these bytes begin as a record does. */
export const isRecord = (bytes: Uint8Array): boolean => equalBytes(bytes.subarray(0, 4), MAGIC)

/** What type these bytes say that they are of, before anything of them is believed; undefined: none that is known, or no record. */
export const recordTypeOf = (bytes: Uint8Array): RecordType | undefined =>
  isRecord(bytes) ? names[bytes[5]!] : undefined

const damaged = (
  type: RecordType,
  found: string,
  hint = 'The file is damaged or incomplete; get it again from where it came from.'
) =>
  new CofferError('COFFER_RECORD_DAMAGED', `Cannot read the ${type} record: ${found}.`, {
    expected: `a complete ${type} record`,
    found,
    hint
  })

const ANOTHER_FILE = 'Check that this is the file you meant; if it is, get it again from where it came from.'

function anotherType(type: RecordType, found: RecordType | 'unknown' = 'unknown'): CofferError {
  const article = /^[aeiou]/.test(found) ? 'an' : 'a'
  return damaged(type, `it is ${article} ${found} record`, ANOTHER_FILE)
}

/** How long a frame says that it is, by its first 20 bytes. */
export const frameLength = (header: Uint8Array): number =>
  FRAME_HEADER_BYTES + readU32be(header, 8) + readU32be(header, 12) + SIGNATURE_BYTES * readU32be(header, 16)

/**
 * Take a frame apart without believing it.
 *
 * @param bytes - The whole record: not a byte more.
 * @throws CofferError COFFER_RECORD_DAMAGED, COFFER_VERSION_UNSUPPORTED.
 */
export function parseFrame(type: RecordType, bytes: Uint8Array, maxBytes: number): ParsedFrame {
  // Of a Buffer, slice() copies nothing: whoever changes what he took for a copy would change the caller's record.
  if (bytes.constructor !== Uint8Array) bytes = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length)
  if (bytes.length > maxBytes) throw damaged(type, `${bytes.length} bytes, more than the ${maxBytes} allowed`)
  if (bytes.length < FRAME_HEADER_BYTES) throw damaged(type, `it ends after ${counted(bytes.length, 'byte')}`)
  if (!isRecord(bytes))
    throw damaged(type, 'it does not begin with the magic bytes of a record', ANOTHER_FILE)
  const suite = (bytes[6]! << 8) | bytes[7]!
  if (bytes[4] !== VERSION || suite !== SUITE) {
    throw new CofferError(
      'COFFER_VERSION_UNSUPPORTED',
      `Cannot read the ${type} record: it has version ${bytes[4]} and suite ${suite}.`,
      {
        expected: `version ${VERSION}, suite ${SUITE}`,
        found: `version ${bytes[4]}, suite ${suite}`,
        hint: 'Install a newer coffer, or get the file again if it may be damaged.'
      }
    )
  }
  if (bytes[5] !== RECORD_TYPES[type]) throw anotherType(type, names[bytes[5]!])

  const bodyLength = readU32be(bytes, 8)
  const attachmentsLength = readU32be(bytes, 12)
  const count = readU32be(bytes, 16)
  if (count < 1 || count > MAX_SIGNATURES) throw damaged(type, `it claims ${count} signatures`)
  const signedLength = FRAME_HEADER_BYTES + bodyLength + attachmentsLength
  const expected = frameLength(bytes)
  if (bytes.length !== expected)
    throw damaged(type, `it has ${counted(bytes.length, 'byte')} where its header says ${expected}`)

  const attachments = bytes.subarray(FRAME_HEADER_BYTES + bodyLength, signedLength)
  // Nobody reads the others': what stood there would be a second way to write the same record.
  if (!WITH_ATTACHMENTS.has(type) && !equalBytes(attachments, NO_ATTACHMENTS))
    throw damaged(type, 'it has attachments where none belong')

  const signatures: Signature[] = []
  for (let at = signedLength; at < bytes.length; at += SIGNATURE_BYTES) {
    signatures.push({ publicKey: bytes.subarray(at, at + 32), signature: bytes.subarray(at + 32, at + 96) })
  }
  return {
    type,
    bytes,
    body: bytes.subarray(FRAME_HEADER_BYTES, FRAME_HEADER_BYTES + bodyLength),
    attachments,
    signatures
  }
}

const signedPart = (type: RecordType, bytes: Uint8Array, signatureCount: number): Uint8Array =>
  enc(`signed/${type}` as Label, bytes.subarray(0, bytes.length - signatureCount * SIGNATURE_BYTES))

/**
 * Check that a frame bears a good signature by one of the trusted keys.
 *
 * @returns undefined when no signature claims to be by one of them: who that is a matter of is for the caller to say.
 * @throws CofferError COFFER_RECORD_FORGED when one does and does not fit.
 */
export function verifyFrame(
  frame: ParsedFrame,
  isTrusted: (publicKey: Uint8Array) => boolean
): VerifiedFrame | undefined {
  const by = frame.signatures.find(({ publicKey }) => isTrusted(publicKey))
  if (by === undefined) return undefined
  if (!fits(by, signedPart(frame.type, frame.bytes, frame.signatures.length))) throw forged(frame.type)
  return { ...frame, signer: by.publicKey } as VerifiedFrame
}

const forged = (type: RecordType) =>
  new CofferError('COFFER_RECORD_FORGED', `The signature of the ${type} record does not fit its bytes.`, {
    expected: 'a record as it was signed',
    found: 'a record changed after it was signed',
    hint: 'The file is damaged or was altered; get it again from where it came from.'
  })

/** Signatures that were found to fit, by hash of key, signature and message; the oldest make way. */
const known = new Set<string>()
const MAX_KNOWN = 256

/** A signature that fitted once fits again: a license is rechecked often, its bytes seldom change. */
function fits({ publicKey, signature }: Signature, message: Uint8Array): boolean {
  const name = hex(sha256(publicKey, signature, message))
  if (known.has(name)) return true
  if (!ed25519Verify(publicKey, message, signature)) return false
  if (known.size >= MAX_KNOWN) known.delete(known.values().next().value!)
  known.add(name)
  return true
}

/** Verify with the key that the frame itself names: proves that its bytes are whole, not who made them. */
export const verifySelfSigned = (frame: ParsedFrame): VerifiedFrame => verifyFrame(frame, () => true)!

/** {@link verifySelfSigned} on another thread, for a server. */
export async function verifySelfSignedAside(frame: ParsedFrame): Promise<VerifiedFrame> {
  const [{ publicKey, signature }] = frame.signatures as [Signature]
  const message = signedPart(frame.type, frame.bytes, frame.signatures.length)
  if (!(await ed25519VerifyAside(publicKey, message, signature))) throw forged(frame.type)
  return { ...frame, signer: publicKey } as VerifiedFrame
}

/** Whoever signs with Ed25519: a key in memory, or one in a device that never gives it out. */
export interface Signer {
  /** 32 bytes. */
  readonly publicKey: Uint8Array
  /** @returns 64 bytes. */
  sign(message: Uint8Array): Uint8Array
}
export type SigningKey = Signer | Uint8Array

/**
 * Build and sign a frame.
 *
 * @param keys - One signature each, in this order: signers, or 32-byte Ed25519 seeds, which are read for this call.
 * @returns Fresh bytes.
 */
export function signFrame(
  type: RecordType,
  body: Uint8Array,
  attachments: Uint8Array,
  ...keys: readonly SigningKey[]
): Uint8Array {
  const signedLength = FRAME_HEADER_BYTES + body.length + attachments.length
  const frame = new Uint8Array(signedLength + keys.length * SIGNATURE_BYTES)
  frame.set(MAGIC)
  frame.set([VERSION, RECORD_TYPES[type], SUITE >> 8, SUITE & 0xff], 4)
  frame.set(u32be(body.length), 8)
  frame.set(u32be(attachments.length), 12)
  frame.set(u32be(keys.length), 16)
  frame.set(body, FRAME_HEADER_BYTES)
  frame.set(attachments, FRAME_HEADER_BYTES + body.length)
  const message = enc(`signed/${type}` as Label, frame.subarray(0, signedLength))
  for (const [n, key] of keys.entries()) {
    const signer = key instanceof Uint8Array ? new Ed25519Signer(key) : key
    const at = signedLength + n * SIGNATURE_BYTES
    frame.set(signer.publicKey, at)
    frame.set(signer.sign(message), at + CURVE_KEY_BYTES)
  }
  return frame
}
