/**
 * A license center is a folder:
 *
 *     center.roots     who it is: what "coffer trust" takes when there is no network; public
 *     vault/           its keys (center/vault.ts)
 *     center.db        its books (center/store.ts), or
 *     database         the URL of the PostgreSQL database that has them
 */
import { mkdir, readdir, rm } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import { equalBytes, hex } from '../formats/bytes.js'
import { CofferError } from '../formats/errors.js'
import { encode } from '../formats/msgpack.js'
import { encodeCheckpoint } from '../formats/records/checkpoint.js'
import { encodeRoot, openRoots, rootHash } from '../formats/records/root.js'
import { openDesk, type Desk } from './desk.js'
import { fileError, flushFolder, writeWholeFile } from './files.js'
import { issue } from './issue.js'
import { logWith, type SignCheckpoint } from './log.js'
import { checkName } from './names.js'
import { beginBooks, findBooks } from './place.js'
import { SYSTEM_POWERS, type Powers } from './powers.js'
import { receipt } from './receipt.js'
import { register } from './register.js'
import type { Admit } from './requests.js'
import { firstList } from './revoke.js'
import { centerRow, rootRecords, type Site } from './site.js'
import { openStore, type Books, type Store } from './store.js'
import { createVault, openVault, type Vault } from './vault.js'

const FIRST_EPOCH = 1
const VAULT = 'vault'
const ROOTS = 'center.roots'

/** Records in, records out; {@link serve} puts HTTP around it. */
export interface LicenseCenter {
  /** Hexadecimal: the fingerprint that buyers compare. */
  readonly centerId: string
  readonly name: string
  /** What the seller asks and decides. */
  readonly desk: Desk
  /** @returns The answer to an order, the same bytes whenever the same order comes. @throws CofferError. */
  issue(request: Uint8Array, admit?: Admit): Promise<Uint8Array>
  /** @returns The release ticket for a publisher's registration. @throws CofferError. */
  register(registration: Uint8Array, admit?: Admit): Promise<Uint8Array>
  /** `{ roots: [record, ...] }`, first to newest, in the MessagePack profile of formats/msgpack.ts. */
  roots(): Promise<Uint8Array>
  /**
   * The receipt of an order or registration that was answered (docs/spec.md §3.11), to whoever has what was signed.
   *
   * @throws CofferError COFFER_RECORD_*, COFFER_REQUEST_REFUSED for one that was not answered.
   */
  receipt(request: Uint8Array, admit?: Admit): Promise<Uint8Array>
  /** The newest revocation list, a record. */
  revocations(): Promise<Uint8Array>
  close(): Promise<void>
}

export interface CreateOptions {
  /** What buyers see; the folder's name otherwise. */
  readonly name?: string | undefined
  /** URL of an empty PostgreSQL database for the books. The embedded one, in the folder, otherwise. */
  readonly database?: string | undefined
}

/**
 * Make the keys, books and root record of a new center, and open it.
 *
 * @param folder - Must not exist yet, or be empty.
 * @throws CofferError COFFER_EXISTS, COFFER_USAGE, COFFER_CANNOT_CREATE, COFFER_DISK_FULL, COFFER_IO.
 */
