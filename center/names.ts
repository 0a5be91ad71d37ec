/** Names, ids and numbers that the seller types or a program passes, checked before they are kept. */
import { CofferError } from '../formats/errors.js'
import { MAX_NAME_CHARS } from '../formats/limits.js'
import { isTitleId } from '../formats/records/fields.js'
import type { Revocation } from '../formats/records/revocations.js'
import { isName } from '../formats/wording.js'

/** @throws CofferError COFFER_USAGE for a name that records refuse: one that could steer a terminal, or cannot be seen. */
export function checkName(name: string): string {
  if (name.length <= MAX_NAME_CHARS && isName(name)) return name
  throw new CofferError('COFFER_USAGE', 'This name cannot be shown to people.', {
    expected: `1 to ${MAX_NAME_CHARS} characters that can be seen, with at most 4 marks above and below one`,
    hint: 'Give another one with --name.'
  })
}

/** Ten years: of how many days sales can be asked for. */
export const MAX_SALES_DAYS = 3660

/** Hexadecimal digits of an id. */
export const ID_CHARS = { user: 64, medium: 64, publisher: 64, grant: 32 } as const

/** What to say of digits that are the first ones of no id, or of several. */
export const notOneText = (what: string, typed: string, found: number): string =>
  found === 0 ? `There is no ${what} ${typed}.` : `Several ${what}s begin with ${typed}.`

/** @throws RangeError for an id that no such thing can have. */
export function checkId(kind: Revocation['kind'], id: string): void {
  const isOne = kind === 'title' ? isTitleId(id) : /^[0-9a-f]+$/.test(id) && id.length === ID_CHARS[kind]
  if (!isOne) throw new RangeError(`not the id of a ${kind}: ${id}`)
}

export const titleMissing = (titleId: string) =>
  new CofferError('COFFER_TITLE_MISSING', `The center has no title ${titleId}.`, {
    hint: 'List its titles with "coffer-center title <folder> list"; a title appears when it is pressed.'
  })
