/** Copies that have ended. */
import { concat } from '../../formats/bytes.js'
import { leafHash, nodeHash } from '../../formats/merkle.js'
import { encodeReceipt } from '../../formats/records/checkpoint.js'
import { encodeEnded, PARTS, withEnded } from '../../formats/records/ended.js'
import { NOW, centerSeed, flipped } from './inputs.js'
import { checkpoint, logged } from './receipts.js'
import { centerId, root } from './roots.js'
import { vector } from './vector.js'

const endedIds = [0, 0, 7, 255].map((first, n) => new Uint8Array(16).fill(n + 1).fill(first, 0, 1))
const endedParts = Array.from({ length: PARTS }, (_, first) =>
  withEnded(
    new Uint8Array(0),
    endedIds.filter(id => id[0] === first)
  )
)
const endedRecord = encodeEnded({ centerId, issued: NOW, sequence: 9, parts: endedParts }, centerSeed)
vector('ended', 'ended', 'opens', 'four copies that have ended', { root }, concat(endedRecord, ...endedParts))
vector(
  'ended-other-copy',
  'ended',
  'COFFER_RECORD_DAMAGED',
  'one bit of an id turned',
  { root },
  concat(endedRecord, flipped(concat(...endedParts), 3))
)
vector(
  'ended-cut',
  'ended',
  'COFFER_RECORD_DAMAGED',
  'the last byte is missing',
  { root },
  concat(endedRecord, ...endedParts).slice(0, -1)
)
vector(
  'ended-altered',
  'ended',
  'COFFER_RECORD_FORGED',
  'one bit of the record turned',
  { root },
  flipped(concat(endedRecord, ...endedParts), 60)
)

/** The sixth of seven: its sibling, then the pair before, then the first four. */
const sixth = [
  leafHash(logged[4]!),
  leafHash(logged[6]!),
  nodeHash(
    nodeHash(leafHash(logged[0]!), leafHash(logged[1]!)),
    nodeHash(leafHash(logged[2]!), leafHash(logged[3]!))
  )
]
const receiptBody = { checkpoint, entry: logged[5]!, index: 5, path: sixth }
vector('receipt', 'receipt', 'opens', 'entry 5 of 7', { root, entry: logged[5]! }, encodeReceipt(receiptBody))
vector(
  'receipt-other-entry',
  'receipt',
  'COFFER_RECORD_FORGED',
  'another entry in the place of the one that the path proves',
  { root, entry: logged[5]! },
  encodeReceipt({ ...receiptBody, entry: logged[4]! })
)
vector(
  'receipt-longer-path',
  'receipt',
  'COFFER_RECORD_FORGED',
  'a path that goes on above the root',
  { root, entry: logged[5]! },
  encodeReceipt({ ...receiptBody, path: [...sixth, sixth[0]!] })
)
