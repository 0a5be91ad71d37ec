/** A receipt (docs/spec.md §3.11) goes to whoever can show what was answered: the signed record itself. */
import { equalBytes, hex } from '../../formats/bytes.js'
import { CofferError } from '../../formats/errors.js'
import { recordTypeOf, type RecordType } from '../../formats/frame.js'
import { openRegistration } from '../../formats/records/release.js'
import { openRequest } from '../../formats/records/request.js'
import { openReturn } from '../../formats/records/return.js'
import { receiptFor } from './log.js'
import type { Admit } from '../orders/requests.js'
import type { Site } from '../site.js'

interface Signed {
  readonly requestId: Uint8Array
  readonly signKey: Uint8Array
}

const OPENERS: { readonly [Type in RecordType]?: (record: Uint8Array) => Signed } = {
  request: openRequest,
  registration: openRegistration,
  return: openReturn
}

/**
 * @param record - A request, return or registration record, byte for byte as it was answered.
 * @throws CofferError COFFER_RECORD_*, COFFER_REQUEST_REFUSED for one that was not.
 */
export async function receipt({ store }: Site, record: Uint8Array, admit?: Admit): Promise<Uint8Array> {
  const { requestId, signKey } = (OPENERS[recordTypeOf(record) ?? 'request'] ?? openRequest)(record)
  admit?.(hex(signKey))
  return store.snapshot(async books => {
    const answered = await books
      .selectFrom('requests')
      .select(['kind', 'record'])
      .where('requestId', '=', hex(requestId))
      .executeTakeFirst()
    const receipt =
      answered !== undefined && equalBytes(answered.record, record)
        ? await receiptFor(books, requestId)
        : undefined
    if (receipt !== undefined) return receipt
    if (answered?.kind === 'transfer' && equalBytes(answered.record, record)) throw withinReturn()
    throw new CofferError('COFFER_REQUEST_REFUSED', 'The center has not answered this request.', {
      expected: 'a request, return or registration that was answered',
      found: 'one that was not',
      hint: 'Order first. The receipt is for the very file that was sent.'
    })
  })
}

const withinReturn = () =>
  new CofferError(
    'COFFER_REQUEST_REFUSED',
    'This order was answered within a return, which has the receipt.',
    {
      expected: 'the return that it came in',
      found: 'the order alone',
      hint: 'Ask whoever handed the copy on for the receipt of his return.'
    }
  )