export async function createCenter(
  folder: string,
  options: CreateOptions = {},
  powers: Powers = SYSTEM_POWERS
): Promise<LicenseCenter> {
  const name = checkName(options.name ?? basename(resolve(folder)))
  await makeEmptyFolder(folder)
  try {
    const vault = await createVault(join(folder, VAULT), powers.random)
    const created = powers.now()
    const root = vault.sign(encodeRoot, {
      created,
      epoch: FIRST_EPOCH,
      keys: [vault.signKey],
      name,
      sequence: 0
    })
    const centerId = rootHash(root)

    const sign = checkpointSigner(vault, powers, () => centerId)
    const store = await openStore(await beginBooks(folder, options.database), logWith(sign))
    await store.transaction(async books => {
      await refuseBegun(books)
      await books.insertInto('roots').values({ sequence: 0, record: root }).execute()
      await books
        .insertInto('center')
        .values({
          centerId: hex(centerId),
          name,
          enrolmentOpen: 1,
          epoch: FIRST_EPOCH,
          revocationSequence: 1,
          revocationList: firstList({ vault, centerId }, created)
        })
        .execute()
    })
    await store.close()
    vault.close()
    await writeWholeFile(join(folder, ROOTS), encode({ roots: [root] }))
    await flushFolder(folder)
  } catch (cause) {
    // Nobody has seen the new keys, so nothing is lost; what was half made would only be in the way.
    for (const made of await readdir(folder)) await rm(join(folder, made), { recursive: true, force: true })
    throw fileError(folder, cause)
  }
  return openCenter(folder, powers)
}

/**
 * @throws CofferError COFFER_FILE_MISSING, COFFER_HOST_UNSAFE, COFFER_CENTER_UNTRUSTED when vault and database do not
 *   belong together, COFFER_BUSY, COFFER_IO.
 */
export async function openCenter(folder: string, powers: Powers = SYSTEM_POWERS): Promise<LicenseCenter> {
  const place = await findBooks(folder)
  const vault = await openVault(join(folder, VAULT))
  let store: Store | undefined
  try {
    const sign = checkpointSigner(vault, powers, () => centerId)
    store = await openStore(place, logWith(sign))
    const { centerId, name, keys } = openRoots(await rootRecords(store.books))
    if (!keys.some(key => equalBytes(key, vault.signKey))) throw strangers(folder)
    return openedCenter({ centerId, vault, store, powers }, name)
  } catch (cause) {
    await store?.close()
    vault.close()
    throw cause
  }
}

/** @param centerId - Asked when the first checkpoint is signed: the books tell it, once they are open. */
const checkpointSigner =
  (vault: Vault, powers: Powers, centerId: () => Uint8Array): SignCheckpoint =>
  (size, root) =>
    vault.sign(encodeCheckpoint, { centerId: centerId(), issued: powers.now(), root, size })

function openedCenter(site: Site, name: string): LicenseCenter {
  const { store, vault } = site
  return {
    centerId: hex(site.centerId),
    name,
    desk: openDesk(site),
    issue: (request, admit) => issue(site, request, admit),
    receipt: (request, admit) => receipt(site, request, admit),
    register: (registration, admit) => register(site, registration, admit),
    roots: async () => encode({ roots: await rootRecords(store.books) }),
    revocations: async () => (await centerRow(store.books)).revocationList,
    async close() {
      await store.close()
      vault.close()
    }
  }
}

/** @throws CofferError COFFER_EXISTS for a database that has the books of a center already. */
async function refuseBegun(books: Books): Promise<void> {
  const begun = await books.selectFrom('center').select('centerId').executeTakeFirst()
  if (begun === undefined) return
  throw new CofferError('COFFER_EXISTS', 'This database has the books of a center already.', {
    expected: 'an empty database',
    found: `the books of center ${begun.centerId}`,
    hint: 'Name another database. Another instance of that center needs a copy of its folder, not init.'
  })
}

async function makeEmptyFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 })
    if ((await readdir(folder)).length === 0) return
  } catch (cause) {
    throw fileError(folder, cause)
  }
  throw new CofferError('COFFER_EXISTS', `${folder} is there already and not empty.`, {
    expected: 'a new or empty folder',
    found: 'a folder with something in it',
    hint: 'Name another folder. A center that is there already needs no init.'
  })
}

const strangers = (folder: string) =>
  new CofferError('COFFER_CENTER_UNTRUSTED', `Vault and database in ${folder} do not belong together.`, {
    expected: "a vault with the key of the center's newest root record",
    found: 'another key',
    hint: "Restore the center's folder, vault and database together, from a backup."
  })
