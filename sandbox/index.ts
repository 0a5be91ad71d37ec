/**
 * `coffer/sandbox`: run code that is not trusted, without licenses.
 *
 * @see docs/spec.md §7
 */
import type { LaunchOptions } from './guest.js'
import { guestFor } from './hosted.js'
import { launchProgram } from './launch.js'
import { checkOptionNames } from './options.js'
import { GuestPool, type Pool, type PoolOptions, checkSize, openSource, POOL_BOUNDS } from './pool.js'
import type { AnyApi, TypedGuest } from './typed.js'

export {
  type Argument,
  type AssetRange,
  type AssetSource,
  type Capabilities,
  DEFAULT_LIMITS,
  DEFAULT_SOFT_SHARE,
  type Engine,
  type Guest,
  GuestError,
  type HostFunction,
  type Isolation,
  type Key,
  type LaunchOptions,
  type Limits,
  type NetConnection,
  type NetGrant,
  type NetHost,
  type NetRequest,
  type NetResponse,
  type SaveChange,
  type SaveStore,
  type SourcePlace,
  type StopSignal,
  type TerminalHost,
  type Usage,
  type Value,
  sync
} from './guest.js'
export type { AnyApi, HostModule, TypedGuest } from './typed.js'
export type { Pool, PoolOptions, PoolUsage } from './pool.js'
export { GuestStream } from './stream.js'
export { CofferError, type LimitUse } from '../formats/errors.js'

/**
 * Start a program in a sandbox of its own.
 *
 * @param source - UTF-8 of one ES module, whose only imports are granted `coffer:` modules. The caller keeps the
 *   bytes, and wipes them if they are secret: the QuickJS engine keeps none, SES keeps the text as long as it runs.
 * @returns Once the program has started: its top-level code has run, awaited promises included.
 * @throws CofferError COFFER_PROGRAM_INVALID, COFFER_LIMIT_*, COFFER_INTERRUPTED, COFFER_ENGINE_FAILED; GuestError for
 *   what the program throws while it starts; TypeError for a call that its types do not allow.
 */
export async function launch<Api = AnyApi>(
  source: Uint8Array,
  options: LaunchOptions = {}
): Promise<TypedGuest<Api>> {
  if (!(source instanceof Uint8Array)) throw new TypeError('launch: source must be a Uint8Array of UTF-8')
  checkOptionNames(options)
  return guestFor<Api>(await launchProgram({ source }, options), { args: options.args })
}

/**
 * Keep warm guests of one program. A program that asks for nothing while it starts is started once, and each guest goes
 * on from there; another is started anew in each.
 *
 * @param source - As for {@link launch}.
 * @throws RangeError for a size that is no whole number from 1; TypeError as `launch` does.
 */
export async function createPool<Api = AnyApi>(source: Uint8Array, options: PoolOptions): Promise<Pool<Api>> {
  checkOptionNames(options, POOL_BOUNDS)
  checkSize(options)
  if (!(source instanceof Uint8Array)) throw new TypeError('createPool: source must be a Uint8Array of UTF-8')
  return new GuestPool<Api>(options, await openSource({ source }, options, options))
}
