/** What an order would come to, by the books as they are: nothing is written, and nothing is bought. */
import { hex } from '../../formats/bytes.js'
import { encodeQuote } from '../../formats/records/quote.js'
import { openRequestAside } from '../../formats/records/request.js'
import { refuseOtherCenter, signerBy, type Site } from '../site.js'
import { decide, registeredRelease } from './decide.js'
import { orderOf } from './make.js'
import { answeredBefore, type Admit } from './requests.js'
import { Sheet } from './sheet.js'

/**
 * @param record - A request record: the very order that would be sent.
 * @returns A quote record, for this user and medium: a copy that he holds costs nothing.
 * @throws CofferError as ordering does: COFFER_RECORD_*, COFFER_ENCODING, and every refusal of the center.
 */
export async function quote(site: Site, record: Uint8Array, admit?: Admit): Promise<Uint8Array> {
  const { centerId, powers, store, vault } = site
  const request = await openRequestAside(record)
  const received = powers.now()
  const order = orderOf(record, request, received)
  admit?.(order.signer)
  refuseOtherCenter(site, request.centerId)
  const sheet = await Sheet.read(store, store.books, [request], received)
  const { title } = registeredRelease(sheet, request)
  const isAnswered =
    answeredBefore(site, order, sheet.answered(hex(request.requestId)), received) !== undefined
  const sale = isAnswered ? undefined : decide(sheet, order).decision.sale
  return encodeQuote(
    {
      centerId,
      chargedMinor: sale?.chargedMinor ?? 0,
      currency: title.currency,
      ...(sale && { kind: sale.kind }),
      ...(sale && sale.expires !== null && { expires: sale.expires }),
      quoted: received,
      requestHash: request.requestHash
    },
    signerBy(vault, sheet.roots)
  )
}
