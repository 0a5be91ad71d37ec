/** Fields that more than one record has. */
import { MAX_NAME_CHARS, MAX_TITLE_ID_CHARS, MIN_TITLE_ID_CHARS } from '../limits.js'
import { bytes, integer, list, oneOf, text } from '../shape.js'
import { isName } from '../wording.js'

/** Windows takes "con.grant" for a device: what these stand before the first dot of is no file name there. */
const DEVICES = '(?!(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\\.|$))'
const TITLE_ID = new RegExp(`^${DEVICES}[a-z0-9]+(?:[.-][a-z0-9]+)*$`)

/** Groups of a-z and 0-9 joined by '.' or '-', 3 to 64 characters: safe as a file name on every system. */
export const isTitleId = (value: string): boolean =>
  value.length >= MIN_TITLE_ID_CHARS && value.length <= MAX_TITLE_ID_CHARS && TITLE_ID.test(value)

export const titleId = text(MAX_TITLE_ID_CHARS, {
  // One pattern for both: each is made anew at each start.
  test: isTitleId,
  toString: () => `at least ${MIN_TITLE_ID_CHARS} of ${TITLE_ID}`
})
export const release = integer(1, 0xffffffff)
/** Names are shown to people: no control characters, so that they cannot steer a terminal, and nothing that cannot be seen. */
export const displayName = text(MAX_NAME_CHARS, {
  test: isName,
  toString: () => 'a name without control or invisible characters'
})
/**
 * A host that a title may ask to reach: a name of the DNS in its ASCII form, any name below it with `*.` in front, with
 * a port where it is not the usual one. https, unless `http://` stands in front. Addresses are for hosts to grant.
 */
export const NET_HOST =
  /^(?:http:\/\/)?(?:\*\.)?(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?(?::[1-9][0-9]{0,4})?$/
export const hash = bytes(32)
export const publicKey = bytes(32)
export const requestId = bytes(16)

export type Scheme = 'certificate' | 'conversion'
export const scheme = oneOf('certificate', 'conversion')

export type MediumKind = 'folder' | 'drive'
export const mediumKind = oneOf('folder', 'drive')

/** How long a copy is granted: for good, to an end, to try it once, or to an end that renewals move. */
export const grantKind = oneOf('perpetual', 'expiring', 'trial', 'lease')
export type GrantKind = 'perpetual' | 'expiring' | 'trial' | 'lease'

const FEATURE = /^[a-z0-9][a-z0-9.-]*$/
const MAX_FEATURES = 32
const MAX_FEATURE_CHARS = 64
export const features = list(text(MAX_FEATURE_CHARS, FEATURE), 0, MAX_FEATURES)
/** Whether a grant can carry these. */
export const areFeatures = (names: readonly string[]): boolean =>
  names.length <= MAX_FEATURES && names.every(name => name.length <= MAX_FEATURE_CHARS && FEATURE.test(name))

/** What a grant is bound to: the medium always, the user's key unless it is a bearer grant. */
export const bind = list(oneOf('medium', 'user'), 1, 2)
export type Bind = readonly ('medium' | 'user')[]
export const isBearer = (bind: Bind): boolean => !bind.includes('user')
