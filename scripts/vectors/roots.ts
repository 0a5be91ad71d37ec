/** Root records. */
import { encode } from '../../formats/msgpack.js'
import { ed25519PublicKey } from '../../formats/primitives.js'
import { encodeRoot, rootHash } from '../../formats/records/root.js'
import { EPOCH, NOW, centerSeed, flipped, nextCenterSeed, strangerSeed } from './inputs.js'
import { vector } from './vector.js'

export const root = encodeRoot(
  { created: NOW, epoch: EPOCH, keys: [ed25519PublicKey(centerSeed)], name: 'Example Shop', sequence: 0 },
  centerSeed
)
export const centerId = rootHash(root)
const nextRootBody = {
  created: NOW + 1,
  epoch: EPOCH + 1,
  keys: [ed25519PublicKey(nextCenterSeed), ed25519PublicKey(centerSeed)],
  name: 'Example Shop',
  previous: rootHash(root),
  sequence: 1
}
export const rotated = encodeRoot(nextRootBody, nextCenterSeed, centerSeed)
const usurped = encodeRoot(nextRootBody, nextCenterSeed, strangerSeed)
const packedRoots = (...roots: Uint8Array[]): Uint8Array => encode({ roots })

vector('root', 'roots', 'opens', 'the first root record of a center', { centerId }, packedRoots(root))
vector(
  'root-rotated',
  'roots',
  'opens',
  'a second root record, signed by a key of the first',
  { centerId },
  packedRoots(root, rotated)
)
vector(
  'root-usurped',
  'roots',
  'COFFER_CENTER_UNTRUSTED',
  'a second root record, signed by no key of the first',
  {},
  packedRoots(root, usurped)
)
vector(
  'root-gap',
  'roots',
  'COFFER_CENTER_UNTRUSTED',
  'a chain that does not begin with a first record',
  {},
  packedRoots(rotated)
)

vector(
  'root-altered',
  'roots',
  'COFFER_RECORD_FORGED',
  'one bit of the name turned',
  {},
  packedRoots(flipped(root, 95))
)
