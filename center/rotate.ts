/**
 * The center's keys over time. Every change of them is a root record that follows from the one before, so that
 * whoever pinned the first follows to the newest (docs/spec.md §3.1):
 *
 *     a new signing key     signs from now on; what older keys signed goes on counting
 *     a retired key         its private half is destroyed: nobody can steal it any more
 *     a revoked key         the newest root record no longer names it: what it signed counts no more
 *     a new epoch           new masters, for copies on media that have none yet
 *
 * Each publishes a new revocation list too, signed with the key in use: list and root records travel together.
 */
import { equalBytes, fromHex, hex } from '../formats/bytes.js'
import { CofferError } from '../formats/errors.js'
import { encodeRoot, MAX_KEYS, MAX_ROOTS, openRoots, rootHash, type Root } from '../formats/records/root.js'
import { publishList } from './orders/revoke.js'
import { centerRow, rootRecords, type Site } from './site.js'
import type { Books } from './books/store.js'

export interface KeySummary {
  /** Hexadecimal. */
  readonly publicKey: string
  /** `in use` signs; what `counting` signed still counts; what `revoked` signed does not. */
  readonly state: 'in use' | 'counting' | 'revoked'
  /** Number of the root record that first named it. */
  readonly since: number
  /** Whether its private half is in the vault. */
  readonly held: boolean
}

export interface KeyRing {
  readonly keys: readonly KeySummary[]
  readonly epoch: number
  /** Number of the newest root record. */
  readonly sequence: number
}

export async function keyRing(site: Site): Promise<KeyRing> {
  const { keys, former, epoch, sequence } = openRoots(await rootRecords(site.store.books))
  const since = await firstNamed(site.store.books)
  const summary = (publicKey: Uint8Array, state: KeySummary['state']): KeySummary => ({
    publicKey: hex(publicKey),
    state,
    since: since.get(hex(publicKey))!,
    held: site.vault.holds(publicKey)
  })
  return {
    keys: [
      ...keys.map((key, index) => summary(key, index === 0 ? 'in use' : 'counting')),
      ...former.map(key => summary(key, 'revoked'))
    ],
    epoch,
    sequence
  }
}

async function firstNamed(books: Books): Promise<Map<string, number>> {
  const records = await rootRecords(books)
  const since = new Map<string, number>()
  for (const [sequence] of records.entries())
    for (const key of openRoots(records.slice(0, sequence + 1)).keys)
      if (!since.has(hex(key))) since.set(hex(key), sequence)
  return since
}

/** A new signing key. The older ones go on counting. @returns Its public half. */
export async function rotateKey(site: Site): Promise<string> {
  // First and durably: a key that no root record names yet does no harm.
  const publicKey = await site.vault.makeSigner(site.powers.random)
  await publishRoot(site, ({ keys }) => ({ keys: [publicKey, ...keys] }))
  return hex(publicKey)
}

/** New masters, for media that have no copy of a user yet. @returns The epoch. */
export async function rotateEpoch(site: Site): Promise<number> {
  const { epoch } = await centerRow(site.store.books)
  const next = epoch + 1
  await site.vault.makeEpoch(next, site.powers.random)
  await publishRoot(site, root => {
    // Somebody else was faster; once is what was asked for.
    return root.epoch >= next ? undefined : { epoch: next }
  })
  return next
}

/** Destroy the private half of a key that is no longer in use. What it signed goes on counting. */
export async function retireKey(site: Site, publicKey: string): Promise<void> {
  const { keys, former } = openRoots(await rootRecords(site.store.books))
  const key = fromHex(publicKey)
  if (equalBytes(keys[0]!, key)) throw inUse('retire')
  if (![...keys, ...former].some(known => equalBytes(known, key))) throw noSuchKey(publicKey)
  await site.vault.removeSigner(key)
}

/**
 * What this key signed counts no more: grants, titles and lists, wherever the new root record gets to. A key in use
 * is replaced first.
 *
 * @returns Number of the root record that no longer names it.
 */
export async function revokeKey(site: Site, publicKey: string): Promise<number> {
  const key = fromHex(publicKey)
  const { keys, former, sequence } = openRoots(await rootRecords(site.store.books))
  if (former.some(known => equalBytes(known, key))) return sequence
  if (!keys.some(known => equalBytes(known, key))) throw noSuchKey(publicKey)
  const successor = equalBytes(keys[0]!, key) ? await site.vault.makeSigner(site.powers.random) : undefined
  const without = await publishRoot(site, root => ({
    keys: [...(successor ? [successor] : []), ...root.keys.filter(known => !equalBytes(known, key))]
  }))
  await site.vault.removeSigner(key)
  return without
}

type Change = Partial<Pick<Root, 'keys' | 'epoch'>>

/**
 * Add a root record, signed by the key that is then in use and by the one before it.
 *
 * @param change - What is to be different; undefined: nothing after all.
 * @returns The number of the newest root record.
 */
function publishRoot(
  site: Site,
  change: (newest: { keys: readonly Uint8Array[]; epoch: number }) => Change | undefined
): Promise<number> {
  return site.store.transaction(async books => {
    const records = await rootRecords(books)
    const newest = openRoots(records)
    const changed = change(newest)
    if (changed === undefined) return newest.sequence
    const { keys, epoch } = { ...newest, ...changed }
    if (keys.length > MAX_KEYS) throw full('signing keys', MAX_KEYS)
    if (records.length >= MAX_ROOTS) throw full('root records', MAX_ROOTS)
    const { name } = await centerRow(books)
    const created = site.powers.now()
    const sequence = newest.sequence + 1
    const record = encodeRoot(
      { created, epoch, keys, name, previous: rootHash(records.at(-1)!), sequence },
      site.vault.signer(keys[0]!),
      ...(equalBytes(keys[0]!, newest.keys[0]!) ? [] : [site.vault.signer(newest.keys[0]!)])
    )
    await books.insertInto('roots').values({ sequence, record }).execute()
    await books.updateTable('center').set({ epoch }).execute()
    await publishList(site, books, created, { rooted: true })
    return sequence
  })
}

const inUse = (verb: string) =>
  new CofferError('COFFER_REQUEST_REFUSED', `Cannot ${verb} the signing key that is in use.`, {
    expected: 'an older key',
    found: 'the one that signs now',
    hint: 'Make a new one first: "coffer-center rotate <folder> key".'
  })

const noSuchKey = (publicKey: string) =>
  new CofferError('COFFER_USAGE', `The center has no signing key ${publicKey}.`, {
    hint: 'List them with "coffer-center rotate <folder> list".'
  })

const full = (what: string, most: number) =>
  new CofferError('COFFER_REQUEST_REFUSED', `The center has as many ${what} as there can be.`, {
    expected: `at most ${most}`,
    found: 'one more',
    hint: 'Revoke a key that nothing of worth is signed with any more: "coffer-center revoke <folder> key <key>".'
  })
