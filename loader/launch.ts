/** Step 6 of the path: start a decrypted program in a sandbox, with what was granted and nothing else (§6.7). */
import { CofferError } from '../formats/errors.js'
import type { ParsedManifest } from '../formats/records/manifest.js'
import {
  type Capabilities,
  type LaunchOptions,
  type LicenseTerms,
  type Limits,
  type NetGrant,
  type Program
} from '../sandbox/guest.js'
import { guestFor } from '../sandbox/hosted.js'
import { launchProgram } from '../sandbox/launch.js'
import type { TypedGuest } from '../sandbox/typed.js'
import type { VerifiedGrant } from '../formats/records/grant.js'
import type { OpenedProgram, SealedAssets } from './decrypt.js'
import { assetsForTitle, savesForTitle } from './for-title.js'
import { mediumPaths } from './medium/layout.js'
import { lazyPlaces } from './places.js'
import type { Powers } from './powers.js'
import type { OpenTitle } from './read.js'
import { DEFAULT_SAVE_BYTES, MediumSaves } from './saves.js'
import type { PayloadKey } from './unwrap.js'

/** What a title may reach. */
export interface TitleCapabilities extends Omit<Capabilities, 'save' | 'net' | 'assets' | 'license'> {
  readonly save?: boolean | Capabilities['save']
  readonly net?: boolean | Capabilities['net']
}

export interface TitleOptions extends Omit<LaunchOptions, 'capabilities' | 'name' | 'locate'> {
  /**
   * Whether the title may start from the image that it carries, which is memory that nobody compiled. Default true. A
   * publisher who made one by hand could lead the engine where a limit on computing is no longer asked about; `false`
   * starts from the source, whose every step is metered.
   */
  readonly images?: boolean | undefined
  /**
   * What the title may reach. `save: true` gives it the medium's own sealed saves, `net: true` the hosts that its
   * manifest asks for; its assets and the terms of its license are always there. Everything that the manifest asks for
   * must be granted.
   */
  readonly capabilities?: TitleCapabilities | undefined
}

/** A title opened on its medium. */
export interface OpenedTitle {
  readonly root: string
  /** What its license is filed under, and so its saves. */
  readonly license: string
  readonly grant: VerifiedGrant
  readonly title: OpenTitle
  readonly program: OpenedProgram
  readonly key: PayloadKey
}

/**
 * @param opened - Key and source are wiped by the caller once this resolves; file and assets stay with the guest.
 * @throws CofferError COFFER_PERMISSION_NEEDED, COFFER_ENGINE_UNSUITABLE, COFFER_SAVE_DAMAGED, and what starting throws.
 */
export async function launch<Api>(
  opened: OpenedTitle,
  options: TitleOptions,
  powers: Powers
): Promise<TypedGuest<Api>> {
  const { assets } = opened.program
  const prepared = prepareLaunch(opened, options, powers)
  try {
    const guest = await startWatched(
      assets,
      () => launchProgram(formsOf(opened.program, options), prepared.options),
      started => started.dispose()
    )
    const { release } = prepared
    return guestFor<Api>(guest, { args: options.args, release, watch: () => assets.watch() })
  } catch (error) {
    prepared.release()
    throw error
  }
}

/**
 * Start what may read its assets at once. What it threw because of damage, or did not, is less than the damage itself.
 *
 * @param letGo - Of what started all the same.
 */
export async function startWatched<T>(
  assets: SealedAssets,
  start: () => Promise<T>,
  letGo: (started: T) => Promise<void> | void
): Promise<T> {
  const settled = assets.watch()
  const outcome = await start().then(
    started => ({ started }),
    (error: unknown) => ({ error })
  )
  try {
    settled()
  } catch (damage) {
    if ('started' in outcome) await letGo(outcome.started)
    throw damage
  }
  if ('error' in outcome) throw outcome.error
  return outcome.started
}

/** The forms of a program that its host takes. */
export const formsOf = ({ source, image }: Program, { images = true }: TitleOptions): Program =>
  images ? { source, image } : { source }

/**
 * What a guest of a title is started with. The key may be wiped afterwards.
 *
 * @returns Options, and what to call when the last guest of them has ended.
 */
