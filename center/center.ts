/**
 * A license center is a folder:
 *
 *     center.roots     who it is: what "coffer trust" takes when there is no network; public
 *     vault/           its keys (center/keys/vault.ts)
 *     center.db        its books (center/books/store.ts), or
 *     database         the URL of the PostgreSQL database that has them
 */
import { mkdir, readdir, rm } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { basename, join, resolve } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { hex } from '../formats/bytes.js'
import { CofferError } from '../formats/errors.js'
import { recordTypeOf } from '../formats/frame.js'
import type { Amount } from '../formats/money.js'
import { encodeCheckpoint } from '../formats/records/checkpoint.js'
import { encodeRoot, encodeRoots, openRoots, rootHash } from '../formats/records/root.js'
import { act } from './http/acts.js'
import { openAdmins, type Admins } from './admins.js'
import { openDesk, type Desk } from './desk.js'
import { keptEndedFile } from './orders/ended.js'
import { fileError, flushFolder, writeWholeFile } from './files.js'
import { openAside, type Aside } from './orders/aside.js'
import { openIssue } from './orders/issue.js'
import { quote } from './orders/quote.js'
import { logWith, type SignCheckpoint } from './audit/log.js'
import { checkName } from './names.js'
import { keepPayment, type Paid } from './payment.js'
import { beginBooks, findBooks } from './books/place.js'
import { SYSTEM_POWERS, type Powers } from './powers.js'
import { receipt } from './audit/receipt.js'
import { register } from './orders/register.js'
import { openReports, type Reports } from './audit/reports.js'
import type { Admit, ValueOf } from './orders/requests.js'
import { mayTransfer, takeReturn } from './orders/returns.js'
import { firstList, renumber } from './orders/revoke.js'
import { keyRing, retireKey, revokeKey, rotateEpoch, rotateKey, type KeyRing } from './rotate.js'
import { openSessions, type Sessions } from './pages/sessions.js'
import { centerRow, rootRecords, signerBy, signerNow, type Site } from './site.js'
import { openStore, type Books, type Store } from './books/store.js'
import type { Unlock } from './keys/keyfiles.js'
import { areFiles, createKeys, openKeys, type ChosenToken } from './keys/keyplace.js'
import { createVault, openVault, type Vault } from './keys/vault.js'

const FIRST_EPOCH = 1
const VAULT = 'vault'
const ROOTS = 'center.roots'
const READY_LIMIT_MS = 5_000

/** Records in, records out; {@link serve} puts HTTP around it. */
export interface LicenseCenter {
  /** Hexadecimal: the fingerprint that buyers compare. */
  readonly centerId: string
  readonly name: string
  /** What the seller asks and decides. */
  readonly desk: Desk
  /** Who may do that from afar. */
  readonly admins: Admins
  /**
   * What a signed request asks of the desk (center/http/acts.ts).
   *
   * @param valueOf - Its method, path and headers.
   * @returns What becomes JSON. @throws CofferError.
   */
  act(name: string, request: { valueOf: ValueOf; body: Uint8Array; admit?: Admit }): Promise<unknown>
  /**
   * @param atMost - What an order may be charged; a return is charged nothing.
   * @returns The answer to an order, or to a return: the same bytes whenever the same record comes. @throws CofferError.
   */
  issue(request: Uint8Array, admit?: Admit, atMost?: Amount): Promise<Uint8Array>
  /** What an order would be charged now: a quote record. Nothing is written. @throws CofferError as {@link issue}. */
  quote(request: Uint8Array, admit?: Admit): Promise<Uint8Array>
  /**
   * Whether a copy would be handed on for an order, asked before it is given up (docs/spec.md §3.14).
   *
   * @throws CofferError what the return with that order in it would be refused for.
   */
  mayTransfer(question: Uint8Array, admit?: Admit): Promise<void>
  /** @returns The release ticket for a publisher's registration. @throws CofferError. */
  register(registration: Uint8Array, admit?: Admit): Promise<Uint8Array>
  /** All root records, first to newest, packed as one. */
  roots(): Promise<Uint8Array>
  /**
   * The receipt of an order or registration that was answered (docs/spec.md §3.11), to whoever has what was signed.
   *
   * @throws CofferError COFFER_RECORD_*, COFFER_REQUEST_REFUSED for one that was not answered.
   */
  receipt(request: Uint8Array, admit?: Admit): Promise<Uint8Array>
  /** The newest revocation list, a record. */
  revocations(): Promise<Uint8Array>
  /** Copies that have ended, which the list does not name: a record, and what it counts; undefined: there are none. */
  ended(): Promise<Uint8Array | undefined>
  /** After an older backup was put back: number the list past those that buyers have seen. @returns Its number. */
  renumber(): Promise<number>
  /**
   * Whether an order could be answered now: books that answer, also to a writer, and a vault with the key in use.
   *
   * @throws CofferError; COFFER_BUSY when the books take longer than five seconds.
   */
  ready(): Promise<void>
  /** Its own keys over time. */
  readonly keys: CenterKeys
  /** What the pages show, and who is logged in on them. */
  readonly reports: Reports
  readonly sessions: Sessions
  /** Seconds since 1970, as the center counts. */
  now(): number
  /** Post a payment, or what went back of one, once however often it is told. */
  keepPayment(provider: string, paid: Paid): Promise<boolean>
  close(): Promise<void>
}

