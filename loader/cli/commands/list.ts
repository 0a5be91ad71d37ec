/** `coffer list`: what is on a medium or master, damaged files named and not hidden behind the others. */
import { join } from 'node:path'
import { equalBytes } from '../../../formats/bytes.js'
import { CofferError, orNone } from '../../../formats/errors.js'
import { parseFrame, verifySelfSigned } from '../../../formats/frame.js'
import { MAX_RECORD_BYTES } from '../../../formats/limits.js'
import { readGrantClaim, type Grant } from '../../../formats/records/grant.js'
import type { ParsedManifest } from '../../../formats/records/manifest.js'
import { listMaster } from '../../copier/master.js'
import { inspectFile, readFile } from '../../files.js'
import { Home } from '../../home.js'
import { mediumPaths } from '../../medium/layout.js'
import { measureMedium } from '../../medium/measure.js'
import { licenseName, listTitles, openTitleFile } from '../../read.js'
import { isoTime, timeText } from '../../times.js'
import type { Call, Outcome } from '../command.js'
import { failureData } from '../../../formats/failure.js'
import { sayFailure } from '../failure.js'
import { printable } from '../../../formats/screen.js'
import { say } from '../output.js'
import { sizeText } from '../../../formats/wording.js'
import { table } from '../screen.js'

/** A title as it is listed; `granted` on media only. */
interface Row {
  readonly path: string
  readonly title: string
  readonly name: string
  readonly release: number
  readonly version: string
  readonly scheme: string
  readonly engine: string
  readonly permissions: readonly string[]
  readonly payloadBytes: number
  readonly granted?: boolean
  /** Who may run this release; absent where no grant here is for it. */
  readonly holder?: Holder
  /** What the grant says that this person would run it by; absent where that is another user's. */
  readonly kind?: string
  /** ISO 8601; null: never. */
  readonly expires?: string | null
  readonly features?: readonly string[]
}

/** `anyone`: whoever holds the medium, by a bearer grant. */
type Holder = 'you' | 'anyone' | 'another user'

interface Listing {
  readonly titles: readonly Row[]
  readonly damaged: readonly { readonly path: string; readonly error: CofferError }[]
}

export function execute(call: Call): Outcome {
  const root = call.argument('folder')
  if (inspectFile(root) === undefined) throw nothingAt(root)
  const isMedium = inspectFile(mediumPaths(root).folder) !== undefined
  const { titles, damaged } = isMedium ? listMedium(root) : listedMaster(root)
  if (
    !isMedium &&
    titles.length + damaged.length === 0 &&
    inspectFile(join(root, 'revocations')) === undefined
  )
    throw neither(root)
  if (!call.json) {
    if (titles.length === 0)
      say(isMedium ? 'There is no title on this medium.' : 'There is no title on this master.')
    for (const { path, error } of damaged) {
      say(`${printable(path)}${error.exitCode === 65 ? ' is damaged' : ''}:`)
      sayFailure(error)
    }
  }
  return {
    data: {
      kind: isMedium ? 'medium' : 'master',
      path: root,
      titles,
      damaged: damaged.map(({ path, error }) => ({ path, error: failureData(error) }))
    },
    text: titles.length === 0 ? '' : titlesTable(titles, isMedium),
    exitCode: damaged[0]?.error.exitCode ?? 0
  }
}

const nothingAt = (path: string) =>
  new CofferError('COFFER_MEDIUM_MISSING', `There is no medium or master at "${path}".`, {
    expected: 'a medium, a folder of sealed titles, or one sealed title',
    found: 'no such file or folder',
    hint: 'Check the path, and that the medium is connected.'
  })

/** A master has at least what pressing puts beside the titles, though they were taken away. */
const neither = (path: string) =>
  new CofferError('COFFER_MEDIUM_MISSING', `${path} is neither a medium nor a master.`, {
    expected: 'a medium, a folder of sealed titles, or one sealed title',
    found: 'a folder without any',
    hint: 'Check the path; a medium is made with "coffer prepare", a master with "coffer press".'
  })

/** What people choose by; `inspect` tells the rest, and `--json`. */
function titlesTable(titles: readonly Row[], isMedium: boolean): string {
  const hasFeatures = titles.some(({ features = [] }) => features.length > 0)
  return table(
    [
      ...['TITLE', 'RELEASE', 'NAME', 'SCHEME', 'SIZE', 'ASKS FOR'],
      ...(isMedium ? ['ENDS'] : []),
      ...(hasFeatures ? ['FEATURES'] : [])
    ],
    titles.map(title => [
      title.title,
      String(title.release),
      title.name,
      title.scheme,
      sizeText(title.payloadBytes),
      title.permissions.join(', ') || 'nothing',
      ...(isMedium ? [endText(title)] : []),
      ...(hasFeatures ? [(title.features ?? []).join(', ')] : [])
    ])
  )
}

