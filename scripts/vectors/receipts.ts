/** Checkpoints and receipts. */
import { utf8 } from '../../formats/bytes.js'
import { Frontier, leafHash } from '../../formats/merkle.js'
import { encodeCheckpoint } from '../../formats/records/checkpoint.js'
import { NOW, centerSeed, flipped } from './inputs.js'
import { centerId, root } from './roots.js'
import { vector } from './vector.js'

export const logged = Array.from({ length: 7 }, (_, n) => utf8(`entry ${n}`))
const log = new Frontier()
for (const entry of logged) log.append(leafHash(entry))
const checkpointBody = { centerId, issued: NOW, root: log.root(), size: log.size }
export const checkpoint = encodeCheckpoint(checkpointBody, centerSeed)
vector('checkpoint', 'checkpoint', 'opens', 'seven entries', { root, logRoot: log.root() }, checkpoint)
vector(
  'checkpoint-altered',
  'checkpoint',
  'COFFER_RECORD_FORGED',
  'one bit of the body turned',
  { root, logRoot: log.root() },
  flipped(checkpoint, 40)
)
