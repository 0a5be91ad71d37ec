/** What each command of `coffer-center` does, apart from how it is typed (center/cli.ts). */
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { hex } from '../formats/bytes.js'
import { CofferError } from '../formats/errors.js'
import { parsePublicKeys, userIdOf, type PublicKeys } from '../formats/keys.js'
import { MAX_RECORD_BYTES } from '../formats/limits.js'
import { decode } from '../formats/msgpack.js'
import { isTitleId } from '../formats/records/fields.js'
import { encodeCollection } from '../formats/records/revocations.js'
import { rootHash } from '../formats/records/root.js'
import {
  createCenter,
  openCenter,
  type CenterKeys,
  type CreateOptions,
  type LicenseCenter
} from './center.js'
import type { Desk, Gift, GrantSummary, TermsChange, TitleSummary } from './desk.js'
import { readSmallFile, writeWholeFile } from './files.js'
import type { TlsFiles } from './http.js'
import { createVaultKeyFile, lockOf, relockKeyFiles, type FileUnlock, type Unlock } from './keyfiles.js'
import { SYSTEM_POWERS } from './powers.js'
import type { RevocationKind } from './revoke.js'
import { readServices } from './services.js'
import { moneyText, shortId, table, timeText, type Result } from './screen.js'

/**
 * Do one thing at the desk of a center: one that is opened for it, or one that runs elsewhere.
 *
 * @param place - Its folder, or its URL, where the key that COFFER_CENTER_KEY names signs.
 */
async function atDesk<T>(place: string, work: (desk: Desk) => Promise<T>): Promise<T> {
  if (isAddress(place)) return work((await remote(place)).desk)
  return inFolder(place, center => work(center.desk))
}

const remote = async (url: string) =>
  (await import('./remote.js')).openRemote(url, process.env['COFFER_CENTER_KEY'] || undefined)

/** Open the center, do one thing with it, close it: what only who has the folder may do. */
async function inFolder<T>(folder: string, work: (center: LicenseCenter) => Promise<T>): Promise<T> {
  if (isAddress(folder)) throw onlyInFolder(folder)
  const center = await openCenter(folder, SYSTEM_POWERS, unlockFromEnvironment())
  try {
    return await work(center)
  } finally {
    await center.close()
  }
}

/** Whether a center is meant that runs elsewhere, not a folder. */
const isAddress = (place: string): boolean => /^https?:\/\//i.test(place)

const onlyInFolder = (url: string) =>
  new CofferError('COFFER_USAGE', 'This is done only where the folder of the center is.', {
    expected: 'a folder',
    found: url,
    hint: 'Run it on the machine of the center. Keys, admins and request files stay there.'
  })

export async function init(
  folder: string,
  options: Pick<CreateOptions, 'name' | 'database' | 'token'>
): Promise<Result> {
  const center = await createCenter(folder, { ...options, unlock: unlockFromEnvironment() })
  const { centerId } = center
  await center.close()
  return {
    json: { centerId, name: center.name, folder },
    text: centerId,
    note: `Made the license center "${center.name}" in ${folder}. Above is its fingerprint, which buyers compare.
Back up the whole folder, and keep ${folder}/vault secret.`
  }
}

export interface ServeCommand {
  readonly port: number
  readonly host: string
  readonly database?: string | undefined
  /** Paths of PEM files: the certificate with its chain, and its key. */
  readonly tlsCert?: string | undefined
  readonly tlsKey?: string | undefined
  readonly behindProxy: boolean
  /** Requests a minute from one address and of one signer; 0: as many as come; undefined: as usual. */
  readonly rate?: number | undefined
  readonly metricsPort?: number | undefined
  readonly verbose: boolean
  readonly json: boolean
}

