/** Revocation lists and answers. */
import { utf8 } from '../../formats/bytes.js'
import { encodeAnswer } from '../../formats/records/answer.js'
import { encodeCollection, encodeRevocations } from '../../formats/records/revocations.js'
import { certificateGrant, conversionGrant, masterMediumKey, wrappedMasterMediumKey } from './grants.js'
import { medium } from './identity.js'
import { NOW, centerSeed, fixed, flipped, longer, shorter, strangerSeed, user } from './inputs.js'
import { requestHash, requestId } from './request.js'
import { centerId, root, rotated } from './roots.js'
import { vector } from './vector.js'

const revocationsOf = (sequence: number): Uint8Array =>
  encodeRevocations(
    {
      centerId,
      entries: [
        { id: utf8('org.example.old'), kind: 'title', release: 1 },
        { id: fixed('revoked user'), kind: 'user' },
        { id: fixed('revoked grant', 16), kind: 'grant' }
      ],
      issued: NOW,
      sequence
    },
    centerSeed
  )
const revocations = revocationsOf(2)
vector('revocations', 'revocations', 'opens', 'a revocation list', { root }, revocations)
vector(
  'revocations-altered',
  'revocations',
  'COFFER_RECORD_FORGED',
  'one bit of the body turned',
  { root },
  flipped(revocations, 30)
)
vector(
  'revocation-lists',
  'revocation-lists',
  'opens',
  'the file of lists that a medium carries',
  { root },
  encodeCollection({ lists: [revocations] })
)
vector(
  'revocation-lists-roots',
  'revocation-lists',
  'opens',
  'the same with the root records of the center, whose key has been rotated',
  { root },
  encodeCollection({ lists: [revocations], roots: [[root, rotated]] })
)
vector(
  'revocation-lists-trailing',
  'revocation-lists',
  'COFFER_ENCODING',
  'a byte more',
  { root },
  longer(encodeCollection({ lists: [revocations] }))
)

const ticket = { answered: NOW, centerId, chargedMinor: 900, currency: 'EUR', requestHash, requestId }
const certificateAnswer = encodeAnswer(
  ticket,
  { grant: certificateGrant, revocations, roots: [root] },
  centerSeed
)
vector('answer-certificate', 'answer', 'opens', 'an answer, scheme certificate', { root }, certificateAnswer)
vector(
  'answer-conversion',
  'answer',
  'opens',
  'an answer, scheme conversion, with EMid(Ka)',
  { root, mediumId: medium, sealSecret: user.sealSecret, masterMediumKey },
  encodeAnswer(
    ticket,
    { grant: conversionGrant, revocations, roots: [root], wrappedMasterMediumKey },
    centerSeed
  )
)
vector(
  'answer-shorter',
  'answer',
  'COFFER_RECORD_DAMAGED',
  'a byte less',
  { root },
  shorter(certificateAnswer)
)

vector(
  'answer-foreign',
  'answer',
  'foreign',
  'signed by a key that no pinned center has',
  { root },
  encodeAnswer(ticket, { grant: certificateGrant, revocations, roots: [root] }, strangerSeed)
)
