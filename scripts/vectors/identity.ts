/** Identities of media. */
import { NO_ATTACHMENTS, signFrame } from '../../formats/frame.js'
import { encode } from '../../formats/msgpack.js'
import { ed25519PublicKey } from '../../formats/primitives.js'
import { encodeIdentity, mediumId, openIdentity } from '../../formats/records/identity.js'
import { NOW, fixed, strangerSeed } from './inputs.js'
import { vector } from './vector.js'

export const FACTORS = [
  { name: 'machine', value: '5f1a' },
  { name: 'volume', value: 'D00D-FEED' }
]
export const factorText = FACTORS.map(({ name, value }) => `${name}=${value}`).join(' ')
export const oneTimeSeed = fixed('one-time seed')
const identity = encodeIdentity('folder', FACTORS, NOW, oneTimeSeed)
export const medium = mediumId(openIdentity(identity), FACTORS)
vector(
  'identity',
  'identity',
  'opens',
  'a medium identity',
  { factors: factorText, mediumId: medium },
  identity
)
vector(
  'identity-other-signer',
  'identity',
  'COFFER_RECORD_FORGED',
  'signed with a key other than its nonce',
  {},
  signFrame(
    'identity',
    encode({ created: NOW, factors: [], kind: 'folder', nonce: ed25519PublicKey(oneTimeSeed) }),
    NO_ATTACHMENTS,
    strangerSeed
  )
)

vector(
  'identity-attachments',
  'identity',
  'COFFER_RECORD_DAMAGED',
  'attachments where none belong',
  {},
  signFrame(
    'identity',
    encode({ created: NOW, factors: [], kind: 'folder', nonce: ed25519PublicKey(oneTimeSeed) }),
    encode({ more: 1 }),
    oneTimeSeed
  )
)