/** Runs until SIGTERM or SIGINT, then lets running requests finish. Prints its one line itself, once it listens. */
export async function serveUntilSignal(folder: string, options: ServeCommand): Promise<void> {
  // Here, so that the other commands start faster.
  const { serve } = await import('./http.js')
  const { watch } = await import('./watch.js')
  const { port, host, database, behindProxy, rate, json } = options
  const tls = await tlsFiles(options)
  if (database !== undefined) await (await import('./move.js')).useDatabase(folder, database)
  const center = await openCenter(folder, SYSTEM_POWERS, unlockFromEnvironment())
  try {
    const watching = await watch(options.verbose, options.metricsPort)
    const one = rate === undefined ? undefined : rate === 0 ? null : { burst: rate, perSecond: rate / 60 }
    const { onRequest, onFault } = watching
    const { stripe } = await readServices(folder)
    const serving = await serve(center, {
      payment: stripe && (await (await import('./payment.js')).stripeProvider(stripe)),
      port,
      host,
      tls,
      behindProxy,
      ...(one !== undefined && { addressRate: one, signerRate: one }),
      onRequest,
      onFault
    })
    const renew = () =>
      void tlsFiles(options).then(
        files => files && serving.renewTls(files),
        (error: unknown) => onFault('tls', error)
      )
    process.on('SIGHUP', renew)
    const signalled = untilSignal()
    const { url } = serving
    const { metricsUrl } = watching
    process.stdout.write(`${json ? JSON.stringify({ url, centerId: center.centerId, metricsUrl }) : url}\n`)
    await signalled
    await serving.close()
    process.off('SIGHUP', renew)
    await watching.close()
  } finally {
    await center.close()
  }
}

async function tlsFiles({ tlsCert, tlsKey }: ServeCommand): Promise<TlsFiles | undefined> {
  if (tlsCert === undefined && tlsKey === undefined) return undefined
  if (tlsCert === undefined || tlsKey === undefined) {
    throw new CofferError('COFFER_USAGE', 'TLS needs a certificate and its key.', {
      expected: '--tls-cert and --tls-key',
      found: 'one of them'
    })
  }
  const [cert, key] = await Promise.all(
    [tlsCert, tlsKey].map(async path => Buffer.from(await readSmallFile(path, MAX_PEM_BYTES)))
  )
  return { cert: cert!, key: key! }
}

const MAX_PEM_BYTES = 256 * 1024

/** The second signal ends the process at once, as it would have without us. */
function untilSignal(): Promise<void> {
  return new Promise(resolve => {
    const stop = () => {
      process.off('SIGTERM', stop).off('SIGINT', stop)
      resolve()
    }
    process.on('SIGTERM', stop).on('SIGINT', stop)
  })
}

/** By files: the same as an order over HTTP. */
export async function issueFile(
  folder: string,
  requestFile: string,
  answerFile: string,
  replace: boolean
): Promise<Result> {
  const request = await readSmallFile(requestFile, MAX_RECORD_BYTES)
  if (!replace && existsSync(answerFile)) {
    // Before anything is charged.
    throw new CofferError('COFFER_EXISTS', `${answerFile} is there already.`, {
      hint: 'Name another file with --out, or replace it with --force.'
    })
  }
  const answer = await inFolder(folder, center => center.issue(request))
  await writeWholeFile(answerFile, answer, replace)
  return {
    json: { out: answerFile, bytes: answer.length },
    text: answerFile,
    note: 'Give this file to the buyer, who runs "coffer apply" with it.'
  }
}

/** The receipt for a request file that was answered; by mail too, where an address is given. */
export async function receiptFile(
  folder: string,
  requestFile: string,
  { out, replace, mail }: { out: string; replace: boolean; mail?: string | undefined }
): Promise<Result> {
  const request = await readSmallFile(requestFile, MAX_RECORD_BYTES)
  const [receipt, name] = await inFolder(folder, async center => [await center.receipt(request), center.name])
  await writeWholeFile(out, receipt, replace)
  if (mail !== undefined) await mailReceipt(folder, mail, name, receipt)
  return {
    json: { out, bytes: receipt.length, ...(mail !== undefined && { mail }) },
    text: out,
    note: `It proves to whoever trusts this center that the order is in its books, and what was charged.${
      mail === undefined ? '' : ` Sent to ${mail}.`
    }`
  }
}

async function mailReceipt(folder: string, to: string, name: string, receipt: Uint8Array): Promise<void> {
  const settings = (await readServices(folder)).mail
  if (settings === undefined) {
    throw new CofferError('COFFER_USAGE', 'This center has no mail server.', {
      expected: '"mail": { "smtp", "from" } in services.json',
      hint: 'See docs/center.md.'
    })
  }
  const mailer = await (await import('./mail.js')).openMailer(settings)
  try {
    await mailer.send({
      to,
      subject: `Your receipt from ${name}`,
      text: `The attached file proves that your order is in the books of ${name}, and what was charged.\n`,
      attachment: { filename: 'order.receipt', content: receipt }
    })
  } catch (cause) {
    throw new CofferError('COFFER_IO', 'The mail was not taken by its server.', {
      found: (cause as Error).message,
      hint: 'Check "mail" in services.json; the receipt itself was written.',
      cause
    })
  } finally {
    mailer.close()
  }
}

