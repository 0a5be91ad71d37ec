/**
 * Guests of a title, kept warm. The license is rechecked before each is handed out, from the medium as it is then; what
 * was decrypted stays in memory as long as grant and title are the same (docs/decisions/0017, 0026).
 */
import { equalBytes } from '../formats/bytes.js'
import type { EngineGuest, GuestSource } from '../sandbox/guest.js'
import { openSource, type PoolBounds } from '../sandbox/pool.js'
import { openProgram, type SealedAssets } from './decrypt.js'
import type { Home } from './home.js'
import { formsOf, prepareLaunch, startWatched, type TitleOptions } from './launch.js'
import { openLicensed } from './licensed.js'
import { measureMedium } from './medium/measure.js'
import type { Powers } from './powers.js'
import { recheck } from './recheck.js'
import { unwrapPayloadKey } from './unwrap.js'

export interface TitlePoolOptions extends TitleOptions, PoolBounds {}

/** A title that was opened, for guest after guest. */
interface Opened {
  readonly source: GuestSource
  readonly assets: SealedAssets
  readonly grantHash: Uint8Array
  readonly indexDigest: Uint8Array
  readonly release: () => void
  /** Guests of it that are not disposed of. */
  guests: number
  /** Another took its place: it goes with its last guest. */
  old: boolean
}

/** @throws CofferError of whichever step of the path refuses, at each start. */
export function titleSource(
  root: string,
  titleId: string,
  home: Home,
  powers: Powers,
  options: TitlePoolOptions
): GuestSource {
  let current: Opened | undefined
  let opening: Promise<unknown> = Promise.resolve()

  const close = async (opened: Opened) => {
    try {
      await opened.source.close()
    } finally {
      opened.release()
    }
  }

  /** What is open from here on. Of what was before, the last guest closes it, or nobody is left who would. */
  const open = async (): Promise<Opened> => {
    const before = current
    current = await openNow()
    if (before !== undefined && before !== current) {
      before.old = true
      if (before.guests === 0) await close(before)
    }
    return current
  }

  /** The path of load.ts, up to where the same license opened the same title before. */
  const openNow = async (): Promise<Opened> => {
    const medium = measureMedium(root)
    const { name, signed, title } = openLicensed(root, titleId, home)
    try {
      using license = recheck(signed, title.manifest, medium, home, powers.now())
      using key = unwrapPayloadKey(license)
      const { grantHash } = license.grant
      const { indexDigest } = title.manifest
      if (
        current !== undefined &&
        equalBytes(current.grantHash, grantHash) &&
        equalBytes(current.indexDigest, indexDigest)
      ) {
        title[Symbol.dispose]()
        return current
      }
      using program = await openProgram(title, key)
      const launch = prepareLaunch(
        { root, license: name, grant: license.grant, title, program, key },
        options,
        powers
      )
      try {
        const { assets } = program
        const source = await startWatched(
          assets,
          () => openSource(formsOf(program, options), launch.options, options),
          opened => opened.close()
        )
        return { source, assets, grantHash, indexDigest, release: launch.release, guests: 0, old: false }
      } catch (error) {
        launch.release()
        throw error
      }
    } catch (error) {
      title[Symbol.dispose]()
      throw error
    }
  }

  return {
    async start(): Promise<EngineGuest> {
      // One after the other: two that find a new license would open it twice.
      const opened = (opening = opening.then(open, open)) as Promise<Opened>
      const title = await opened
      title.guests++
      const leave = async () => {
        if (--title.guests === 0 && title.old) await close(title)
      }
      let guest: EngineGuest
      try {
        guest = await startWatched(
          title.assets,
          () => title.source.start(),
          started => started.dispose()
        )
      } catch (error) {
        await leave()
        throw error
      }
      let ended: Promise<void> | undefined
      const dispose = () => (ended ??= guest.dispose().finally(leave))
      return {
        engine: guest.engine,
        exports: guest.exports,
        ended: guest.ended,
        call: (name, ...args) => guest.call(name, ...args),
        callSync: (name, ...args) => guest.callSync(name, ...args),
        run: args => guest.run(args),
        usage: () => guest.usage(),
        watch: () => title.assets.watch(),
        dispose,
        [Symbol.asyncDispose]: dispose
      }
    },
    async close() {
      await opening.catch(() => {})
      if (current !== undefined) await close(current)
      current = undefined
    }
  }
}
