/** What is done with the center's own keys, and with whom it lets in: where its folder is, and there alone. */
import { join } from 'node:path'
import { CofferError } from '../../../formats/errors.js'
import { grouped } from '../../../formats/screen.js'
import { asTyped } from '../../../formats/wording.js'
import { parsePublicKeys } from '../../../formats/keys.js'
import { createCenter, type CenterKeys, type CreateOptions } from '../../center.js'
import { aloneWith, findBooks } from '../../books/place.js'
import {
  createVaultKeyFile,
  lockOf,
  openKeyFiles,
  refuseInside,
  relockKeyFiles,
  type FileUnlock
} from '../../keys/keyfiles.js'
import { notOneText } from '../../names.js'
import { SYSTEM_POWERS } from '../../powers.js'
import { shortId, table, timeText, type Result } from '../screen.js'
import { publisherId } from './desk.js'
import { inFolder, isAddress, refuseAddress, remote, unlockFromEnvironment } from './reach.js'

export async function init(
  folder: string,
  options: Pick<CreateOptions, 'name' | 'database' | 'token'>
): Promise<Result> {
  refuseAddress(folder)
  const center = await createCenter(folder, { ...options, unlock: unlockFromEnvironment() })
  const { centerId } = center
  await center.close()
  return {
    json: { centerId, fingerprint: grouped(centerId), name: center.name, folder },
    text: centerId,
    note: `Made the license center "${center.name}" in ${folder}. Above is its id. As the fingerprint that buyers compare:
  ${grouped(centerId)}
Back up the whole folder, and keep ${folder}/vault secret.`
  }
}

export const listKeys = (folder: string): Promise<Result> =>
  inFolder(folder, async ({ keys }) => {
    const { keys: ring, epoch, sequence } = await keys.ring()
    return {
      json: { keys: ring, epoch, root: sequence },
      text: `${table(
        ['SIGNING KEY', 'STATE', 'SINCE ROOT', 'IN THE VAULT'],
        ring.map(({ publicKey, state, since, held }) => [
          shortId(publicKey),
          state,
          String(since),
          held ? 'yes' : 'no'
        ]),
        'No keys.'
      )}\n\nepoch ${epoch}, root record ${sequence}`
    }
  })

export const rotateKey = (folder: string): Promise<Result> =>
  inFolder(folder, async ({ keys }) => {
    const publicKey = await keys.rotateKey()
    return {
      json: { key: publicKey },
      text: publicKey,
      note: 'This key signs from now on. What older keys signed goes on counting. Back up the vault again.'
    }
  })

export const rotateEpoch = (folder: string): Promise<Result> =>
  inFolder(folder, async ({ keys }) => {
    const epoch = await keys.rotateEpoch()
    return {
      json: { epoch },
      text: `epoch ${epoch}`,
      note: 'Media without a copy get keys of this epoch; the others keep theirs. Back up the vault again.'
    }
  })

export const retireKey = (folder: string, typed: string): Promise<Result> =>
  inFolder(folder, async ({ keys }) => {
    const publicKey = await findKey(keys, typed)
    await keys.retire(publicKey)
    return {
      json: { key: publicKey },
      text: publicKey,
      note: 'Its private half is destroyed. What it signed goes on counting; "revoke" would end that.'
    }
  })

/** What the center signed counts no more: a matter of root records, not of the list (center/rotate.ts). */
export const revokeKey = (folder: string, typed: string): Promise<Result> =>
  inFolder(folder, async ({ keys }) => {
    const publicKey = await findKey(keys, typed)
    const sequence = await keys.revoke(publicKey)
    return {
      json: { kind: 'key', id: publicKey, root: sequence },
      text: `key ${publicKey} is revoked by root record ${sequence}`,
      note: `What it signed counts no more wherever that record gets to, with the next order, renewal or master.
Buyers get fresh grants for nothing with "coffer renew"; press your masters again.`
    }
  })

async function findKey(keys: CenterKeys, typed: string): Promise<string> {
  const found = (await keys.ring()).keys.filter(({ publicKey }) => publicKey.startsWith(typed))
  const isHex = /^[0-9a-f]{6,64}$/.test(typed)
  if (found.length === 1 && isHex) return found[0]!.publicKey
  throw new CofferError('COFFER_USAGE', notOneText('signing key', typed, isHex ? found.length : 0), {
    expected: 'at least 6 of the 64 hexadecimal digits of one key',
    hint: 'List them with "coffer-center rotate <folder> list".'
  })
}