const DEFAULT_URL = 'http://127.0.0.1:8787'

/** A link that makes whoever opens it first the seller on the center's pages. */
export async function login(folder: string, at: string | undefined): Promise<Result> {
  const url = at ?? (isAddress(folder) ? folder : DEFAULT_URL)
  if (!URL.canParse(url)) throw new CofferError('COFFER_USAGE', 'Where are the pages?', { expected: 'a URL' })
  const token = isAddress(folder)
    ? await (await remote(folder)).login()
    : await inFolder(folder, center => center.sessions.open('link'))
  const link = new URL(`/login/${token}`, url).href
  return {
    json: { link },
    text: link,
    note: 'It opens once, within ten minutes. Whoever opens it is the seller.'
  }
}

export const addPublisher = (folder: string, word: string, name: string | undefined): Promise<Result> =>
  atDesk(folder, async desk => {
    const keys = parsePublicKeys('publisher', word)
    const publisher = await desk.addPublisher(keys, name ?? `publisher ${word.slice(-6)}`)
    return { json: { publisher }, text: publisher, note: 'This publisher may press titles now.' }
  })

export const listPublishers = (folder: string): Promise<Result> =>
  atDesk(folder, async desk => {
    const publishers = await desk.publishers()
    return {
      json: {
        publishers: publishers.map(({ signKey, name, added }) => ({ publisher: signKey, name, added }))
      },
      text: table(
        ['PUBLISHER', 'NAME', 'ADDED'],
        publishers.map(({ signKey, name, added }) => [shortId(signKey), name, timeText(added)]),
        'No publishers. Add one with "coffer-center publisher add <folder> <public key>".'
      )
    }
  })

export const listTitles = (folder: string): Promise<Result> =>
  atDesk(folder, async desk => {
    const titles = await desk.titles()
    return { json: { titles }, text: titleTable(titles) }
  })

export const setTerms = (folder: string, titleId: string, change: TermsChange): Promise<Result> =>
  atDesk(folder, async desk => {
    const title = await desk.setTerms(titleId, change)
    return { json: { title }, text: titleText(title) }
  })

export const showTitle = (folder: string, titleId: string): Promise<Result> =>
  atDesk(folder, async desk => {
    const title = await desk.setTerms(titleId, {})
    return { json: { title }, text: titleText(title) }
  })

function titleText(title: TitleSummary): string {
  const { currency } = title
  const days = (count: number | null, none: string) => (count === null ? none : `${count} days`)
  return `title     ${title.titleId}
name      ${title.name}
releases  ${title.releases.map(({ release, scheme }) => `${release} ${scheme}`).join(', ')}
price     ${moneyText(title.priceMinor, currency)}
copies    ${title.copies ?? 'unlimited'} per user, ${title.titleCopies ?? 'unlimited'} in all
expires   ${days(title.expiresDays, 'never')}
renewal   ${
    title.renewPriceMinor === null
      ? 'none'
      : `${moneyText(title.renewPriceMinor, currency)}, up to ${title.graceDays} days late`
  }
trial     ${days(title.trialDays, 'none')}
features  ${title.features.join(', ') || 'none'}
refund    ${days(title.refundDays, 'none')}
transfer  ${TRANSFERS[title.transfer]}
bearer    ${title.bearerAllowed ? 'yes' : 'no'}`
}

const TRANSFERS = { no: 'no', media: "between one user's media", users: 'to anyone' }

const titleTable = (titles: readonly TitleSummary[]): string =>
  table(
    ['TITLE', 'NAME', 'RELEASES', 'PRICE', 'COPIES', 'EXPIRES', 'FEATURES', 'BEARER'],
    titles.map(title => [
      title.titleId,
      title.name,
      title.releases.map(({ release, scheme }) => `${release} ${scheme}`).join(', '),
      moneyText(title.priceMinor, title.currency),
      title.copies === null ? 'unlimited' : String(title.copies),
      title.expiresDays === null ? 'never' : `${title.expiresDays} days`,
      title.features.join(', '),
      title.bearerAllowed ? 'yes' : 'no'
    ]),
    'No titles. One appears when it is pressed with "coffer press".'
  )

