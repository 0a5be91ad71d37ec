/**
 * Signed HTTP requests: RFC 9421 (HTTP Message Signatures) with Ed25519, over the method, the path, the type and the
 * digest of the body (Content-Digest, RFC 9530), and the center that it is meant for; with the time it was made and a
 * nonce. docs/spec.md §8.9 says what must be covered.
 *
 * The address of the server is not covered: a proxy in front may give it another. The center's id stands in its place,
 * so that what was signed for one center is of no use at another.
 */
import {
  parseDictionary,
  serializeDictionary,
  serializeInnerList,
  type Dictionary,
  type InnerList,
  type Item,
  type Parameters
} from 'structured-headers'
import { equalBytes, fromHex, hex, utf8 } from '../../formats/bytes.js'
import { CofferError } from '../../formats/errors.js'
import type { Signer } from '../../formats/frame.js'
import { ed25519Verify, sha256, SIGNATURE_BYTES } from '../../formats/primitives.js'
import { isoTime, type ValueOf } from '../orders/requests.js'
import { Refusal } from './wire.js'

/** Each of them is covered by a signature, in any order, and nothing else. */
export const COVERED = ['@method', '@path', 'content-type', 'content-digest', 'coffer-center'] as const
/** Says what the signature is for: signatures of others beside it are theirs. */
export const TAG = 'coffer-desk'
/** Clocks may differ by this many seconds; a request is remembered for as long, so that it is taken once. */
export const SKEW_SECONDS = 300

export interface SignedBy {
  /** Ed25519, 32 bytes. */
  readonly signKey: Uint8Array
  /** Seconds since 1970. */
  readonly created: number
  readonly nonce: string
}

/** RFC 9530. @param body - As it is sent. */
export const contentDigest = (body: Uint8Array): string =>
  serializeDictionary(new Map<string, Item>([['sha-256', [sha256(body), new Map()]]]))

/**
 * What is signed, RFC 9421 §2.5: a line for each component, and one that names them with the parameters.
 *
 * @throws RangeError for a component that the message has not.
 */
export function signatureBase(covered: InnerList, valueOf: ValueOf): Uint8Array {
  const lines = covered[0].map(([name]) => {
    const value = valueOf(String(name))
    if (value === undefined) throw new RangeError(`the message has no ${String(name)}`)
    return `"${String(name)}": ${value.trim()}`
  })
  return utf8([...lines, `"@signature-params": ${serializeInnerList(covered)}`].join('\n'))
}

/** @returns The headers `signature-input` and `signature`. */
export function sign(
  valueOf: ValueOf,
  signer: Signer,
  { created, nonce }: { created: number; nonce: string }
): Record<'signature-input' | 'signature', string> {
  const parameters: Parameters = new Map<string, string | number>([
    ['created', created],
    ['nonce', nonce],
    ['keyid', hex(signer.publicKey)],
    ['alg', 'ed25519'],
    ['tag', TAG]
  ])
  const covered: InnerList = [COVERED.map((name): Item => [name, new Map()]), parameters]
  const signature = signer.sign(signatureBase(covered, valueOf))
  return {
    'signature-input': serializeDictionary(new Map([[LABEL, covered]])),
    signature: serializeDictionary(new Map<string, Item>([[LABEL, [signature, new Map()]]]))
  }
}

const LABEL = 'sig1'

/**
 * Who signed this request, if anybody did. Whether that key may do anything is another question.
 *
 * @param body - As received.
 * @param now - Seconds since 1970.
 * @throws CofferError COFFER_NOT_AUTHORIZED, as 401, without saying which of the checks failed where that would help a
 *   forger; COFFER_REQUEST_STALE.
 */