export interface CenterKeys {
  ring(): Promise<KeyRing>
  /** A new signing key; the older ones go on counting. @returns Its public half. */
  rotateKey(): Promise<string>
  /** New masters, for media that have no copy of a user yet. @returns The epoch. */
  rotateEpoch(): Promise<number>
  /** Destroy the private half of a key that is no longer in use. */
  retire(publicKey: string): Promise<void>
  /** What this key signed counts no more. @returns Number of the root record. */
  revoke(publicKey: string): Promise<number>
}

export interface CreateOptions {
  /** What buyers see; the folder's name otherwise. */
  readonly name?: string | undefined
  /** URL of an empty PostgreSQL database for the books. The embedded one, in the folder, otherwise. */
  readonly database?: string | undefined
  /** A PKCS#11 token to make the keys in; default: files in the folder. */
  readonly token?: ChosenToken | undefined
  /** What opens the token: its PIN. */
  readonly unlock?: Unlock | undefined
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
    const place = await beginBooks(folder, options.database)
    const { vault, signKey } = await createVault(
      await createKeys(join(folder, VAULT), options.token, options.unlock, powers.random),
      powers.random
    )
    const root = await beginCenter({ name, vault, signKey, place }, powers).finally(() => vault.close())
    await writeRoots(folder, [root])
    await flushFolder(folder)
  } catch (cause) {
    // Nobody has seen the new keys, so nothing is lost; what was half made would only be in the way.
    for (const made of await readdir(folder)) await rm(join(folder, made), { recursive: true, force: true })
    throw fileError(folder, cause)
  }
  return openCenter(folder, powers, options.unlock, options.token?.load)
}

interface Beginning {
  readonly name: string
  readonly vault: Vault
  readonly signKey: Uint8Array
  /** What openStore() takes. */
  readonly place: string
}

/** Write the first entries of the books. @returns the first root record. @throws CofferError COFFER_EXISTS, COFFER_IO. */
async function beginCenter({ name, vault, signKey, place }: Beginning, powers: Powers): Promise<Uint8Array> {
  const created = powers.now()
  const signer = vault.signer(signKey)
  const root = encodeRoot({ created, epoch: FIRST_EPOCH, keys: [signKey], name, sequence: 0 }, signer)
  const centerId = rootHash(root)
  const sign = checkpointSigner(vault, powers, () => centerId)
  const store = await openStore(place, logWith(sign))
  try {
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
          revocationList: firstList(centerId, signer, created)
        })
        .execute()
    })
  } finally {
    await store.close()
  }
  return root
}

/**
 * @throws CofferError COFFER_FILE_MISSING, COFFER_HOST_UNSAFE, COFFER_CENTER_UNTRUSTED when vault and database do not
 *   belong together, COFFER_BUSY, COFFER_IO.
 */
export async function openCenter(
  folder: string,
  powers: Powers = SYSTEM_POWERS,
  unlock?: Unlock,
  load?: ChosenToken['load']
): Promise<LicenseCenter> {
  const place = await findBooks(folder)
  const vault = openVault(await openKeys(join(folder, VAULT), unlock, load))
  let store: Store | undefined
  try {
    const sign = checkpointSigner(vault, powers, () => centerId)
    store = await openStore(place, logWith(sign))
    const roots = await rootRecords(store.books)
    if (roots.length === 0) throw noBooks()
    const { centerId, name } = openRoots(roots)
    const site: Site = { centerId, vault, store, powers }
    await signerNow(site, store.books) // refuses a vault of another center
    return openedCenter(site, name, folder, asideFor(site, join(folder, VAULT), unlock))
  } catch (cause) {
    await store?.close()
    vault.close()
    throw cause
  }
}