export const listUsers = (folder: string): Promise<Result> =>
  atDesk(folder, async desk => {
    const users = await desk.users()
    return {
      json: { users },
      text: table(
        ['USER', 'NAME', 'ENROLLED', 'BLOCKED'],
        users.map(({ userId, name, enrolled, blocked }) => [
          shortId(userId),
          name ?? '-',
          timeText(enrolled),
          blocked ? 'yes' : 'no'
        ]),
        'No users. A first order enrols one.'
      )
    }
  })

export const showUser = (folder: string, typed: string): Promise<Result> =>
  atDesk(folder, async desk => {
    const userId = await findUser(desk, typed)
    const user = (await desk.users()).find(user => user.userId === userId)!
    const grants = await desk.grants({ userId })
    const owed = (await desk.balances()).filter(({ account }) => account === `receivable/${userId}`)
    const balances = owed.map(({ currency, balanceMinor }) => ({ currency, balanceMinor }))
    return {
      json: { user, grants, balances },
      text: `user      ${userId}
name      ${user.name ?? '-'}
enrolled  ${timeText(user.enrolled)}
blocked   ${user.blocked ? 'yes' : 'no'}
owes      ${balances.map(({ currency, balanceMinor }) => moneyText(balanceMinor, currency)).join(', ') || 'nothing'}

${grantTable(grants)}`
    }
  })

export const addUser = (folder: string, word: string, name: string | undefined): Promise<Result> =>
  atDesk(folder, async desk => {
    const keys = parsePublicKeys('user', word)
    const userId = await desk.addUser(keys, name ?? null)
    return { json: { userId }, text: userId }
  })

export const blockUser = (folder: string, typed: string, blocked: boolean): Promise<Result> =>
  atDesk(folder, async desk => {
    const userId = await findUser(desk, typed)
    await desk.setBlocked(userId, blocked)
    return {
      json: { userId, blocked },
      text: userId,
      note: blocked
        ? 'Blocked: no new grants. Those this user has keep working; "revoke" takes them back.'
        : 'No longer blocked.'
    }
  })

/** @param choice - undefined: only say how it is. */
export const enrolment = (folder: string, choice: 'open' | 'closed' | undefined): Promise<Result> =>
  atDesk(folder, async desk => {
    if (choice !== undefined) await desk.setEnrolment(choice === 'open')
    const state = (await desk.enrolmentOpen()) ? 'open' : 'closed'
    return { json: { enrolment: state }, text: state }
  })

export const listGrants = (folder: string, typedUser: string | undefined): Promise<Result> =>
  atDesk(folder, async desk => {
    const grants = await desk.grants(
      typedUser === undefined ? {} : { userId: await findUser(desk, typedUser) }
    )
    return { json: { grants }, text: grantTable(grants) }
  })

export const showGrant = (folder: string, typed: string): Promise<Result> =>
  atDesk(folder, async desk => {
    const [grant] = await desk.grants({ grantId: await desk.find('grant', typed) })
    const { grantId, userId, mediumId, titleId, release, bearer, bought, issued } = grant!
    const { kind, expires, features, paidMinor, currency } = grant!
    return {
      json: { grant },
      text: `grant     ${grantId}
title     ${titleId} release ${release}
user      ${userId}${bearer ? ' (bearer)' : ''}
medium    ${mediumId}
kind      ${kind}
features  ${features.join(', ') || 'none'}
bought    ${timeText(bought)}
paid      ${moneyText(paidMinor, currency)}
issued    ${timeText(issued)}
expires   ${timeText(expires)}
state     ${stateOf(grant!)}`
    }
  })

/** Whether it is held, and if not, why. */
const stateOf = ({ ending }: GrantSummary): string => ending ?? 'held'

export const refundGrant = (folder: string, typed: string): Promise<Result> =>
  atDesk(folder, async desk => {
    const grantId = await desk.find('grant', typed)
    const { refundedMinor, currency } = await desk.refund(grantId)
    return {
      json: { grantId, refundedMinor, currency },
      text: `${moneyText(refundedMinor, currency)} paid back for grant ${grantId}`,
      note: 'The copy is revoked: its medium learns of it with the next order, renewal or master that reaches it.'
    }
  })

