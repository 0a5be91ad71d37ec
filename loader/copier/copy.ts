/**
 * Copy a title to a medium, the seed's FIG. 2 and FIG. 7 on one screen (docs/spec.md §8): order, install, verify,
 * transfer. The grant is written, flushed, read back from the medium and rechecked before a byte of the payload moves;
 * the old grant stays until everything new is in place.
 */
import { statfsSync } from 'node:fs'
import { equalBytes, hex } from '../../formats/bytes.js'
import { unwrapConversionKey } from '../../formats/derive.js'
import { CofferError } from '../../formats/errors.js'
import { MAX_RECORD_BYTES } from '../../formats/limits.js'
import type { Bind } from '../../formats/records/fields.js'
import { openGrant, readGrantClaim, type VerifiedGrant } from '../../formats/records/grant.js'
import { checkManifest, type ParsedManifest } from '../../formats/records/manifest.js'
import type { RequestKind } from '../../formats/records/request.js'
import { encodeCollection, MAX_COLLECTION_BYTES } from '../../formats/records/revocations.js'
import { learnTime } from '../clock.js'
import { carryEnded } from '../ended.js'
import { PendingFile, readFile, writeFile } from '../files.js'
import type { Home } from '../home.js'
import { lockMedium } from '../lock.js'
import { mediumPaths } from '../medium/layout.js'
import { measureMedium, type MeasuredMedium } from '../medium/measure.js'
import { POWERS, type Powers } from '../powers.js'
import { openTitleFile, type OpenTitle } from '../read.js'
import { authenticate } from '../authenticate.js'
import { recheck, type CheckedLicense } from '../recheck.js'
import { followRoots, newestCollection } from '../travel.js'
import { unwrapPayloadKey } from '../unwrap.js'
import { verifyPayload } from '../verify.js'
import { CenterClient } from './center-client.js'
import { learnEnded } from './learn.js'
import { masterRevocations, openOnMaster } from './master.js'
import { acceptAnswer, makeOrder, requireGrant, type GrantAnswer, type Order } from './order.js'
import { checkReplacing, placeFor, removeUnused } from './place.js'
import { transferConverted, transferSealed } from './transfer.js'

/** One step of the procedure, named as the seed names it, for whoever shows progress or tells the story. */
export type CopyEvent =
  | {
      readonly step: 'S1' | 'S11'
      readonly titleId: string
      readonly release: number
      readonly mediumId: string
    }
  | { readonly step: 'S2' | 'S14'; readonly chargedMinor: number; readonly currency: string }
  | { readonly step: 'S3' | 'S15'; readonly path: string }
  | { readonly step: 'S4'; readonly recomputedCertificate: string }
  | { readonly step: 'S5'; readonly certificate: string; readonly recomputedCertificate: string }
  | { readonly step: 'S6' }
  | { readonly step: 'unwrapped'; readonly wrappedMediumKey: string; readonly wrappedMasterMediumKey: string }
  /** The center has too much to do, and is asked again after so long. */
  | { readonly step: 'wait'; readonly seconds: number }
  | { readonly step: 'S7' | 'S16' | 'verify'; readonly doneBytes: number; readonly totalBytes: number }

export interface CopyOptions {
  readonly home: Home
  /** Where to order; default: where the title's center was pinned from. */
  readonly centerUrl?: string | undefined
  readonly release?: number | undefined
  readonly bind?: Bind | undefined
  /** Default: `order`, which buys. */
  readonly kind?: RequestKind | undefined
  readonly powers?: Powers | undefined
  readonly onEvent?: ((event: CopyEvent) => void) | undefined
}

export interface Copied {
  readonly title: string
  readonly name: string
  readonly release: number
  readonly scheme: 'certificate' | 'conversion'
  readonly mediumId: string
  readonly path: string
  readonly bytes: number
  readonly chargedMinor: number
  readonly currency: string
}

/**
 * Order a title for a medium over HTTP, and install it.
 *
 * @throws CofferError of every step; the medium is as it was then, and an order that was charged is free to repeat.
 */
