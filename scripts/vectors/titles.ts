/** Sealed titles. */
import { concat } from '../../formats/bytes.js'
import { sealPayload } from '../../formats/cobblestone.js'
import { payloadContext } from '../../formats/derive.js'
import { encodeTitleHead } from '../../formats/title.js'
import { RELEASE, TITLE, changed, fixed, flipped, longer, shorter, titleKey } from './inputs.js'
import { manifest, packageBytes, packageHead, program } from './manifest.js'
import { vector } from './vector.js'

const payload = sealPayload(titleKey, payloadContext(TITLE, RELEASE), fixed('salt', 24), packageBytes)
const title = concat(encodeTitleHead(manifest), payload)
const opened = { payloadKey: titleKey, program }
vector('title', 'title', 'opens', 'a sealed title with a program and two assets', opened, title)
vector('title-shorter', 'title', 'COFFER_PAYLOAD_TRUNCATED', 'a byte less', opened, shorter(title))
vector('title-longer', 'title', 'COFFER_PAYLOAD_TRUNCATED', 'a byte more', opened, longer(title))
vector(
  'title-version',
  'title',
  'COFFER_VERSION_UNSUPPORTED',
  'version 2 of the file',
  opened,
  changed(title, 4, 2)
)
vector(
  'title-chunk-altered',
  'title',
  'COFFER_PAYLOAD_FORGED',
  'one bit of the payload turned',
  opened,
  flipped(title, -20)
)
vector(
  'title-commitment-altered',
  'title',
  'COFFER_PAYLOAD_FORGED',
  "one bit of the payload's commitment turned",
  opened,
  flipped(title, title.length - payload.length + 24)
)
vector(
  'title-other-key',
  'title',
  'COFFER_PAYLOAD_FORGED',
  'another key',
  { ...opened, payloadKey: fixed('another key') },
  title
)
vector(
  'title-other-release',
  'title',
  'COFFER_PAYLOAD_FORGED',
  'a payload that was sealed for another release',
  opened,
  concat(
    encodeTitleHead(manifest),
    sealPayload(titleKey, payloadContext(TITLE, RELEASE + 1), fixed('salt', 24), packageBytes)
  )
)
vector(
  'title-other-contents',
  'title',
  'COFFER_PACKAGE_DAMAGED',
  'a payload that opens, but whose program is not the one that the index names',
  opened,
  concat(
    encodeTitleHead(manifest),
    sealPayload(
      titleKey,
      payloadContext(TITLE, RELEASE),
      fixed('salt', 24),
      flipped(packageBytes, packageHead.length)
    )
  )
)
