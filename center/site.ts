/** What every procedure of the center works with: who it is, its keys, its books, clock and randomness. */
import { equalBytes, hex } from '../formats/bytes.js'
import { CofferError } from '../formats/errors.js'
import type { Signer } from '../formats/frame.js'
import { sha256 } from '../formats/primitives.js'
import { openRoots } from '../formats/records/root.js'
import type { Powers } from './powers.js'
import type { Books, Store, Tables } from './books/store.js'
import type { Vault } from './keys/vault.js'

export interface Site {
  readonly centerId: Uint8Array
  readonly vault: Vault
  readonly store: Store
  readonly powers: Powers
}

/** What keys and signatures are made with: all but the books. */
export type Workshop = Omit<Site, 'store'>

/** The center's own row. Read it in every transaction: another process may have changed it. */
export const centerRow = (books: Books): Promise<Tables['center']> =>
  books.selectFrom('center').selectAll().executeTakeFirstOrThrow()

/** Who signs for the center now: the first key of the newest root record, which another process may have added. */
export async function signerNow({ vault }: Pick<Site, 'vault'>, books: Books): Promise<Signer> {
  return signerBy(vault, await rootRecords(books))
}

/** The same by root records that were read. */
export function signerBy(vault: Vault, roots: readonly Uint8Array[]): Signer {
  const name = hex(sha256(...roots))
  if (name !== lastOpened?.name) {
    const { keys, former } = openRoots(roots)
    lastOpened = { name, key: keys[0]!, older: [...keys.slice(1), ...former] }
  }
  const { key, older } = lastOpened
  try {
    return vault.signer(key)
  } catch (cause) {
    if (older.some(known => vault.holds(known))) throw vaultBehind(cause)
    throw cause
  }
}

/** The key was rotated on another machine; what this one has is the center's, but older. */
const vaultBehind = (cause: unknown) =>
  new CofferError('COFFER_CENTER_FAILED', "This machine's vault is older than the keys of the center.", {
    expected: 'the signing key that is in use since the last rotation',
    found: 'older keys alone',
    hint: 'Copy the folder "vault" from the machine where you rotated; a running server sees it at once.',
    cause
  })

/** They change seldom, and cost two signatures each to open. */
let lastOpened:
  { readonly name: string; readonly key: Uint8Array; readonly older: readonly Uint8Array[] } | undefined

/** Every root record, first to newest. */
export async function rootRecords(books: Books): Promise<Uint8Array[]> {
  const rows = await books.selectFrom('roots').select('record').orderBy('sequence').execute()
  return rows.map(({ record }) => record)
}

/** @throws CofferError COFFER_REQUEST_REFUSED for a request or registration that was made for another center. */
export function refuseOtherCenter(site: Site, claimed: Uint8Array): void {
  if (equalBytes(site.centerId, claimed)) return
  throw new CofferError('COFFER_REQUEST_REFUSED', 'This was made for another center.', {
    expected: `center ${hex(site.centerId)}`,
    found: `center ${hex(claimed)}`,
    hint: 'Send it to the center it names, or get the title from a master of this center.'
  })
}
