/** `coffer`: open a medium and run what is licensed on it. */
export { openMedium, type Medium, type OpenMediumOptions, type TitleInfo } from './open.js'
export type { TitleCapabilities, TitleOptions } from './launch.js'
export type { TitlePoolOptions } from './pool.js'
export type { Pool, PoolUsage } from '../sandbox/pool.js'
export type { TitleReport } from './verify.js'
export { CofferError, ERROR_CODES, type ErrorCode, type LimitUse } from '../formats/errors.js'
export { GuestError, sync, type Guest, type Limits, type Usage, type Value } from '../sandbox/guest.js'
export type { AnyApi, HostModule, TypedGuest } from '../sandbox/typed.js'