export async function copy(
  master: string,
  root: string,
  titleId: string,
  options: CopyOptions
): Promise<Copied> {
  const { home, powers = POWERS, onEvent = () => {} } = options
  using source = openOnMaster(master, titleId, options.release)
  const medium = measureMedium(root)
  using _lock = lockMedium(root)
  checkReplacing(root, source.manifest, home.userKeys()?.userId, options.release)
  checkSpace(root, source)
  const fromMaster = masterRevocations(master)
  followRoots(fromMaster, home)
  carryEnded(home, mediumPaths(root).folder, master)
  const center = centerClient(source.manifest, options)
  await followCertificate(source.manifest, center, home)
  const order = makeOrder(source.manifest, medium, home, powers, options)
  announceOrder(order, source.manifest.scheme, onEvent)
  const answer = await orderOnline(order, center, home, () =>
    learnPublished(center, source.manifest.centerId, root, home, fromMaster)
  )
  return install(answer, source, fromMaster, medium, home, powers, onEvent)
}

/**
 * The same by files, second half: install what a center answered to {@link requestCopy}.
 *
 * @throws CofferError as {@link copy}, and COFFER_ANSWER_MISMATCH when the answer is for another medium.
 */
export function applyAnswer(
  answerBytes: Uint8Array,
  master: string,
  root: string,
  { home, release: asked, powers = POWERS, onEvent = () => {} }: CopyOptions
): Copied {
  const answer = requireGrant(acceptAnswer(answerBytes, home).answer)
  const medium = measureMedium(root)
  const { titleId, release, userId } = grantOf(answer, medium, home)
  using source = openOnMaster(master, titleId, release)
  using _lock = lockMedium(root)
  checkReplacing(root, source.manifest, userId, asked)
  checkSpace(root, source)
  carryEnded(home, mediumPaths(root).folder, master)
  return install(answer, source, masterRevocations(master), medium, home, powers, onEvent)
}

/** The same by files, first half: the request to carry to the center. */
export function requestCopy(master: string, root: string, titleId: string, options: CopyOptions): Order {
  const { home, powers = POWERS, onEvent = () => {} } = options
  using source = openOnMaster(master, titleId, options.release)
  checkReplacing(root, source.manifest, home.userKeys()?.userId, options.release)
  checkSpace(root, source)
  followRoots(masterRevocations(master), home)
  const order = makeOrder(source.manifest, measureMedium(root), home, powers, options)
  announceOrder(order, source.manifest.scheme, onEvent)
  return order
}

function announceOrder(
  { request }: Order,
  scheme: Copied['scheme'],
  onEvent: (event: CopyEvent) => void
): void {
  const { titleId, release, mediumId } = request
  onEvent({ step: scheme === 'conversion' ? 'S11' : 'S1', titleId, release, mediumId: hex(mediumId) })
}

/** A title that was pressed since this person's home learned of the center's keys: ask for the newer root records. */
async function followCertificate(manifest: ParsedManifest, client: CenterClient, home: Home): Promise<void> {
  try {
    checkManifest(manifest, home.requireCenter(manifest.centerId))
  } catch (error) {
    if (!(error instanceof CofferError) || error.code !== 'COFFER_PUBLISHER_UNTRUSTED') throw error
    home.follow(await client.roots())
  }
}

/** @throws CofferError COFFER_USAGE when nobody knows where the center listens. */
export function centerClient(
  { centerId }: { centerId: Uint8Array },
  { home, centerUrl, onEvent = () => {} }: Pick<CopyOptions, 'home' | 'centerUrl' | 'onEvent'>
): CenterClient {
  const center = home.requireCenter(centerId)
  const at = centerUrl ?? center.url
  if (at === undefined) {
    throw new CofferError('COFFER_USAGE', `It is not known where the center ${center.name} listens.`, {
      hint: 'Give its address with --center <URL>, or order by files with "coffer order".'
    })
  }
  return new CenterClient(at, { onWait: seconds => onEvent({ step: 'wait', seconds }) })
}

/** Refusals that may mean that a copy which is on the medium was taken back. */
const ENDED: ReadonlySet<string> = new Set(['COFFER_REVOKED', 'COFFER_GRANT_MISSING'])

/** Take what the center publishes, as an answer would have brought it. */
export async function learnPublished(
  client: CenterClient,
  centerId: Uint8Array,
  root: string,
  home: Home,
  fromMaster?: Uint8Array
): Promise<void> {
  home.follow(await client.roots())
  const list = await client.revocations()
  await learnEnded(client, list, home.requireCenter(centerId), home)
  installRevocations(root, home, list, fromMaster)
}

