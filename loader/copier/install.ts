/**
 * From a center's answer to a title that runs, S3 to S7 and S15 to S17 of the seed (docs/spec.md §8.3). The grant is
 * written, flushed, read back from the medium and rechecked before a byte of the payload moves; the old grant stays until
 * everything new is in place.
 */
import { statfsSync } from 'node:fs'
import { equalBytes, hex, wipe } from '../../formats/bytes.js'
import { unwrapConversionKey } from '../../formats/derive.js'
import { CofferError } from '../../formats/errors.js'
import { sizeText } from '../../formats/wording.js'
import { MAX_RECORD_BYTES } from '../../formats/limits.js'
import { openGrant, readGrantClaim, type VerifiedGrant } from '../../formats/records/grant.js'
import { MAX_COLLECTION_BYTES } from '../../formats/records/revocations.js'
import { authenticate } from '../authenticate.js'
import { learnTime } from '../clock.js'
import { attempt, readFile } from '../files.js'
import { PendingFile } from '../pending.js'
import type { Home } from '../home.js'
import { otherId } from '../ids.js'
import { mediumPaths } from '../medium/layout.js'
import { measureMedium, unlessGone, type MeasuredMedium } from '../medium/measure.js'
import type { Powers } from '../powers.js'
import { openTitleFile, type OpenTitle } from '../read.js'
import { recheck, type CheckedLicense } from '../recheck.js'
import { unwrapPayloadKey } from '../unwrap.js'
import { inTurns, type Steps } from '../steps.js'
import { verifyingPayload } from '../verify.js'
import { fill } from './fill.js'
import { installRevocations } from './learn.js'
import type { GrantAnswer } from './order.js'
import { placeFor, removeUnused } from './place.js'
import { transferConverted, transferSealed } from './payload.js'

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
  /** The center cannot answer now, and is asked again after so long. */
  | { readonly step: 'wait'; readonly seconds: number; readonly reason: string }
  | { readonly step: 'S7' | 'S16' | 'verify'; readonly doneBytes: number; readonly totalBytes: number }

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

export interface Installing {
  /** The sealed title, on a master or on another medium; its caller's to dispose of. */
  readonly source: OpenTitle
  /** Revocation lists that came with it. */
  readonly fromMaster: Uint8Array | undefined
  readonly medium: MeasuredMedium
  readonly home: Home
  readonly powers: Powers
  readonly onEvent: (event: CopyEvent) => void
  /** Its request was made for it now. */
  readonly isFresh?: boolean
  /** Interrupts it: COFFER_INTERRUPTED. */
  readonly signal: AbortSignal | undefined
}

/**
 * Install what a center answered. The caller holds the medium's lock. Others in this thread have their turns meanwhile.
 *
 * @throws CofferError of every step, COFFER_MEDIUM_MISSING where the medium is gone meanwhile; what ran from it runs then as
 *   it did.
 */
export async function install(answer: GrantAnswer, options: Installing): Promise<Copied> {
  try {
    return await installing(answer, options)
  } catch (error) {
    throw unlessGone(error, options.medium.root)
  }
}

async function installing(
  answer: GrantAnswer,
  { source, fromMaster, medium, home, powers, onEvent, isFresh, signal }: Installing
): Promise<Copied> {
  const { manifest } = source
  const { root } = medium
  const conversion = manifest.scheme === 'conversion'
  onEvent({ step: conversion ? 'S14' : 'S2', chargedMinor: answer.chargedMinor, currency: answer.currency })

  installRevocations(root, home, answer.revocations, fromMaster)
  learnTime(answer.centerId, answer.answered, medium, home, isFresh)
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
  function* transferring(): Steps {
    if (license.scheme === 'certificate') return yield* transferSealed(source, titleFile, progress)
    const masterKey = masterMediumKey(license, answer)
    try {
      announceUnwrapped(license, answer, onEvent)
      yield* transferConverted(source, masterKey, key.key, titleFile, powers, progress)
    } finally {
      wipe(masterKey)
    }
  }
  await fill(titleFile, transferring(), signal)
  using written = openTitleFile(titleFile.temporaryPath)
  const verifying = verifyingPayload(written, key.key, (doneBytes, totalBytes) =>
    onEvent({ step: 'verify', doneBytes, totalBytes })
  )
  await inTurns(verifying, signal)

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
    throw new CofferError('COFFER_IO', 'The grant that was just written is not there.', {
      expected: grantPath,
      found: 'no such file',
      hint: 'Check that the medium is still connected, and copy the title again.'
    })
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
      ...otherId('medium', medium.mediumId, opened.mediumId),
      hint: 'Apply it to the medium it was ordered for, or order for this one.'
    })
  }
  return opened
}

/** What statfs calls FAT12 to FAT32, whose files are shorter than 4 GiB. */
const FAT = 0x4d44
const LARGEST_ON_FAT = 0xffff_ffff

/**
 * Before anything is ordered: the new copy must fit beside the old one.
 *
 * @throws CofferError COFFER_DISK_FULL, COFFER_CANNOT_CREATE, COFFER_FILE_MISSING, COFFER_IO
 */
export function checkSpace(root: string, { file }: { readonly file: { readonly sizeBytes: number } }): void {
  const { bavail, bsize, type } = attempt('inspect', root, () => statfsSync(root))
  if (type === FAT && file.sizeBytes > LARGEST_ON_FAT) {
    throw new CofferError(
      'COFFER_CANNOT_CREATE',
      `The title is too large for the file system at "${root}".`,
      {
        expected: `less than ${sizeText(LARGEST_ON_FAT + 1)}, as a FAT file system has files`,
        found: sizeText(file.sizeBytes),
        hint: 'Format the medium with another file system, such as exFAT, and prepare it anew. Nothing was ordered.'
      }
    )
  }
  const needed = file.sizeBytes + 1024 * 1024
  if (bavail * bsize >= needed) return
  throw new CofferError('COFFER_DISK_FULL', `There is not enough space on the medium at "${root}".`, {
    expected: `${sizeText(needed)} free`,
    found: `${sizeText(bavail * bsize)} free`,
    hint: 'Free some space there and repeat the command. Nothing was ordered.'
  })
}