function endText({ holder, kind, expires }: Row): string {
  if (holder === undefined) return 'no grant'
  if (kind === undefined) return `${holder}'s`
  return expires ? `${timeText(Date.parse(expires) / 1000)}, ${kind}` : 'never'
}

function listedMaster(master: string): Listing {
  const { titles, damaged } = listMaster(master)
  return { titles: titles.map(({ id, ...others }) => ({ title: id, ...others })), damaged }
}

/** By the names of its files; each is opened as far as it can be without a key. */
function listMedium(root: string): Listing {
  measureMedium(root)
  const paths = mediumPaths(root)
  const titles: Row[] = []
  const damaged: { path: string; error: CofferError }[] = []
  const attempt = (path: string, read: () => void) => {
    try {
      read()
    } catch (error) {
      if (!(error instanceof CofferError)) throw error
      damaged.push({ path, error })
    }
  }
  const userId = new Home().userKeys()?.userId
  for (const { titleId, licenses, hasGrant, files } of listTitles(root)) {
    for (const path of licenses.map(paths.grant)) attempt(path, () => checkWhole(path))
    if (files.length === 0)
      attempt(paths.grant(titleId), () => {
        throw noSealedTitle(titleId)
      })
    for (const { release, path } of files) {
      attempt(path, () => {
        using title = openTitleFile(path)
        checkName(title.manifest, titleId, release, path)
        const { id, name, version, scheme, engine, permissions, payloadBytes } = title.manifest
        titles.push({
          path,
          title: id,
          name,
          release,
          version,
          scheme,
          engine,
          permissions,
          payloadBytes,
          granted: hasGrant,
          ...termsOn(root, { titleId, licenses, release }, userId)
        })
      })
    }
  }
  return { titles, damaged }
}

/** Whose a release is, and what this person's grant of it says; nothing where there is none, or it is damaged. */
function termsOn(
  root: string,
  { titleId, licenses, release }: { titleId: string; licenses: readonly string[]; release: number },
  userId: Uint8Array | undefined
): Pick<Row, 'holder' | 'kind' | 'features' | 'expires'> {
  const claimed = (name: string) => {
    const grant = claimAt(mediumPaths(root).grant(name))
    return grant?.release === release ? grant : undefined
  }
  const mine = claimed(licenseName(root, titleId, userId))
  const isBearer = mine?.bind.includes('user') === false
  if (mine !== undefined && (isBearer || (userId !== undefined && equalBytes(mine.userId, userId)))) {
    const { kind, expires, features } = mine
    const ends = expires === undefined ? null : isoTime(expires)
    return { holder: isBearer ? 'anyone' : 'you', kind, features, expires: ends }
  }
  return licenses.some(name => claimed(name) !== undefined) ? { holder: 'another user' } : {}
}

const claimAt = (path: string): Grant | undefined =>
  orNone(() => {
    const bytes = readFile(path, MAX_RECORD_BYTES)
    return bytes && readGrantClaim(bytes)
  })

/** Signed by the key it names: not a bit of it has changed since. Whose key that is, only running and verifying ask. */
function checkWhole(grantPath: string): void {
  const bytes = readFile(grantPath, MAX_RECORD_BYTES)
  if (bytes === undefined) throw leadsNowhere(grantPath)
  verifySelfSigned(parseFrame('grant', bytes, MAX_RECORD_BYTES))
}

const leadsNowhere = (path: string) =>
  new CofferError('COFFER_FILE_MISSING', `There is no grant at ${path}.`, {
    expected: 'a grant',
    found: 'a link to a file that is not there',
    hint: 'Remove that link, and copy the title to the medium again with "coffer copy"; it costs nothing again.'
  })

function checkName(
  { id, release }: ParsedManifest,
  titleId: string,
  fileRelease: number,
  path: string
): void {
  if (id === titleId && release === fileRelease) return
  throw new CofferError('COFFER_TITLE_MISMATCH', `The file ${path} holds another title.`, {
    expected: `${titleId} release ${fileRelease}`,
    found: `${id} release ${release}`,
    hint: 'Copy the title to the medium again with "coffer copy".'
  })
}

const noSealedTitle = (titleId: string) =>
  new CofferError('COFFER_TITLE_MISSING', `There is a grant for ${titleId}, but no sealed title.`, {
    hint: 'Copy the title to the medium again with "coffer copy"; it costs nothing again.'
  })
