/** What a title hears where its medium fails: by which code, and of no path of its host, which names the person. */
import { CofferError } from '../formats/errors.js'
import type { AssetSource, SaveStore } from '../sandbox/guest.js'

/** @param folder - What every path of the medium begins with. */
export function savesForTitle(saves: SaveStore, folder: string): SaveStore {
  const told = telling(folder)
  return {
    list: () => told(() => saves.list()),
    read: slot => told(() => saves.read(slot)),
    commit: (changes, basis) => told(() => saves.commit(changes, basis)),
    revision: () => told(() => saves.revision())
  }
}

/** @param folder - What every path of the medium begins with. */
export function assetsForTitle(assets: AssetSource, folder: string): AssetSource {
  const told = telling(folder)
  return {
    list: () => assets.list(),
    read: (path, range) => told(() => assets.read(path, range))
  }
}

const telling =
  (folder: string) =>
  <T>(work: () => T | Promise<T>): T | Promise<T> => {
    const tell = (error: unknown): never => {
      throw withoutPath(error, folder)
    }
    try {
      const result = work()
      return result instanceof Promise ? result.catch(tell) : result
    } catch (error) {
      return tell(error)
    }
  }

function withoutPath(error: unknown, folder: string): unknown {
  if (!(error instanceof Error) || !error.message.includes(folder)) return error
  const code = error instanceof CofferError ? error.code : 'COFFER_IO'
  const what =
    code === 'COFFER_SAVE_DAMAGED'
      ? 'a save is damaged'
      : 'the medium cannot be read, or what is on it is damaged'
  return new CofferError(code, `Cannot go on: ${what}.`, {
    hint: 'Check that the medium is connected, and verify the title on it.',
    cause: error
  })
}
