/**
 * The path, on one screen (docs/spec.md §6; FIG. 6 and FIG. 10 of the seed): read the medium, recheck, recover the
 * key, decrypt in memory only, run in a sandbox. Each step needs what only the step before it makes, so that leaving
 * one out does not compile.
 */
import type { VerifiedGrant } from '../formats/records/grant.js'
import type { ParsedManifest } from '../formats/records/manifest.js'
import type { AnyApi, TypedGuest } from '../sandbox/typed.js'
import { openProgram } from './decrypt.js'
import type { Home } from './home.js'
import { launch, type TitleOptions } from './launch.js'
import { openLicensed } from './licensed.js'
import { measureMedium } from './medium/measure.js'
import type { Powers } from './powers.js'
import { recheck } from './recheck.js'
import { unwrapPayloadKey } from './unwrap.js'

/**
 * Read, recheck, decrypt and start one title of a medium.
 *
 * @param root - The medium's folder.
 * @param options - Or a function that decides on them once the license holds, before anything is decrypted: there a
 *   person can be asked what the title may use.
 * @throws CofferError of every step; nothing of the title has run then.
 */
export async function launchTitle<Api = AnyApi>(
  root: string,
  titleId: string,
  home: Home,
  powers: Powers,
  options: TitleOptions | ((manifest: ParsedManifest, grant: VerifiedGrant) => Promise<TitleOptions>) = {}
): Promise<TypedGuest<Api>> {
  const medium = measureMedium(root) // IDk, Mid: region 42, and the medium itself
  const { name, signed, title } = openLicensed(root, titleId, home) // region 41: whose grant is it?
  try {
    using license = recheck(signed, title.manifest, medium, home, powers.now()) // CS against CS'
    const decided = typeof options === 'function' ? await options(title.manifest, license.grant) : options
    using key = unwrapPayloadKey(license) // Kd, or Ku out of EMid(Ku)
    using program = await openProgram(title, key) // memory only
    return await launch({ root, license: name, grant: license.grant, title, program, key }, decided, powers)
  } catch (error) {
    title[Symbol.dispose]()
    throw error
  }
}