const grantTable = (grants: readonly GrantSummary[]): string =>
  table(
    ['GRANT', 'TITLE', 'RELEASE', 'USER', 'MEDIUM', 'KIND', 'BOUGHT', 'EXPIRES', 'STATE'],
    grants.map(grant => [
      shortId(grant.grantId),
      grant.titleId,
      String(grant.release),
      shortId(grant.userId),
      shortId(grant.mediumId),
      grant.kind,
      timeText(grant.bought),
      timeText(grant.expires),
      stateOf(grant)
    ]),
    'No grants.'
  )

/** @param typedUser - Id, or public key: who has not ordered yet is added. */
export const giveTitle = (folder: string, titleId: string, typedUser: string, gift: Gift): Promise<Result> =>
  atDesk(folder, async desk => {
    const keys = userKeys(typedUser)
    const userId = keys === undefined ? await desk.find('user', typedUser) : await desk.addUser(keys, null)
    const terms = await desk.give(titleId, userId, gift)
    return {
      json: { userId, titleId, terms },
      text: userId,
      note: `This user gets ${titleId} for ${moneyText(terms.priceMinor, terms.currency)}, on ${
        terms.copies === null ? 'any number of media' : `${terms.copies} media`
      }, ${terms.expiresDays === null ? 'for good' : `for ${terms.expiresDays} days`}. The next order is on these terms.`
    }
  })

export const revokeOne = (
  folder: string,
  kind: RevocationKind,
  typed: string,
  release: number | null
): Promise<Result> =>
  atDesk(folder, async desk => {
    const id = await findRevocable(desk, kind, typed)
    const sequence = await desk.revoke(kind, id, release)
    return {
      json: { kind, id, ...(release !== null && { release }), sequence },
      text: `${kind} ${id} is revoked in list ${sequence}`,
      note: 'Media learn of it with the next order, renewal or master that reaches them.'
    }
  })

function findRevocable(desk: Desk, kind: RevocationKind, typed: string): Promise<string> {
  switch (kind) {
    case 'title':
      if (isTitleId(typed)) return Promise.resolve(typed)
      throw new CofferError('COFFER_USAGE', `${typed} is not the id of a title.`)
    case 'user':
      return findUser(desk, typed, true)
    case 'medium':
      return desk.find('medium', typed, true)
    default:
      return desk.find(kind, typed)
  }
}