/** @param learn - Takes the center's revocation list. What was taken back gets no answer that could carry it, and a
 *   copy that is there already would run on. */
export async function orderOnline(
  order: Order,
  center: CenterClient,
  home: Home,
  learn: () => Promise<void>
): Promise<GrantAnswer> {
  let bytes: Uint8Array
  try {
    bytes = await center.order(order.bytes)
  } catch (error) {
    // Why there is no copy is what the person must know, even where the list cannot be had.
    if (error instanceof CofferError && ENDED.has(error.code)) await learn().catch(() => {})
    throw error
  }
  const { answer, center: pinned } = acceptAnswer(bytes, home, order.request)
  await learnEnded(center, answer.revocations, pinned, home)
  return requireGrant(answer)
}

/** S3 to S7, S15 to S17: from an answer to a title that runs. The caller holds the medium's lock. */
export function install(
  answer: GrantAnswer,
  source: OpenTitle,
  fromMaster: Uint8Array | undefined,
  medium: MeasuredMedium,
  home: Home,
  powers: Powers,
  onEvent: (event: CopyEvent) => void
): Copied {
  const { manifest } = source
  const { root } = medium
  const conversion = manifest.scheme === 'conversion'
  onEvent({ step: conversion ? 'S14' : 'S2', chargedMinor: answer.chargedMinor, currency: answer.currency })

  installRevocations(root, home, answer.revocations, fromMaster)
  learnTime(answer.centerId, answer.answered, medium, home)
  // What it says counts only once it was rechecked, before anything is put in these places.
  const place = placeFor(root, {
    ...readGrantClaim(answer.grant),
    titleId: manifest.id,
    release: manifest.release
  })
  using grantFile = new PendingFile(place.grant)
  using titleFile = new PendingFile(place.title)
  grantFile.write(answer.grant)
  grantFile.flush()
  onEvent({ step: conversion ? 'S15' : 'S3', path: grantFile.path })

  // From here on only what the medium gives back counts.
  using license = recheckInstalled(grantFile.temporaryPath, source, root, home, powers)
  announceRecheck(license, onEvent)
  using key = unwrapPayloadKey(license)

  const progress = (doneBytes: number, totalBytes: number) =>
    onEvent({ step: conversion ? 'S16' : 'S7', doneBytes, totalBytes })
  if (license.scheme === 'conversion') {
    const masterKey = masterMediumKey(license, answer)
    announceUnwrapped(license, answer, onEvent)
    transferConverted(source, masterKey, key.key, titleFile, powers, progress)
  } else {
    transferSealed(source, titleFile, progress)
  }
  titleFile.flush()
  using written = openTitleFile(titleFile.temporaryPath)
  verifyPayload(written, key.key, (doneBytes, totalBytes) =>
    onEvent({ step: 'verify', doneBytes, totalBytes })
  )

  titleFile.commit()
  grantFile.commit()
  removeUnused(root, manifest.id)
  return {
    title: manifest.id,
    name: manifest.name,
    release: manifest.release,
    scheme: manifest.scheme,
    mediumId: hex(medium.mediumId),
    path: titleFile.path,
    bytes: titleFile.writtenBytes,
    chargedMinor: answer.chargedMinor,
    currency: answer.currency
  }
}

/** S4 to S6: the same recheck as before every run, on the grant as the medium gives it back. */
export function recheckInstalled(
  grantPath: string,
  source: OpenTitle,
  root: string,
  home: Home,
  powers: Powers
): CheckedLicense {
  const grantBytes = readFile(grantPath, MAX_RECORD_BYTES)
  if (grantBytes === undefined)
    throw new CofferError('COFFER_IO', 'The grant that was just written is not there.')
  const revocationsBytes = readFile(mediumPaths(root).revocations, MAX_COLLECTION_BYTES)
  const signed = authenticate(
    {
      titleId: source.manifest.id,
      name: source.manifest.id,
      grantBytes,
      revocationsBytes,
      folder: mediumPaths(root).folder
    },
    home
  )
  return recheck(signed, source.manifest, measureMedium(root), home, powers.now())
}