/** A database that was lost, or is to be restored yet: made anew when it was opened, with nothing in it. */
const noBooks = () =>
  new CofferError('COFFER_FILE_MISSING', 'The database of this center is empty.', {
    expected: 'its books',
    found: 'none',
    hint: "Restore the center's folder, vault and database together, from a backup."
  })

/** A second thread is for who has a second core; it has a clock and randomness of its own, and no use of a token's session. */
function asideFor({ centerId, powers }: Site, folder: string, unlock: Unlock | undefined): Aside | undefined {
  if (availableParallelism() < 2 || powers !== SYSTEM_POWERS) return undefined
  if (!areFiles(folder) || unlock?.kind === 'pin') return undefined
  return openAside({ centerId, folder, unlock })
}

/** @param centerId - Asked when the first checkpoint is signed: the books tell it, once they are open. */
const checkpointSigner =
  (vault: Vault, powers: Powers, centerId: () => Uint8Array): SignCheckpoint =>
  (roots, size, root) =>
    encodeCheckpoint({ centerId: centerId(), issued: powers.now(), root, size }, signerBy(vault, roots))

function openedCenter(site: Site, name: string, folder: string, aside: Aside | undefined): LicenseCenter {
  const { store, vault } = site
  const issue = openIssue(site, aside)
  const desk = openDesk(site)
  const sessions = openSessions(site)
  return {
    centerId: hex(site.centerId),
    name,
    desk,
    admins: openAdmins(site),
    act: (name, request) => act({ site, desk, sessions }, name, request),
    issue: (record, admit, atMost) =>
      recordTypeOf(record) === 'return' ? takeReturn(site, record, admit) : issue(record, admit, atMost),
    quote: (request, admit) => quote(site, request, admit),
    mayTransfer: (question, admit) => mayTransfer(site, question, admit),
    receipt: (request, admit) => receipt(site, request, admit),
    register: (registration, admit) => register(site, registration, admit),
    reports: openReports(site),
    sessions,
    now: site.powers.now,
    keepPayment: (provider, paid) => keepPayment(site, provider, paid),
    roots: async () => encodeRoots(await rootRecords(store.books)),
    keys: centerKeys(site, folder, aside),
    revocations: async () => (await centerRow(store.books)).revocationList,
    ended: keptEndedFile(store),
    renumber: () => renumber(site),
    ready: () => ready(site),
    async close() {
      await aside?.close()
      await store.close()
      vault.close()
    }
  }
}

async function ready(site: Site): Promise<void> {
  const { books, writable } = site.store
  const answered = new AbortController()
  const check = async () => {
    await signerNow(site, books)
    await writable()
  }
  try {
    await Promise.race([check(), tooLate(answered.signal)])
  } finally {
    answered.abort()
  }
}

/** Who asks whether we are ready has others to send orders to, and asks again. */
async function tooLate(signal: AbortSignal): Promise<never> {
  await setTimeout(READY_LIMIT_MS, undefined, { signal })
  throw new CofferError('COFFER_BUSY', "The center's database does not answer.", {
    expected: `an answer within ${READY_LIMIT_MS / 1000} s`,
    found: 'none',
    hint: 'Try again in a moment.'
  })
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

function centerKeys(site: Site, folder: string, aside: Aside | undefined): CenterKeys {
  /** The file follows the database: written anew, it is never behind for long. */
  const published = async <T>(change: Promise<T>): Promise<T> => {
    const result = await change
    await writeRoots(folder, await rootRecords(site.store.books))
    return result
  }
  return {
    ring: () => keyRing(site),
    rotateKey: () => published(rotateKey(site)),
    rotateEpoch: () => published(rotateEpoch(site)),
    async retire(publicKey) {
      await retireKey(site, publicKey)
      await aside?.close() // its copy of the key goes too
    },
    revoke: publicKey => published(revokeKey(site, publicKey))
  }
}

/** What buyers without a network pin and update their trust from. */
const writeRoots = (folder: string, roots: readonly Uint8Array[]): Promise<void> =>
  writeWholeFile(join(folder, ROOTS), encodeRoots(roots), true)

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
