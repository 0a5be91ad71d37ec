/** Publisher certificates and manifests. */
import { concat, u32be, utf8 } from '../../formats/bytes.js'
import { sealedSize } from '../../formats/cobblestone.js'
import { signFrame } from '../../formats/frame.js'
import { encode } from '../../formats/msgpack.js'
import { encodePackageHead } from '../../formats/package.js'
import type { Scheme } from '../../formats/records/fields.js'
import { encodeManifest, type Manifest } from '../../formats/records/manifest.js'
import { encodePublisher } from '../../formats/records/publisher.js'
import {
  NOW,
  RELEASE,
  TITLE,
  bytesOf,
  centerSeed,
  changed,
  flipped,
  longer,
  publisher,
  replaced,
  shorter,
  strangerSeed,
  without
} from './inputs.js'
import { centerId, root } from './roots.js'
import { vector } from './vector.js'

const publisherBody = {
  centerId,
  issued: NOW,
  name: 'Example Press',
  sealKey: publisher.sealKey,
  signKey: publisher.signKey
}
export const publisherRecord = encodePublisher(publisherBody, centerSeed)
vector('publisher', 'publisher', 'opens', 'a publisher certificate', { root }, publisherRecord)
vector(
  'publisher-foreign',
  'publisher',
  'COFFER_PUBLISHER_UNTRUSTED',
  'a publisher certificate that the center did not sign',
  { root },
  encodePublisher(publisherBody, strangerSeed)
)

export const program = utf8("export default () => console.log('Hello')\n")
const asset = utf8('a line of text\n')
const contents = [
  { name: 'program.js', role: 'program' as const, bytes: program },
  { name: 'notes/line.txt', role: 'asset' as const, bytes: asset },
  { name: 'empty', role: 'asset' as const, bytes: new Uint8Array(0) }
]
export const { head: packageHead, indexDigest } = encodePackageHead(contents)
export const packageBytes = concat(packageHead, program, asset)

const manifestOf = (scheme: Scheme): Manifest => ({
  centerId,
  engine: 'quickjs',
  engineRequired: false,
  id: TITLE,
  indexDigest,
  limits: { memoryMiB: 64 },
  loaderLevel: 1,
  name: 'Hello',
  payloadBytes: sealedSize(packageBytes.length),
  permissions: ['terminal'],
  pressed: NOW,
  release: RELEASE,
  scheme,
  version: '1.0.0'
})
export const manifest = encodeManifest(manifestOf('certificate'), publisherRecord, publisher.signSeed)
const manifestWith = (body: Uint8Array): Uint8Array =>
  signFrame('manifest', body, encode({ publisher: publisherRecord }), publisher.signSeed)
const manifestBody = encode(manifestOf('certificate') as never)

vector('manifest', 'manifest', 'opens', 'a title manifest', { root }, manifest)
vector(
  'manifest-altered',
  'manifest',
  'COFFER_RECORD_FORGED',
  'one bit of the body turned',
  { root },
  flipped(manifest, 40)
)
vector(
  'manifest-signature-altered',
  'manifest',
  'COFFER_RECORD_FORGED',
  'one bit of the signature turned',
  { root },
  flipped(manifest, -40)
)
vector('manifest-longer', 'manifest', 'COFFER_RECORD_DAMAGED', 'a byte more', { root }, longer(manifest))
vector('manifest-shorter', 'manifest', 'COFFER_RECORD_DAMAGED', 'a byte less', { root }, shorter(manifest))
vector(
  'manifest-magic',
  'manifest',
  'COFFER_RECORD_DAMAGED',
  'another magic number',
  { root },
  flipped(manifest, 0)
)
vector(
  'manifest-version',
  'manifest',
  'COFFER_VERSION_UNSUPPORTED',
  'version 2 of the frame',
  { root },
  changed(manifest, 4, 2)
)
vector(
  'manifest-suite',
  'manifest',
  'COFFER_VERSION_UNSUPPORTED',
  'suite 2',
  { root },
  changed(manifest, 7, 2)
)
vector(
  'manifest-type',
  'manifest',
  'COFFER_RECORD_DAMAGED',
  'another type',
  { root },
  changed(manifest, 5, 4)
)
vector(
  'manifest-no-signature',
  'manifest',
  'COFFER_RECORD_DAMAGED',
  'no signature',
  { root },
  concat(manifest.slice(0, 16), u32be(0), manifest.slice(20, -96))
)
vector(
  'manifest-unknown-field',
  'manifest',
  'COFFER_ENCODING',
  'a field that no manifest has',
  { root },
  manifestWith(encode({ ...manifestOf('certificate'), zeal: 1 } as never))
)
vector(
  'manifest-missing-field',
  'manifest',
  'COFFER_ENCODING',
  'no version',
  { root },
  manifestWith(encode(without(manifestOf('certificate'), 'version') as never))
)
vector(
  'manifest-long-form',
  'manifest',
  'COFFER_ENCODING',
  'the release as a u8 where a fixint would do',
  { root },
  manifestWith(
    replaced(
      manifestBody,
      concat(utf8('release'), bytesOf(RELEASE)),
      concat(utf8('release'), bytesOf(0xcc, RELEASE))
    )
  )
)
vector(
  'manifest-key-order',
  'manifest',
  'COFFER_ENCODING',
  'keys that do not ascend',
  { root },
  manifestWith(replaced(manifestBody, utf8('scheme'), utf8('Scheme')))
)
vector(
  'manifest-trailing',
  'manifest',
  'COFFER_ENCODING',
  'a value after the map',
  { root },
  manifestWith(concat(manifestBody, bytesOf(0xc0)))
)
vector(
  'manifest-other-signer',
  'manifest',
  'COFFER_PUBLISHER_UNTRUSTED',
  'signed with a key other than the certified one',
  { root },
  encodeManifest(manifestOf('certificate'), publisherRecord, strangerSeed)
)
vector(
  'manifest-newer',
  'manifest',
  'COFFER_LOADER_TOO_OLD',
  'asks for a newer loader',
  { root },
  encodeManifest({ ...manifestOf('certificate'), loaderLevel: 2 }, publisherRecord, publisher.signSeed)
)
