/**
 * A medium gives a copy up, first of all and provably (docs/spec.md §8.7).
 *
 * The signed return is written and flushed: from then on every loader refuses the grant. The grant is removed, and that
 * it is gone is read back from the medium. Only then may the return be sent. It stays on the medium until the center has
 * answered, so that whatever happens in between, the same return is sent again; and at home, so that a grant that is put
 * back from a backup does not run.
 */
import { basename, join } from 'node:path'
import { equalBytes } from '../../formats/bytes.js'
import { CofferError, orNone } from '../../formats/errors.js'
import { MAX_RECORD_BYTES } from '../../formats/limits.js'
import { readGrantClaim } from '../../formats/records/grant.js'
import { encodeReturn, openReturn, type VerifiedReturn } from '../../formats/records/return.js'
import { inspectFile, listFolder, makeFolder, readFile, removeFile } from '../files.js'
import type { Home } from '../home.js'
import { mediumPaths } from '../medium/layout.js'
import { measureMedium } from '../medium/measure.js'
import { writeFile } from '../pending.js'
import type { Powers } from '../powers.js'
import { licenseName } from '../read.js'
import { ownGrant } from './held.js'

/** A return on its way: it is on the medium, and its grant is not. */
export interface Pending {
  readonly bytes: Uint8Array
  readonly given: VerifiedReturn
  /** Where it is kept. */
  readonly path: string
}

/** What the copy's grant was filed under, and its saves are. */
export const nameOf = ({ path }: Pending): string => basename(path, '.return')

/** Every return that a medium keeps. One that is damaged is none: the center has not got it, or the list says so. */
export function pendingReturns(root: string): Pending[] {
  const { returns } = mediumPaths(root)
  return listFolder(returns).flatMap(name => {
    const path = join(returns, name)
    const bytes = readFile(path, MAX_RECORD_BYTES)
    return (bytes && orNone(() => [{ bytes, given: openReturn(bytes), path }])) ?? []
  })
}

/** This user's for a title. What it is filed under follows from it alone: the grant that had the name is gone. */
export const pendingOf = (root: string, titleId: string, userId: Uint8Array): Pending | undefined =>
  pendingReturns(root).find(({ given }) => given.titleId === titleId && equalBytes(given.userId, userId))

export interface GivingUp {
  readonly home: Home
  readonly powers: Powers
  /** The request that it is given up for; none: it is returned. */
  readonly order?: Uint8Array | undefined
  /** Whether one that is there counts no more. */
  readonly isStale?: (given: VerifiedReturn) => boolean
}

/**
 * Give a copy up, or go on with giving it up.
 *
 * A return of the copy that is on the medium already is sent again if it is for the same, and is replaced otherwise. The
 * center takes the first that it gets, whichever that is: nothing that comes after it ends or moves anything.
 */
export function giveUp(
  root: string,
  titleId: string,
  { home, powers, order, isStale = () => false }: GivingUp
): Pending {
  const user = home.requireUserKeys()
  const paths = mediumPaths(root)
  const before = pendingOf(root, titleId, user.userId)
  if (before !== undefined && isFor(before.given, order) && !isStale(before.given))
    return removeGrant(root, before)

  const { centerId, grantId } = before?.given ?? ownGrant(root, titleId, home)
  const bytes = encodeReturn(
    {
      centerId,
      created: powers.now(),
      grantId,
      mediumId: measureMedium(root).mediumId,
      ...(order && { order }),
      requestId: powers.random(16),
      sealKey: user.sealKey,
      signKey: user.signKey,
      titleId
    },
    user.signer
  )
  const path = before?.path ?? paths.returned(licenseName(root, titleId, user.userId))
  makeFolder(paths.returns)
  writeFile(path, bytes)
  home.seen(centerId).rememberReturned(grantId)
  return removeGrant(root, { bytes, given: openReturn(bytes), path })
}

const isFor = (given: VerifiedReturn, order: Uint8Array | undefined): boolean =>
  given.order === undefined || order === undefined ? given.order === order : equalBytes(given.order, order)

/** Only what the medium says counts: the return is on it, and the grant is not. */
function removeGrant(root: string, pending: Pending): Pending {
  const paths = mediumPaths(root)
  const name = nameOf(pending)
  const kept = readFile(pending.path, MAX_RECORD_BYTES)
  if (kept === undefined || !equalBytes(kept, pending.bytes)) throw notGone(pending.path)
  if (isAnother(paths.grant(name), pending)) return pending
  removeFile(paths.grant(name))
  if (inspectFile(paths.grant(name)) !== undefined || listFolder(paths.grants).includes(`${name}.grant`))
    throw notGone(paths.grant(name))
  return pending
}

/** A copy that was bought since is not given up with the one before it. */
function isAnother(path: string, { given }: Pending): boolean {
  const bytes = readFile(path, MAX_RECORD_BYTES)
  const claim = bytes && orNone(() => readGrantClaim(bytes))
  return claim !== undefined && !equalBytes(claim.grantId, given.grantId)
}

const notGone = (path: string) =>
  new CofferError('COFFER_IO', `The medium does not do what it is told: ${path} is not as it was written.`, {
    hint: 'Nothing was sent. Check that the medium is not write-protected and undamaged, and repeat the command.'
  })

/**
 * What fails once a copy is given up must not read as if nothing had happened.
 *
 * @param again - What the person does next, where the center has not refused it.
 * @param instead - What he does where it has.
 */
export async function afterGivingUp<T>(
  titleId: string,
  { again, instead }: { readonly again: string; readonly instead: string },
  work: () => Promise<T>
): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof CofferError)) throw error
    const isRefused = error.exitCode === 77
    const hint = [
      ...(error.hint === undefined ? [] : [error.hint]),
      `The medium has given its copy of ${titleId} up already, and it no longer runs.`,
      isRefused ? instead : again
    ].join(' ')
    throw retold(error, hint)
  }
}

/** The same error, with another hint. */
export function retold({ code, message, expected, found, cause }: CofferError, hint: string): CofferError {
  return new CofferError(code, message, {
    ...(expected !== undefined && { expected }),
    ...(found !== undefined && { found }),
    ...(cause !== undefined && { cause }),
    hint
  })
}
