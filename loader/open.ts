/** The library's view of a target medium: `openMedium(path)` (docs/spec.md §6). */
import { hex } from '../formats/bytes.js'
import { CofferError } from '../formats/errors.js'
import type { AnyApi, TypedGuest } from '../sandbox/typed.js'
import type { Pool } from '../sandbox/pool.js'
import { Home } from './home.js'
import type { TitleOptions } from './launch.js'
import { launchTitle } from './load.js'
import { measureMedium, refuseNoMedium } from './medium/measure.js'
import { checkOptions, checkText, MEDIUM, TITLE } from './options.js'
import type { TitlePoolOptions } from './pool.js'
import { POWERS, type Powers } from './powers.js'
import { listTitles, openTitleFile } from './read.js'
import { inTurns } from './steps.js'
import { verifyingTitle, type TitleReport } from './verify.js'

export interface OpenMediumOptions {
  /** User key and pinned centers, or their folder. Default: COFFER_HOME, else the platform's config folder. */
  readonly home?: string | Home | undefined
  /** Clock and randomness, for tests. */
  readonly powers?: Powers | undefined
}

/** What a title on a medium says of itself. Listing checks nothing but that each file is whole at its head. */
export interface TitleInfo {
  readonly id: string
  readonly name: string
  readonly release: number
  readonly version: string
  readonly scheme: 'certificate' | 'conversion'
  readonly engine: 'quickjs' | 'ses'
  readonly permissions: readonly string[]
  readonly payloadBytes: number
  readonly granted: boolean
}

export interface Medium {
  readonly path: string
  readonly kind: 'folder' | 'drive'
  /** Hexadecimal, as measured when the medium was opened. */
  readonly mediumId: string
  /** @throws CofferError COFFER_MEDIUM_MISSING once it was taken out. */
  titles(): Promise<TitleInfo[]>
  /** Read, recheck, decrypt in memory, start. @throws CofferError of whichever step refuses. */
  launch<Api = AnyApi>(titleId: string, options?: TitleOptions): Promise<TypedGuest<Api>>
  /**
   * Keep warm guests of a title. It is read, rechecked and decrypted when the first is taken; the license is rechecked
   * before each. @throws RangeError for a size that is no whole number from 1.
   */
  pool<Api = AnyApi>(titleId: string, options: TitlePoolOptions): Promise<Pool<Api>>
  /**
   * Go the whole path without starting anything. Others have their turns in this thread meanwhile.
   *
   * @throws CofferError COFFER_INTERRUPTED by the signal; what is wrong with the title is in the report.
   */
  verify(titleId: string, options?: { readonly signal?: AbortSignal | undefined }): Promise<TitleReport>
}

/**
 * Open a target medium.
 *
 * @param path - Its folder, which holds `.coffer/`.
 * @throws CofferError COFFER_MEDIUM_MISSING, COFFER_RECORD_*, COFFER_USAGE for wrong arguments, here and below.
 */
export async function openMedium(path: string, options: OpenMediumOptions = {}): Promise<Medium> {
  checkText(path, 'openMedium()', MEDIUM)
  checkOptions(options, 'openMedium()', MEDIUM_OPTIONS)
  const home = options.home instanceof Home ? options.home : new Home(options.home)
  const powers = options.powers ?? POWERS
  const { identity, mediumId } = measureMedium(path)
  return {
    path,
    kind: identity.kind,
    mediumId: hex(mediumId),
    titles: async () => {
      refuseNoMedium(path)
      return titlesOf(path)
    },
    launch: async <Api>(titleId: string, titleOptions?: TitleOptions) => {
      checkText(titleId, 'launch()', TITLE)
      checkOptions(titleOptions, 'launch()', Object.keys(TITLE_OPTIONS))
      return launchTitle<Api>(path, titleId, home, powers, titleOptions)
    },
    pool: async <Api>(titleId: string, poolOptions: TitlePoolOptions) => {
      checkText(titleId, 'pool()', TITLE)
      const { checkSize, GuestPool, POOL_BOUNDS } = await import('../sandbox/pool.js')
      checkOptions(poolOptions ?? null, 'pool()', [...POOL_BOUNDS, ...Object.keys(TITLE_OPTIONS)])
      const { titleSource } = await import('./pool.js')
      checkSize(poolOptions)
      return new GuestPool<Api>(poolOptions, titleSource(path, titleId, home, powers, poolOptions))
    },
    verify: async (titleId, options = {}) => {
      checkText(titleId, 'verify()', TITLE)
      checkOptions(options, 'verify()', ['signal'])
      return inTurns(verifyingTitle(path, titleId, home, powers), options.signal)
    }
  }
}

const MEDIUM_OPTIONS: readonly (keyof OpenMediumOptions)[] = ['home', 'powers']
/** All of them: one that is added to the type does not compile without its entry here. */
const TITLE_OPTIONS: Readonly<Record<keyof TitleOptions, true>> = {
  engine: true,
  isolation: true,
  limits: true,
  capabilities: true,
  args: true,
  stdout: true,
  stderr: true,
  signal: true,
  softShare: true,
  onSoftLimit: true,
  seed: true,
  images: true
}

/** @throws CofferError when a sealed title's head is damaged. */
function titlesOf(root: string): TitleInfo[] {
  return listTitles(root).flatMap(({ titleId, hasGrant, files }) =>
    files.map(({ release, path }) => {
      using title = openTitleFile(path)
      const { id, name, version, scheme, engine, permissions, payloadBytes } = title.manifest
      if (id !== titleId || title.manifest.release !== release) {
        throw new CofferError(
          'COFFER_TITLE_MISMATCH',
          `The file of ${titleId} release ${release} holds another title.`,
          {
            expected: `${titleId} release ${release}`,
            found: `${id} release ${title.manifest.release}`,
            hint: 'Copy the title to the medium again with "coffer copy".'
          }
        )
      }
      return { id, name, release, version, scheme, engine, permissions, payloadBytes, granted: hasGrant }
    })
  )
}