export function verify(valueOf: ValueOf, body: Uint8Array, now: number): SignedBy {
  const { signatureInput, signature } = signaturesOf(valueOf)
  const { covered, signKey, created, nonce } = inputOf(signatureInput)
  if (!digestFits(valueOf('content-digest'), body)) throw unsigned('a body that is not the one of its digest')
  const base = baseOrNone(covered, valueOf)
  if (base === undefined || !ed25519Verify(signKey, base, signature))
    throw unsigned('a signature that does not fit')
  if (Math.abs(now - created) > SKEW_SECONDS) throw stale(created, now)
  return { signKey, created, nonce }
}

/** The one signature that is for us, by its tag. */
function signaturesOf(valueOf: ValueOf): { signatureInput: InnerList; signature: Uint8Array } {
  const inputs = dictionary(valueOf('signature-input'))
  const ours = [...inputs].filter(([, [, parameters]]) => parameters.get('tag') === TAG)
  const [label, input] = ours[0] ?? []
  if (ours.length !== 1 || label === undefined || !isInnerList(input)) throw unsigned('none')
  const bare = dictionary(valueOf('signature')).get(label)?.[0]
  const signature = bare instanceof ArrayBuffer ? new Uint8Array(bare) : undefined
  if (signature?.length !== SIGNATURE_BYTES) throw unsigned('no such signature')
  return { signatureInput: input, signature }
}

const isInnerList = (member: Item | InnerList | undefined): member is InnerList =>
  member !== undefined && Array.isArray(member[0])

function inputOf(input: InnerList) {
  const [items, parameters] = input
  const names = items.map(([name, flags]) => (typeof name === 'string' && flags.size === 0 ? name : ''))
  const isAll = names.length === COVERED.length && COVERED.every(name => names.includes(name))
  const of = (name: string) => parameters.get(name)
  const [created, nonce, keyId, algorithm] = [of('created'), of('nonce'), of('keyid'), of('alg')]
  if (
    !isAll ||
    !isSeconds(created) ||
    typeof nonce !== 'string' ||
    !/^[\x21-\x7e]{16,64}$/.test(nonce) ||
    typeof keyId !== 'string' ||
    !/^[0-9a-f]{64}$/.test(keyId) ||
    (algorithm !== undefined && algorithm !== 'ed25519')
  ) {
    throw unsigned('a signature over something else')
  }
  return { covered: input, signKey: fromHex(keyId), created, nonce }
}

const isSeconds = (value: unknown): value is number =>
  Number.isInteger(value) && (value as number) >= 0 && (value as number) < 2 ** 32

function digestFits(header: string | undefined, body: Uint8Array): boolean {
  const claimed = dictionary(header).get('sha-256')?.[0]
  return claimed instanceof ArrayBuffer && equalBytes(new Uint8Array(claimed), sha256(body))
}

/** @returns Empty for what is none. */
function dictionary(header: string | undefined): Dictionary {
  try {
    return parseDictionary(header ?? '')
  } catch {
    return new Map()
  }
}

function baseOrNone(covered: InnerList, valueOf: ValueOf): Uint8Array | undefined {
  try {
    return signatureBase(covered, valueOf)
  } catch {
    return undefined
  }
}

/** Nobody whom we know said this. Whether a key is known is told only to who has signed with it. */
export const unsigned = (found: string) =>
  new Refusal(401, 'COFFER_NOT_AUTHORIZED', 'This must be signed by an admin or a publisher of the center.', {
    expected: `a signature (RFC 9421) with the tag "${TAG}" over ${COVERED.join(', ')}`,
    found,
    hint: 'The seller lets a key in with "coffer-center admin <its folder> add <public key>"; GET /v1/openapi.json has what a program must sign.'
  })

const stale = (created: number, now: number) =>
  new CofferError('COFFER_REQUEST_STALE', 'This was signed too long ago, or by a clock that is wrong.', {
    expected: `signed from ${isoTime(now - SKEW_SECONDS)} to ${isoTime(now + SKEW_SECONDS)}`,
    found: isoTime(created),
    hint: 'Set the clock of the machine right, and repeat the command.'
  })
