/** The manager application on a medium, MA of the seed's FIG. 3(A): one file that runs wherever there is Node. */
import { join } from 'node:path'
import { CofferError } from '../../formats/errors.js'
import { readResource } from '../../sandbox/resources.js'
import { makeFolder } from '../files.js'
import { writeFile } from '../pending.js'

const MANAGER_NAME = 'coffer.mjs'

/**
 * Put this very program, as one file, into a folder. It holds no secret and nothing of a person.
 *
 * @returns Its path there.
 * @throws CofferError COFFER_FILE_MISSING where this program has no such file beside it; of writing.
 */
export function installManager(folder: string): string {
  let bytes: Uint8Array
  try {
    bytes = readResource(MANAGER_NAME)
  } catch (cause) {
    throw new CofferError('COFFER_FILE_MISSING', 'The program as one file is not beside this one.', {
      expected: MANAGER_NAME,
      found: 'no such file',
      hint: 'Install coffer again, or leave out --with-manager.',
      cause
    })
  }
  makeFolder(folder)
  const path = join(folder, MANAGER_NAME)
  writeFile(path, bytes, 0o755)
  return path
}
