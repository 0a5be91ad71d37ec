/**
 * Measure a medium: its identity, checked, and its factors as they are now (docs/spec.md §6.2). Nothing of the factors
 * is believed from a file; the short hashes in the identity only serve to say which one changed.
 */
import { equalBytes } from '../../formats/bytes.js'
import { CofferError, orNone } from '../../formats/errors.js'
import { asTyped } from '../../formats/wording.js'
import { MAX_RECORD_BYTES } from '../../formats/limits.js'
import {
  type Factor,
  factorHint,
  mediumId,
  openIdentity,
  type Identity
} from '../../formats/records/identity.js'
import type { MediumKind } from '../../formats/records/fields.js'
import { inspectFile, inspectFolder, isFolder, readWithFacts } from '../files.js'
import { driveKind } from './drive.js'
import { folderKind } from './folder.js'
import type { KindOfMedium, MeasureContext } from './kind.js'
import { mediumPaths } from './layout.js'
import { remembering } from '../remember.js'
import { SYSTEM } from './system.js'

export const KINDS: Readonly<Record<MediumKind, KindOfMedium>> = {
  folder: folderKind(SYSTEM),
  drive: driveKind(SYSTEM)
}

declare const measured: unique symbol
/** A medium as it was just measured. Only {@link measureMedium} makes one. */
export interface MeasuredMedium {
  readonly [measured]: true
  readonly root: string
  /** What it was measured in. */
  readonly context: MeasureContext
  readonly identity: Identity
  readonly mediumId: Uint8Array
  readonly factors: readonly { readonly name: string; readonly unchanged: boolean }[]
}

/** @throws CofferError COFFER_MEDIUM_MISSING, COFFER_RECORD_*, COFFER_ENCODING. */
export function measureMedium(root: string): MeasuredMedium {
  const paths = mediumPaths(root)
  const read = readWithFacts(paths.identity, MAX_RECORD_BYTES)
  const folder = inspectFolder(paths.folder)
  if (read === undefined || folder === undefined) throw noMedium(root)
  const identity = identityIn(read.bytes, paths.identity)
  // From another volume it was linked: what counts is the link, which is here.
  const stats = read.facts.dev === folder.dev ? read.facts : inspectFile(paths.identity)
  if (stats === undefined) throw noMedium(root)
  const context: MeasureContext = {
    root,
    identityFile: { inode: stats.ino, birthTimeNs: stats.birthtimeNs, device: stats.dev },
    folderInode: folder.ino
  }
  const factors = identity.factors.map(({ name }) => ({
    name,
    value: KINDS[identity.kind].measure(name, context)
  }))
  return new Measurement(root, context, identity, factors) as unknown as MeasuredMedium
}

class Measurement {
  readonly root: string
  readonly context: MeasureContext
  readonly identity: Identity
  readonly mediumId: Uint8Array
  readonly #factors: readonly Factor[]

  constructor(root: string, context: MeasureContext, identity: Identity, factors: readonly Factor[]) {
    this.root = root
    this.context = context
    this.identity = identity
    this.mediumId = mediumId(identity, factors)
    this.#factors = factors
  }

  /** Only asked for when something is to be said about it. */
  get factors(): MeasuredMedium['factors'] {
    const { nonce, factors } = this.identity
    return this.#factors.map((factor, index) => ({
      name: factor.name,
      unchanged: equalBytes(factorHint(nonce, factor), factors[index]!.hint)
    }))
  }
}

const openIdentityOnce = remembering(openIdentity)

function identityIn(bytes: Uint8Array, path: string): Identity {
  try {
    return openIdentityOnce(bytes)
  } catch (error) {
    if (!(error instanceof CofferError) || error.exitCode !== 65) throw error
    const { code, message, expected, found } = error
    throw new CofferError(code, `The medium's identity at ${path} is damaged. ${message}`, {
      ...(expected !== undefined && { expected }),
      ...(found !== undefined && { found }),
      hint: 'It is written once, and nothing that was copied to the medium can run without it. To start anew, remove it and prepare the medium again.',
      cause: error
    })
  }
}

/** What to say when a medium turns out to be another: which of its facts are not as they were. */
export function describeChange({ identity, factors }: MeasuredMedium): string {
  const changed = factors.filter(({ unchanged }) => !unchanged).map(({ name }) => FACTOR_NAMES[name] ?? name)
  if (changed.length === 0) return `another medium of kind ${identity.kind}`
  if (changed.length === 1) return `a ${identity.kind} whose ${changed[0]} is not the same`
  const others = changed.slice(0, -1).join(', ')
  return `a ${identity.kind} whose ${others} and ${changed.at(-1)} are not the same`
}

const FACTOR_NAMES: Readonly<Record<string, string>> = {
  machine: 'machine',
  disk: 'disk',
  volume: 'volume',
  'birth-time': 'birth time',
  inode: 'place on the volume',
  serial: 'hardware serial number'
}

/** @throws CofferError COFFER_MEDIUM_MISSING where no medium was prepared. */
export function refuseNoMedium(root: string): void {
  if (inspectFile(mediumPaths(root).identity) === undefined) throw noMedium(root)
}

/** Exit codes of what a medium fails with that was pulled out: what was there is missing, cannot be made, or read. */
const FAILURES_OF_FILES: ReadonlySet<number> = new Set([66, 73, 74])

/** What to tell of a failure at work on a medium: where that is not there any more, nothing else counts. */
export function unlessGone(error: unknown, root: string): unknown {
  if (!(error instanceof CofferError) || !FAILURES_OF_FILES.has(error.exitCode)) return error
  const { identity } = mediumPaths(root)
  // Where it cannot even be looked for, that is what the failure says already.
  const isGone = orNone(() => inspectFile(identity) === undefined) ?? false
  if (!isGone) return error
  return new CofferError('COFFER_MEDIUM_MISSING', `The medium at ${root} is gone.`, {
    expected: identity,
    found: 'no such file',
    hint: 'Connect it and repeat the command; what was charged is not charged twice.',
    cause: error
  })
}

function noMedium(root: string): CofferError {
  const [found, hint] = isFolder(root)
    ? [
        'a folder that was never prepared',
        `If a medium was here, connect it again. Otherwise give the path of one, or prepare this folder with "coffer prepare ${asTyped(root)}".`
      ]
    : inspectFile(root)
      ? ['a file', 'Check the path, and that the medium is connected.']
      : [
          'no such folder',
          `Check the path, and that the medium is connected. A new one is made with "coffer prepare ${asTyped(root)}".`
        ]
  const expected = mediumPaths(root).identity
  return new CofferError('COFFER_MEDIUM_MISSING', `There is no coffer medium at "${root}".`, {
    expected,
    found,
    hint
  })
}
