/**
 * The ledger: double entry in whole minor units, written once and never changed. Two kinds of account:
 *
 *     receivable/<userId>     what a user owes: charges are positive
 *     sales/<titleId>         what a title earned: the same amounts, negative
 *
 * A charge is invoiced, not collected: how the seller collects it is another posting on the receivable.
 */
import { hex } from '../../formats/bytes.js'
import type { Books, Tables } from './store.js'

/** What an order charges, or a return pays back, is filed under the request. */
export const ofRequest = (requestId: Uint8Array): string => hex(requestId)
/** What the seller pays back by himself is filed under the grant, apart from requests: their ids are chosen by buyers. */
export const ofRefund = (grantId: string): string => `${REFUND}${grantId}`
const REFUND = 'refund/'
/** The grant that a posting of no request pays back; in older books it is filed under the bare id. */
export const refundedBy = (posting: string): string =>
  posting.startsWith(REFUND) ? posting.slice(REFUND.length) : posting

export interface Charge {
  /** What it is filed under: {@link ofRequest} or {@link ofRefund}. */
  readonly posting: string
  readonly userId: Uint8Array
  readonly titleId: string
  readonly amountMinor: number
  readonly currency: string
}

/** The posting of a charge; one of nothing leaves no trace. */
export function postingOf(charge: Charge, posted: number): Tables['ledger'][] {
  const { posting, amountMinor, currency } = charge
  if (amountMinor === 0) return []
  return [
    { posting, account: receivable(hex(charge.userId)), amountMinor, currency, posted },
    { posting, account: `sales/${charge.titleId}`, amountMinor: -amountMinor, currency, posted }
  ]
}

export async function postCharge(books: Books, charge: Charge, posted: number): Promise<void> {
  const rows = postingOf(charge, posted)
  if (rows.length > 0) await books.insertInto('ledger').values(rows).execute()
}

export const receivable = (userId: string): string => `receivable/${userId}`