/** Lock the vault, lock it otherwise, or leave it open. */
export async function lockVault(folder: string, how: VaultLock): Promise<Result> {
  refuseAddress(folder)
  const vault = join(folder, 'vault')
  const next: FileUnlock | undefined =
    how.kind === 'key-file'
      ? { kind: 'key-file', path: how.path }
      : how.kind === 'passphrase'
        ? { kind: 'passphrase', passphrase: newPassphrase() }
        : undefined
  await aloneWith(folder, async () => {
    const unlock = unlockFromEnvironment()
    if (how.kind === 'key-file') {
      await refuseInside(folder, how.path)
      // Whoever cannot open it gets no key file that opens nothing.
      ;(await openKeyFiles(vault, unlock)).close()
      await createVaultKeyFile(how.path, SYSTEM_POWERS.random)
    }
    await relockKeyFiles(vault, unlock, next, SYSTEM_POWERS.random)
  })
  return {
    json: { vault: how.kind },
    text: how.kind === 'open' ? 'open' : `locked by ${how.kind === 'key-file' ? how.path : 'a passphrase'}`,
    note: VAULT_NOTES[how.kind]
  }
}

export type VaultLock =
  { readonly kind: 'key-file'; readonly path: string } | { readonly kind: 'passphrase' | 'open' }

const VAULT_NOTES = {
  'key-file':
    'From now on: COFFER_VAULT_KEY=<that file> coffer-center ... Keep it elsewhere, and a second one of it.',
  passphrase: 'From now on: COFFER_VAULT_PASSPHRASE=... coffer-center ... Without it the center is lost.',
  open: 'Whoever can read the folder has the keys.'
}

export const showVault = async (folder: string): Promise<Result> => {
  refuseAddress(folder)
  await findBooks(folder)
  const kind = lockOf(join(folder, 'vault')) ?? 'open'
  return { json: { vault: kind }, text: kind === 'open' ? 'open' : `locked by a ${kind.replace('-', ' ')}` }
}

function newPassphrase(): string {
  const passphrase = process.env['COFFER_VAULT_NEW_PASSPHRASE'] ?? ''
  if (passphrase.length >= MIN_PASSPHRASE_CHARS) return passphrase
  throw new CofferError('COFFER_USAGE', 'Which passphrase shall lock the vault?', {
    expected: `COFFER_VAULT_NEW_PASSPHRASE with at least ${MIN_PASSPHRASE_CHARS} characters`,
    found: passphrase === '' ? 'none' : 'a shorter one',
    hint: 'Four words that do not belong together are one. It is not on the command line, where others could read it.'
  })
}

const MIN_PASSPHRASE_CHARS = 12

// ---------------------------------------------------------------- who is let in

const DEFAULT_URL = 'http://127.0.0.1:8787'

/** A link that makes whoever opens it first the seller on the center's pages. */
export async function login(folder: string, at: string | undefined): Promise<Result> {
  const url = at ?? (isAddress(folder) ? folder : DEFAULT_URL)
  if (!URL.canParse(url))
    throw new CofferError('COFFER_USAGE', 'Where are the pages?', {
      expected: 'a URL',
      found: url,
      hint: 'Give the address under which a browser reaches the center, such as https://shop.example.org.'
    })
  const token = isAddress(folder)
    ? await (await remote(folder)).login()
    : await inFolder(folder, center => center.sessions.open('link'))
  const link = new URL(`/login/${token}`, url).href
  return {
    json: { link },
    text: link,
    note: `It opens once, within ten minutes. Whoever opens it is the seller.${
      at === undefined && url === DEFAULT_URL ? ' If the center listens elsewhere, say where with --url.' : ''
    }`
  }
}

export const addAdmin = (folder: string, word: string, name: string | undefined): Promise<Result> =>
  inFolder(folder, async ({ admins }) => {
    const admin = await admins.add(parsePublicKeys('publisher', word), name ?? `admin ${word.slice(-6)}`)
    return {
      json: { admin },
      text: admin,
      note: `This key may do from afar what you do here, except with keys and admins:
COFFER_CENTER_KEY=<its file> coffer-center title <URL>`
    }
  })

/** @param typed - Id, or public key. */
export const removeAdmin = (folder: string, typed: string): Promise<Result> =>
  inFolder(folder, async ({ admins }) => {
    const admin = await admins.remove(publisherId(typed))
    return { json: { admin }, text: admin, note: 'What this key signs from now on is refused.' }
  })

export const listAdmins = (folder: string): Promise<Result> =>
  inFolder(folder, async ({ admins }) => {
    const rows = await admins.list()
    return {
      json: { admins: rows.map(({ signKey, name, added }) => ({ admin: signKey, name, added })) },
      text: table(
        ['ADMIN', 'NAME', 'ADDED'],
        rows.map(({ signKey, name, added }) => [shortId(signKey), name, timeText(added)]),
        `No admins. Add one with "coffer-center admin ${asTyped(folder)} add <public key>".`
      )
    }
  })