export function prepareLaunch(
  { root, license, grant, title, program, key }: OpenedTitle,
  options: TitleOptions,
  powers: Powers
): { readonly options: LaunchOptions; readonly release: () => void } {
  const { manifest } = title
  const { save: saveGrant, net: netGrant, ...granted } = options.capabilities ?? {}
  const saves =
    saveGrant === true
      ? new MediumSaves(mediumPaths(root), manifest.id, key, powers, saveQuotaBytes(manifest), license)
      : undefined
  const release = () => {
    saves?.[Symbol.dispose]()
    program.assets[Symbol.dispose]()
    title[Symbol.dispose]()
  }
  try {
    checkPermissions(manifest, options.capabilities ?? {})
    const engine = chooseEngine(manifest, options.engine)
    saves?.verify()
    const { folder } = mediumPaths(root)
    const save =
      (saves && savesForTitle(saves, folder)) ?? (typeof saveGrant === 'object' ? saveGrant : undefined)
    const net = typeof netGrant === 'object' ? netGrant : netGrant && askedHosts(manifest)
    const launchOptions: LaunchOptions = {
      ...options,
      engine,
      name: `${manifest.id}.js`,
      locate: lazyPlaces(() => program.assets.readPlaces()),
      limits: { ...manifestLimits(manifest), ...options.limits },
      capabilities: {
        ...granted,
        assets: assetsForTitle(program.assets, folder),
        license: licenseTerms(grant),
        ...(save === undefined ? {} : { save }),
        ...(net === undefined || net === false ? {} : { net })
      }
    }
    return { options: launchOptions, release }
  } catch (error) {
    release()
    throw error
  }
}

/** What `coffer:license` tells the title. */
const licenseTerms = ({ kind, features, expires }: VerifiedGrant): LicenseTerms => ({
  kind,
  features,
  expires: expires === undefined ? null : expires * 1000
})

/** Limits that the title's manifest asks for; the host's own come on top. */
export function manifestLimits({ limits }: Pick<ParsedManifest, 'limits'>): Partial<Limits> {
  return {
    ...(limits.memoryMiB === undefined ? {} : { memoryBytes: limits.memoryMiB * 1024 * 1024 }),
    ...(limits.cpuMs === undefined ? {} : { cpuMs: limits.cpuMs }),
    ...(limits.wallMs === undefined ? {} : { wallMs: limits.wallMs }),
    ...(limits.outputMiB === undefined ? {} : { outputBytes: limits.outputMiB * 1024 * 1024 })
  }
}

/** The network as far as the title asks for it. */
const askedHosts = ({ net }: Pick<ParsedManifest, 'net'>): NetGrant | undefined =>
  net === undefined ? undefined : { allow: net }

/** What the title may keep on a medium. */
export const saveQuotaBytes = ({ limits }: Pick<ParsedManifest, 'limits'>): number =>
  limits.saveMiB === undefined ? DEFAULT_SAVE_BYTES : limits.saveMiB * 1024 * 1024

function checkPermissions(manifest: ParsedManifest, capabilities: object): void {
  const missing = manifest.permissions.filter(
    permission => permission !== 'assets' && !(capabilities as Record<string, unknown>)[permission]
  )
  if (missing.length === 0) return
  throw new CofferError('COFFER_PERMISSION_NEEDED', `"${manifest.name}" asks for: ${missing.join(', ')}.`, {
    expected: `permission for ${manifest.permissions.join(', ')}`,
    found: `none for ${missing.join(', ')}`,
    hint: `If you trust it with that, add ${missing.map(name => `--allow ${name}`).join(' ')} (in a host app: capabilities).`
  })
}

function chooseEngine(manifest: ParsedManifest, asked: TitleOptions['engine']): 'quickjs' | 'ses' {
  if (asked === undefined || asked === manifest.engine) return manifest.engine
  if (!manifest.engineRequired) return asked
  throw new CofferError('COFFER_ENGINE_UNSUITABLE', `"${manifest.name}" runs on ${manifest.engine} only.`, {
    expected: manifest.engine,
    found: asked,
    hint: `Leave out --engine, or give --engine ${manifest.engine}.`
  })
}
