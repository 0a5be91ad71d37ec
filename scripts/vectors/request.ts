/** Requests. */
import { NO_ATTACHMENTS, signFrame } from '../../formats/frame.js'
import { encode } from '../../formats/msgpack.js'
import { encodeRequest, openRequest } from '../../formats/records/request.js'
import { medium } from './identity.js'
import { NOW, RELEASE, TITLE, fixed, strangerSeed, user, userId } from './inputs.js'
import { centerId } from './roots.js'
import { vector } from './vector.js'

export const requestId = fixed('request', 16)
export const requestBody = {
  bind: ['medium', 'user'] as const,
  centerId,
  created: NOW,
  factors: ['machine', 'volume'],
  kind: 'order' as const,
  mediumId: medium,
  mediumKind: 'folder' as const,
  release: RELEASE,
  requestId,
  scheme: 'certificate' as const,
  sealKey: user.sealKey,
  signKey: user.signKey,
  titleId: TITLE
}
export const request = encodeRequest(requestBody, user.signSeed)
export const { requestHash } = openRequest(request)
vector('request', 'request', 'opens', 'an order', { userId, requestHash }, request)
vector(
  'request-other-signer',
  'request',
  'COFFER_RECORD_FORGED',
  'signed with a key other than the one it names',
  {},
  encodeRequest(requestBody, strangerSeed)
)

vector(
  'request-other-kind',
  'request',
  'COFFER_ENCODING',
  'a kind of request that there is not',
  {},
  signFrame('request', encode({ ...requestBody, kind: 'gift' }), NO_ATTACHMENTS, user.signSeed)
)
