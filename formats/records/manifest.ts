/**
 * The title manifest: what a sealed title says of itself, in clear, signed by its publisher, whose certificate is
 * attached (docs/spec.md §3.3).
 */
import { equalBytes, hex } from '../bytes.js'
import { CofferError } from '../errors.js'
import { parseFrame, signFrame, type SigningKey, verifySelfSigned, type VerifiedFrame } from '../frame.js'
import { MAX_NET_HOST_CHARS, MAX_NET_HOSTS, MAX_PAYLOAD_BYTES, MAX_RECORD_BYTES } from '../limits.js'
import {
  bool,
  bytes,
  decodeAs,
  encodeAs,
  integer,
  list,
  map,
  oneOf,
  optional,
  seconds,
  text,
  u32,
  type Infer
} from '../shape.js'
import { displayName, hash, NET_HOST, release, scheme, titleId } from './fields.js'
import { openPublisher, type Publisher } from './publisher.js'
import type { Center } from './root.js'

/** Version of these formats that a title may ask for; a loader refuses a title that asks for a newer one. */
export const LOADER_LEVEL = 1

const shape = map({
  centerId: hash,
  /** The engine a title is made for; another may be asked for unless `engineRequired`. */
  engine: oneOf('quickjs', 'ses'),
  engineRequired: bool,
  id: titleId,
  /** SHA-256 of the package index, which in turn holds the digest of every entry. */
  indexDigest: hash,
  limits: map({
    cpuMs: optional(integer(1, 0xffffffff)),
    memoryMiB: optional(integer(1, 4096)),
    outputMiB: optional(integer(1, 4096)),
    saveMiB: optional(integer(1, 1024)),
    wallMs: optional(integer(1, 0xffffffff))
  }),
  /** Least LOADER_LEVEL that can run the title. */
  loaderLevel: u32,
  name: displayName,
  /** Hosts that it asks to reach, where it asks for `net`. */
  net: optional(list(text(MAX_NET_HOST_CHARS, NET_HOST), 1, MAX_NET_HOSTS)),
  /** Bytes of the sealed payload that follows the manifest; the same on master and target medium. */
  payloadBytes: integer(0, MAX_PAYLOAD_BYTES),
  permissions: list(text(32, /^[a-z][a-z0-9-]*$/), 0, 32),
  pressed: seconds,
  release,
  scheme,
  /** The publisher's own version text, shown only. */
  version: text(64, /^[\x21-\x7e]+$/)
})

const attachmentsShape = map({ publisher: bytes(1, MAX_RECORD_BYTES) })

export type Manifest = Infer<typeof shape>

/** A manifest whose bytes are whole and signed by the key it names: enough to list, not enough to run. */
export interface ParsedManifest extends Manifest {
  readonly frame: VerifiedFrame
  readonly publisherCertificate: Uint8Array
}

/** @param publisherCertificate - The frame that the center gave this publisher. */
export const encodeManifest = (
  manifest: Manifest,
  publisherCertificate: Uint8Array,
  publisherKey: SigningKey
): Uint8Array =>
  signFrame(
    'manifest',
    encodeAs('title manifest', shape, manifest),
    encodeAs('manifest attachments', attachmentsShape, { publisher: publisherCertificate }),
    publisherKey
  )

/** @throws CofferError COFFER_RECORD_*, COFFER_ENCODING. */
export function parseManifest(bytes: Uint8Array): ParsedManifest {
  const frame = verifySelfSigned(parseFrame('manifest', bytes, MAX_RECORD_BYTES))
  const { publisher } = decodeAs('manifest attachments', attachmentsShape, frame.attachments)
  return { ...decodeAs('title manifest', shape, frame.body), frame, publisherCertificate: publisher }
}

/**
 * Check that a manifest's publisher is certified by its center.
 *
 * @throws CofferError COFFER_PUBLISHER_UNTRUSTED, COFFER_CENTER_UNTRUSTED, COFFER_LOADER_TOO_OLD.
 */
export function checkManifest(manifest: ParsedManifest, center: Center): Publisher {
  if (!equalBytes(manifest.centerId, center.centerId)) {
    throw new CofferError('COFFER_CENTER_UNTRUSTED', 'The title belongs to another center.', {
      expected: hex(center.centerId),
      found: hex(manifest.centerId),
      hint: 'Pin the center that sells this title with "coffer trust <center URL>".'
    })
  }
  const publisher = openPublisher(manifest.publisherCertificate, center)
  if (!equalBytes(publisher.signKey, manifest.frame.signer)) {
    throw new CofferError(
      'COFFER_PUBLISHER_UNTRUSTED',
      'The title is signed with a key other than its certified one.',
      {
        expected: hex(publisher.signKey),
        found: hex(manifest.frame.signer),
        hint: 'Get the title from its seller again.'
      }
    )
  }
  if (manifest.loaderLevel > LOADER_LEVEL) {
    throw new CofferError('COFFER_LOADER_TOO_OLD', `"${manifest.name}" needs a newer coffer.`, {
      expected: `loader level ${LOADER_LEVEL} or lower`,
      found: `loader level ${manifest.loaderLevel}`,
      hint: 'Install the newest coffer and start the title again.'
    })
  }
  return publisher
}