function announceRecheck(license: CheckedLicense, onEvent: (event: CopyEvent) => void): void {
  if (license.scheme !== 'certificate') return
  const certificate = hex(license.certificate)
  const recomputedCertificate = hex(license.recomputedCertificate)
  onEvent({ step: 'S4', recomputedCertificate })
  onEvent({ step: 'S5', certificate, recomputedCertificate })
  onEvent({ step: 'S6' })
}

function announceUnwrapped(
  { wrappedMediumKey }: CheckedLicense & { scheme: 'conversion' },
  answer: GrantAnswer,
  onEvent: (event: CopyEvent) => void
): void {
  onEvent({
    step: 'unwrapped',
    wrappedMediumKey: hex(wrappedMediumKey),
    wrappedMasterMediumKey: hex(answer.wrappedMasterMediumKey!)
  })
}

/** Ka out of EMid(Ka). */
function masterMediumKey(
  license: CheckedLicense & { scheme: 'conversion' },
  answer: GrantAnswer
): Uint8Array {
  if (answer.wrappedMasterMediumKey === undefined) {
    throw new CofferError('COFFER_ENCODING', 'The answer has no key for the master medium.', {
      hint: 'The center that made it is faulty; tell the seller.'
    })
  }
  return unwrapConversionKey(license.bindingKey, 'master-medium-key', answer.wrappedMasterMediumKey)
}

/** What an answer's grant is for, before anything is written. */
export function grantOf(answer: GrantAnswer, medium: MeasuredMedium, home: Home): VerifiedGrant {
  const opened = openGrant(answer.grant, home.centers())?.grant
  if (opened === undefined) {
    throw new CofferError(
      'COFFER_CENTER_UNTRUSTED',
      'The grant in the answer was not signed by a trusted center.',
      {
        hint: 'The center that made it is faulty; tell the seller.'
      }
    )
  }
  if (!equalBytes(opened.mediumId, medium.mediumId)) {
    throw new CofferError('COFFER_ANSWER_MISMATCH', 'The answer is for another medium than this one.', {
      expected: `medium ${hex(medium.mediumId).slice(0, 16)}...`,
      found: `medium ${hex(opened.mediumId).slice(0, 16)}...`,
      hint: 'Apply it to the medium it was ordered for, or order for this one.'
    })
  }
  return opened
}

/** Put the newest lists and root records onto the medium: of those it carries, those of the master, and the answer's. */
export function installRevocations(
  root: string,
  home: Home,
  answered: Uint8Array,
  fromMaster?: Uint8Array
): void {
  const path = mediumPaths(root).revocations
  const carried = readFile(path, MAX_COLLECTION_BYTES)
  const newest = newestCollection(home, carried, fromMaster, encodeCollection({ lists: [answered] }))
  if (carried === undefined || !equalBytes(carried, newest)) writeFile(path, newest)
  carryEnded(home, mediumPaths(root).folder)
}

/** What statfs calls FAT12 to FAT32, whose files are shorter than 4 GiB. */
const FAT = 0x4d44
const LARGEST_ON_FAT = 0xffff_ffff

/**
 * Before anything is ordered: the new copy must fit beside the old one.
 *
 * @throws CofferError COFFER_DISK_FULL, COFFER_CANNOT_CREATE
 */
export function checkSpace(root: string, { file }: { readonly file: { readonly sizeBytes: number } }): void {
  const { bavail, bsize, type } = statfsSync(root)
  if (type === FAT && file.sizeBytes > LARGEST_ON_FAT) {
    throw new CofferError('COFFER_CANNOT_CREATE', `The title is too large for the file system at ${root}.`, {
      expected: `at most ${LARGEST_ON_FAT} bytes, as a FAT file system has files`,
      found: `${file.sizeBytes} bytes`,
      hint: 'Format the medium with another file system, such as exFAT, and prepare it anew. Nothing was ordered.'
    })
  }
  const needed = file.sizeBytes + 1024 * 1024
  if (bavail * bsize >= needed) return
  throw new CofferError('COFFER_DISK_FULL', `There is not enough space on the medium at ${root}.`, {
    expected: `${needed} bytes`,
    found: `${bavail * bsize} bytes`,
    hint: 'Free some space there and repeat the command. Nothing was ordered.'
  })
}
