/** `coffer/center`: a license center in a folder, for sellers who run it inside a program of their own. */
export { createCenter, openCenter, type CreateOptions, type LicenseCenter } from './center.js'
export type { Desk, GrantSummary, TermsChange, TitleSummary, UserSummary } from './desk.js'
export { serve, type ServeOptions, type Serving } from './http/http.js'
export type { Balance } from './books/balances.js'
export type { Powers, Random } from './powers.js'
export { CofferError } from '../formats/errors.js'
