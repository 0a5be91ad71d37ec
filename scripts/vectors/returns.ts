/** Returns. */
import { deriveKeys, userIdOf } from '../../formats/keys.js'
import { encodeRequest } from '../../formats/records/request.js'
import { encodeReturn, openReturn } from '../../formats/records/return.js'
import { medium } from './identity.js'
import { NOW, TITLE, fixed, flipped, strangerSeed, user, userId } from './inputs.js'
import { requestBody } from './request.js'
import { centerId } from './roots.js'
import { vector } from './vector.js'

const returnBody = {
  centerId,
  created: NOW,
  grantId: fixed('grant', 16),
  mediumId: medium,
  requestId: fixed('return request', 16),
  sealKey: user.sealKey,
  signKey: user.signKey,
  titleId: TITLE
}
const givenBack = encodeReturn(returnBody, user.signSeed)
const returned = { userId, requestHash: openReturn(givenBack).requestHash }
vector('return', 'return', 'opens', 'a copy given back', returned, givenBack)
const receiver = deriveKeys('user', fixed('another user'))
const wanted = encodeRequest(
  {
    ...requestBody,
    kind: 'transfer',
    mediumId: fixed('another medium'),
    sealKey: receiver.sealKey,
    signKey: receiver.signKey
  },
  receiver.signSeed
)
const handedOn = encodeReturn({ ...returnBody, order: wanted }, user.signSeed)
vector(
  'return-transfer',
  'return',
  'opens',
  "a copy given up for another user's medium: his order is in it",
  { userId, requestHash: openReturn(handedOn).requestHash, receiver: userIdOf(receiver) },
  handedOn
)
vector(
  'return-other-signer',
  'return',
  'COFFER_RECORD_FORGED',
  'signed with a key other than the one it names',
  returned,
  encodeReturn(returnBody, strangerSeed)
)
vector(
  'return-altered',
  'return',
  'COFFER_RECORD_FORGED',
  'one bit of the body turned',
  returned,
  flipped(givenBack, 60)
)
