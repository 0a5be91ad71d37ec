/** Where a center's keys are: files in its vault, or the PKCS#11 token that a file there names. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { hex, utf8 } from '../../formats/bytes.js'
import { CofferError } from '../../formats/errors.js'
import { writeWholeFile } from '../files.js'
import { createKeyFiles, makePrivateFolder, openKeyFiles, refuseShared, type Unlock } from './keyfiles.js'
import type { KeyStore } from './keystore.js'
import { openToken, type LoadBinding, type Token } from './pkcs11.js'
import type { Random } from '../powers.js'

const TOKEN = 'token'

/** What a new center's token is, as the seller says it. */
export interface ChosenToken extends Pick<Token, 'module' | 'label'> {
  /** For tests: the binding that is loaded otherwise. */
  readonly load?: LoadBinding
}

/** @param folder - Must not exist yet. */
export async function createKeys(
  folder: string,
  chosen: ChosenToken | undefined,
  unlock: Unlock | undefined,
  random: Random
): Promise<KeyStore> {
  if (chosen === undefined) return createKeyFiles(folder)
  const { module, label, load } = chosen
  const token: Token = { module, label, prefix: `coffer-${hex(random(8))}/` }
  const store = await openToken(token, pinOf(unlock), load)
  await makePrivateFolder(folder)
  await writeWholeFile(join(folder, TOKEN), utf8(`${JSON.stringify(token)}\n`))
  return store
}

/** Whether they are files, which any thread can open for itself. */
export const areFiles = (folder: string): boolean => !existsSync(join(folder, TOKEN))

/** @throws CofferError as {@link openKeyFiles} and {@link openToken}. */
export async function openKeys(folder: string, unlock?: Unlock, load?: LoadBinding): Promise<KeyStore> {
  if (areFiles(folder)) return openKeyFiles(folder, unlock)
  refuseShared(folder)
  return openToken(readToken(join(folder, TOKEN)), pinOf(unlock), load)
}

const pinOf = (unlock: Unlock | undefined): string | undefined =>
  unlock?.kind === 'pin' ? unlock.pin : undefined

function readToken(path: string): Token {
  try {
    const { module, label, prefix } = JSON.parse(readFileSync(path, 'utf8')) as Token
    if ([module, label, prefix].every(text => typeof text === 'string')) return { module, label, prefix }
  } catch {
    // Said below.
  }
  throw new CofferError('COFFER_FILE_MISSING', `Cannot open the vault: ${path} does not name a token.`, {
    expected: 'a module, a label and a prefix',
    found: 'something else',
    hint: "Restore the center's folder from a backup."
  })
}
