/** What an order comes to, by the books as they are. */
import { hex } from '../../formats/bytes.js'
import { CofferError } from '../../formats/errors.js'
import { isBearer } from '../../formats/records/fields.js'
import type { VerifiedRequest } from '../../formats/records/request.js'
import type { Tables } from '../books/store.js'
import type { Decision, Order } from './make.js'
import { refuseRevoked } from './revoke.js'
import type { Sheet } from './sheet.js'
import { decideSale } from './terms.js'
import { enrol } from './users.js'

/** What an order comes to, and its user, if he is new. @throws CofferError for every refusal of the center. */
export function decide(
  sheet: Sheet,
  { request, received }: Order
): { readonly user: Tables['users'] | undefined; readonly decision: Decision } {
  const { title, release } = registeredRelease(sheet, request) // S12: FIG. 8, 32 to 34
  refuseRevoked((kind, id) => sheet.revoked(kind, id), request, title.publisher)
  refuseBinding(request, title, release)
  // FIG. 4, 13: the user profile database
  const user = enrol(request, sheet.user(hex(request.userId)), sheet.center, received)
  const sale = decideSale(request.kind, title, sheet.standing(title, request), received)
  return { user, decision: { request, answered: request, title, release, sale } }
}

/** S12: is what the request names in the contents identifier file? @throws CofferError COFFER_TITLE_UNKNOWN. */
export function registeredRelease(sold: Pick<Sheet, 'title' | 'release'>, request: VerifiedRequest) {
  const { titleId } = request
  const title = sold.title(titleId)
  const release = sold.release(titleId, request.release, request.scheme)
  if (title !== undefined && release !== undefined) return { title, release }
  throw new CofferError(
    'COFFER_TITLE_UNKNOWN',
    `The center does not sell ${titleId} release ${request.release} under the scheme ${request.scheme}.`,
    {
      expected: 'a title, release and scheme that a publisher registered',
      found: title === undefined ? 'no such title' : 'no such release of this title under this scheme',
      hint: 'Get the master from its seller again, or ask which center sells it.'
    }
  )
}

/** @throws CofferError COFFER_REQUEST_REFUSED for a binding that the seller or the scheme does not allow. */
export function refuseBinding(
  { bind }: VerifiedRequest,
  title: Tables['titles'],
  release: Tables['releases']
): void {
  const refused = (found: string, hint: string) =>
    new CofferError('COFFER_REQUEST_REFUSED', `${title.titleId} is not issued bound like this.`, {
      expected: 'a grant bound to the medium and the user',
      found,
      hint
    })
  const hint = 'Order it bound to your user key.'
  if (!bind.includes('medium')) throw refused('a grant bound to no medium', hint)
  if (!isBearer(bind)) return
  if (release.scheme === 'certificate') {
    throw refused('a bearer grant of a title whose scheme seals its key to the user', hint)
  }
  if (title.bearerAllowed !== 1) {
    throw refused('a bearer grant', `${hint} The seller can allow bearer grants of a title.`)
  }
}
