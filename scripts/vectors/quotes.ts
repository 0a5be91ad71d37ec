/** Quotes. */
import { encodeQuote } from '../../formats/records/quote.js'
import { NOW, centerSeed, flipped } from './inputs.js'
import { requestHash } from './request.js'
import { centerId, root } from './roots.js'
import { vector } from './vector.js'

const quoteBody = { centerId, chargedMinor: 900, currency: 'EUR', quoted: NOW, requestHash }
const quote = encodeQuote({ ...quoteBody, expires: NOW + 30 * 86_400, kind: 'lease' }, centerSeed)
vector('quote', 'quote', 'opens', 'a lease of thirty days', { root, requestHash }, quote)
vector(
  'quote-altered',
  'quote',
  'COFFER_RECORD_FORGED',
  'one bit of the body turned',
  { root, requestHash },
  flipped(quote, 40)
)