export const foldRevocations = (folder: string): Promise<Result> =>
  atDesk(folder, async desk => {
    const moved = await desk.foldRevocations()
    return { json: { moved }, text: `${moved} copies that have ended are named by the list no longer` }
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

/** What everybody may have. */
async function atPublic<T>(
  place: string,
  work: (center: Pick<LicenseCenter, 'roots' | 'revocations' | 'ended'>) => Promise<T>
): Promise<T> {
  if (!isAddress(place)) return inFolder(place, work)
  const { get } = await remote(place)
  return work({
    roots: () => get('/v1/roots'),
    revocations: () => get('/v1/revocations'),
    ended: () =>
      get('/v1/revocations/ended').catch((error: unknown) => {
        if (error instanceof CofferError && error.code === 'COFFER_FILE_MISSING') return undefined
        throw error
      })
  })
}

/** Put the newest list and the root records into a file, as masters carry them. */
export const exportRevocations = (folder: string, path: string): Promise<Result> =>
  atPublic(folder, async center => {
    const { roots } = decode(await center.roots()) as { roots: Uint8Array[] }
    await writeWholeFile(
      path,
      encodeCollection({ lists: [await center.revocations()], roots: [roots] }),
      true
    )
    const ended = await center.ended()
    const endedPath = join(dirname(path), `ended-${hex(rootHash(roots[0]!)).slice(0, 16)}`)
    if (ended !== undefined) await writeWholeFile(endedPath, ended, true)
    return {
      json: { out: path, ...(ended !== undefined && { ended: endedPath }) },
      text: ended === undefined ? path : `${path}\n${endedPath}`,
      note: `Put it onto a master under the name "revocations"${
        ended === undefined ? '' : ', and the other file beside it under its own'
      }.`
    }
  })

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

async function findKey(keys: CenterKeys, typed: string): Promise<string> {
  const found = (await keys.ring()).keys.filter(({ publicKey }) => publicKey.startsWith(typed))
  if (found.length === 1 && /^[0-9a-f]{6,64}$/.test(typed)) return found[0]!.publicKey
  throw new CofferError('COFFER_USAGE', `There is no one signing key ${typed}.`, {
    expected: 'at least 6 of the 64 hexadecimal digits of one key',
    hint: 'List them with "coffer-center rotate <folder> list".'
  })
}

/** Lock the vault, lock it otherwise, or leave it open. */
export async function lockVault(folder: string, how: VaultLock): Promise<Result> {
  const vault = join(folder, 'vault')
  const next: FileUnlock | undefined =
    how.kind === 'key-file'
      ? { kind: 'key-file', path: how.path }
      : how.kind === 'passphrase'
        ? { kind: 'passphrase', passphrase: newPassphrase() }
        : undefined
  if (how.kind === 'key-file') await createVaultKeyFile(how.path, SYSTEM_POWERS.random)
  await relockKeyFiles(vault, unlockFromEnvironment(), next, SYSTEM_POWERS.random)
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

/** What the seller says that opens the vault. */
export function unlockFromEnvironment(): Unlock | undefined {
  const { COFFER_VAULT_KEY: path, COFFER_VAULT_PASSPHRASE: passphrase, COFFER_VAULT_PIN: pin } = process.env
  if (pin) return { kind: 'pin', pin }
  if (path) return { kind: 'key-file', path }
  return passphrase ? { kind: 'passphrase', passphrase } : undefined
}

export const listRevocations = (folder: string): Promise<Result> =>
  atDesk(folder, async desk => {
    const revocations = await desk.revocations()
    return {
      json: { revocations },
      text: table(
        ['LIST', 'KIND', 'ID', 'RELEASE', 'REVOKED'],
        revocations.map(({ sequence, kind, id, release, revoked }) => [
          String(sequence),
          kind,
          id,
          release === null ? '' : String(release),
          timeText(revoked)
        ]),
        'Nothing is revoked.'
      )
    }
  })

export const showLedger = (folder: string): Promise<Result> =>
  atDesk(folder, async desk => {
    const accounts = await desk.balances()
    return {
      json: { accounts },
      text: table(
        ['ACCOUNT', 'BALANCE'],
        accounts.map(({ account, currency, balanceMinor }) => [account, moneyText(balanceMinor, currency)]),
        'Nothing was charged yet.'
      )
    }
  })

export const verifyLedger = (folder: string): Promise<Result> =>
  atDesk(folder, async desk => {
    const check = await desk.verifyLedger()
    const { orders, copies, postings, problems } = check
    if (problems.length > 0) {
      throw new CofferError('COFFER_RECORD_DAMAGED', `The books do not agree: ${problems[0]}`, {
        expected: 'ledger, grants and answers that agree',
        found: `${problems.length} disagreements`,
        hint: 'Somebody changed the database by hand; restore it from a backup and find out who.'
      })
    }
    return {
      json: { orders, copies, postings },
      text: `${orders} orders, ${copies} copies, ${postings} postings: they agree`
    }
  })

export const showSales = (place: string, days: number): Promise<Result> =>
  atDesk(place, async desk => {
    const sales = await desk.sales(days)
    return {
      json: { sales },
      text: table(
        ['DAY', 'TITLE', 'SALES'],
        sales.map(({ day, titleId, currency, amountMinor }) => [
          day,
          titleId,
          moneyText(amountMinor, currency)
        ]),
        `Nothing was sold in the last ${days} days.`
      )
    }
  })

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

export const removeAdmin = (folder: string, typed: string): Promise<Result> =>
  inFolder(folder, async ({ admins }) => {
    const admin = await admins.remove(typed)
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
        'No admins. Add one with "coffer-center admin add <folder> <public key>".'
      )
    }
  })

const userKeys = (typed: string): PublicKeys | undefined =>
  typed.startsWith('coffer-user-') ? parsePublicKeys('user', typed) : undefined

/** @param typed - Id, or public key. */
function findUser(desk: Desk, typed: string, mayBeNew = false): Promise<string> {
  const keys = userKeys(typed)
  return desk.find('user', keys === undefined ? typed : hex(userIdOf(keys)), mayBeNew)
}
