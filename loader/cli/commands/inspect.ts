/**
 * `coffer inspect`: everything that a record, a sealed title, a medium or a master says openly. Records are shown as they are
 * encoded, after their own signature was checked; sealed and wrapped keys are ciphertext and shown as such.
 */
import { equalBytes, hex } from '../../../formats/bytes.js'
import { CofferError, orNone } from '../../../formats/errors.js'
import { isRecord, parseFrame, recordTypeOf, verifySelfSigned } from '../../../formats/frame.js'
import { MAX_ANSWER_BYTES, MAX_REVOCATIONS_BYTES } from '../../../formats/limits.js'
import { decode, type Packable } from '../../../formats/msgpack.js'
import { openReceipt } from '../../../formats/records/checkpoint.js'
import { decodeCollection, MAX_COLLECTION_BYTES } from '../../../formats/records/revocations.js'
import { decodeRoots, rootHash } from '../../../formats/records/root.js'
import { SAVES_MAGIC } from '../../../formats/saves.js'
import { MAGIC as TITLE_MAGIC } from '../../../formats/title.js'
import { titleFiles } from '../../copier/master.js'
import { inspectSaves } from '../../copier/saves-file.js'
import { inspectFile, isFolder, RandomFile, readFile } from '../../files.js'
import { Home } from '../../home.js'
import type { MeasuredFactor } from '../../medium/kind.js'
import { mediumPaths } from '../../medium/layout.js'
import { KINDS, measureMedium, type MeasuredMedium } from '../../medium/measure.js'
import { listTitles, openTitleFile } from '../../read.js'
import { isoTime } from '../../times.js'
import type { Call, Outcome } from '../command.js'
import { factorText } from '../factors.js'
import { printable } from '../../../formats/screen.js'
import { paint, STDOUT } from '../output.js'

/** JSON as it is shown: bytes in hexadecimal, times in ISO 8601. */
type Shown = string | number | boolean | null | readonly Shown[] | ShownMap
type ShownMap = { readonly [name: string]: Shown }

const MAX_FILE_BYTES = Math.max(MAX_ANSWER_BYTES, MAX_REVOCATIONS_BYTES, MAX_COLLECTION_BYTES)
const MAX_DEPTH = 4
/** Body fields that are seconds since 1970. */
const TIMES = new Set(['answered', 'created', 'issued', 'expires', 'pressed'])
const ascii = (bytes: Uint8Array): string => new TextDecoder('latin1').decode(bytes)

export function execute(call: Call): Outcome {
  const path = call.argument('path')
  const home = new Home()
  const data = isFolder(path) ? showFolder(path, home) : { path, ...showFile(path, home) }
  return { data, text: asText(data) }
}

function showFolder(path: string, home: Home): ShownMap {
  const isMedium = inspectFile(mediumPaths(path).folder) !== undefined
  const sealed = isMedium ? [] : titleFiles(path)
  if (sealed.length === 0) return showMedium(path, home)
  return {
    type: 'master',
    path,
    files: sealed.map(file => ({ path: file, ...(orFailure(() => showFile(file, home)) as ShownMap) }))
  }
}

function showMedium(path: string, home: Home): ShownMap {
  const medium = measureMedium(path)
  const { identity, mediumId, factors } = medium
  const strengths = measuredStrengths(medium)
  const paths = mediumPaths(path)
  return {
    type: 'medium',
    path,
    mediumId: hex(mediumId),
    kind: identity.kind,
    created: isoTime(identity.created),
    nonce: hex(identity.nonce),
    factors: factors.map(({ name, unchanged }) => {
      const strength = strengths.find(factor => factor.name === name)?.strength ?? null
      return { name, strength, unchanged, meaning: factorText({ name, strength }) }
    }),
    titles: listTitles(path).map(({ titleId, licenses, files }) => ({
      title: titleId,
      grants: licenses.map(name => orFailure(() => showFile(paths.grant(name), home))),
      files: files.map(file => orFailure(() => showFile(file.path, home)))
    }))
  }
}

const measuredStrengths = ({ identity, context }: MeasuredMedium): readonly MeasuredFactor[] =>
  orNone(() => KINDS[identity.kind].available(context)) ?? []

/** One damaged file does not hide the rest of a medium. */
function orFailure(show: () => Shown): Shown {
  try {
    return show()
  } catch (error) {
    if (!(error instanceof CofferError)) throw error
    return { damaged: error.code, message: error.message }
  }
}

function showFile(path: string, home: Home): ShownMap {
  if (beginsWith(path, SAVES_MAGIC)) {
    const { head, fileBytes } = inspectSaves(path)
    return { type: 'saves', ...(show(head, home, 0) as ShownMap), fileBytes }
  }
  if (beginsWith(path, TITLE_MAGIC)) {
    using title = openTitleFile(path)
    const { manifest, payloadOffset, file } = title
    return {
      ...showRecord(manifest.frame.bytes, home, 0),
      type: 'title',
      payloadOffset,
      fileBytes: file.sizeBytes
    }
  }
  const bytes = readFile(path, MAX_FILE_BYTES)
  if (bytes === undefined) throw nothingThere(path)
  if (isRecord(bytes)) return showRecord(bytes, home, 0)
  const receipt = isMap(bytes, 'checkpoint') ? showReceipt(bytes, home) : undefined
  if (receipt !== undefined) return receipt
  const lists = showList(
    'revocation lists',
    () => {
      const { lists, roots = [] } = decodeCollection(bytes)
      return [...lists, ...roots.flat()]
    },
    home
  )
  const found = lists ?? showList('root records', () => decodeRoots(bytes), home)
  if (found !== undefined) return found
  throw new CofferError('COFFER_RECORD_DAMAGED', `Cannot inspect ${path}: it says nothing openly.`, {
    expected: 'a record, a sealed title, exported saves, a medium or a master',
    found: ascii(bytes.subarray(0, 7)) === 'COFFER-' ? 'a key file, which is secret' : 'something else',
    hint: 'Check the path.'
  })
}

/** Whether this is a bare map whose first field has this name. */
const isMap = (bytes: Uint8Array, first: string): boolean =>
  (bytes[0]! & 0xf0) === 0x80 &&
  bytes[1] === 0xa0 + first.length &&
  ascii(bytes.subarray(2, 2 + first.length)) === first

/**
 * A receipt, proved without a network: its entry is in the log that a trusted center signed.
 *
 * @throws CofferError COFFER_CENTER_UNTRUSTED where nobody trusted here signed it, COFFER_RECORD_*, COFFER_ENCODING.
 */
function showReceipt(bytes: Uint8Array, home: Home): ShownMap {
  const opened = openReceipt(bytes, home.centers())
  if (opened === undefined) throw untrustedReceipt()
  const { receipt, checkpoint, center } = opened
  const { changes } = decode(receipt.entry) as { changes: readonly { [name: string]: Packable }[] }
  const rows = (table: string) =>
    changes
      .filter(change => change['table'] === table)
      .map(change => change['row'] as { [name: string]: Packable })
  const pick = (row: { [name: string]: Packable }, ...names: readonly string[]) =>
    Object.fromEntries(
      names.flatMap(name => (row[name] === undefined ? [] : [[name, shownCell(name, row[name]!)]]))
    )
  return {
    type: 'receipt',
    verdict: 'proved',
    center: center.name,
    centerId: hex(checkpoint.centerId),
    entry: `${receipt.index} of ${checkpoint.size}`,
    signed: isoTime(checkpoint.issued),
    requests: rows('requests').map(row =>
      pick(row, 'requestId', 'kind', 'requestHash', 'signer', 'answered')
    ),
    copies: rows('grants').map(row =>
      pick(row, 'grantId', 'titleId', 'release', 'mediumId', 'userId', 'kind', 'bought', 'expires', 'ending')
    ),
    charges: rows('ledger').map(row => pick(row, 'account', 'amountMinor', 'currency', 'posted'))
  }
}

const SECONDS = new Set(['answered', 'bought', 'expires', 'posted'])
const shownCell = (name: string, cell: Packable): Shown =>
  cell instanceof Uint8Array
    ? hex(cell)
    : SECONDS.has(name) && typeof cell === 'number'
      ? isoTime(cell)
      : (cell as Shown)

const untrustedReceipt = () =>
  new CofferError(
    'COFFER_CENTER_UNTRUSTED',
    'This receipt was not signed by a center that is trusted here.',
    {
      expected: 'a checkpoint signed by a pinned center',
      found: 'one signed by someone else',
      hint: 'If you know the seller, pin the center with "coffer trust <center URL>" first.'
    }
  )

/** Titles and saves are known by their first bytes, since they may be far larger than what is read whole. */
function beginsWith(path: string, magic: Uint8Array): boolean {
  const file = RandomFile.open(path)
  if (file === undefined) return false
  try {
    return equalBytes(file.read(0, Math.min(magic.length, file.sizeBytes)), magic)
  } finally {
    file.close()
  }
}

const nothingThere = (path: string) =>
  new CofferError('COFFER_FILE_MISSING', `There is nothing at ${path}.`, {
    expected: 'a record, a sealed title, exported saves, a medium or a master',
    found: 'no such file',
    hint: 'Check the path.'
  })

function showList(type: string, decodeList: () => readonly Uint8Array[], home: Home) {
  try {
    return { type, records: decodeList().map(bytes => showRecord(bytes, home, 1)) }
  } catch (error) {
    if (error instanceof CofferError && error.code === 'COFFER_ENCODING') return undefined
    throw error
  }
}

function showRecord(bytes: Uint8Array, home: Home, depth: number): ShownMap {
  const type = recordTypeOf(bytes) ?? 'root'
  const frame = verifySelfSigned(parseFrame(type, bytes, MAX_FILE_BYTES))
  const attachments = show(decode(frame.attachments), home, depth)
  return {
    type,
    ...(show(decode(frame.body), home, depth) as ShownMap),
    ...(type === 'root' && { rootHash: hex(rootHash(bytes)) }),
    ...(Object.keys(attachments as object).length > 0 && { attachments }),
    signatures: frame.signatures.map(({ publicKey }) => ({
      publicKey: hex(publicKey),
      trusted: home.centers().find(({ keys }) => keys.some(key => equalBytes(key, publicKey)))?.name ?? null
    }))
  }
}

function show(value: Packable, home: Home, depth: number): Shown {
  if (value instanceof Uint8Array) {
    return isRecord(value) && depth < MAX_DEPTH
      ? orFailure(() => showRecord(value, home, depth + 1))
      : hex(value)
  }
  if (Array.isArray(value)) return value.map(item => show(item, home, depth))
  if (typeof value === 'bigint') return Number(value)
  if (typeof value !== 'object' || value === null) return value as Shown
  return Object.fromEntries(
    Object.entries(value as { [name: string]: Packable }).map(([name, item]) => [
      name,
      TIMES.has(name) && typeof item === 'number' ? isoTime(item) : show(item, home, depth)
    ])
  )
}

/** The same object for people: names in one column, what is inside something indented below it. */
function asText(data: ShownMap, indent = ''): string {
  const entries = Object.entries(data)
  const simple = (value: Shown): value is string | number | boolean | null =>
    typeof value !== 'object' || value === null
  const short = (value: Shown): string | undefined => {
    if (simple(value)) return value === null ? '-' : String(value)
    if (Array.isArray(value) && value.every(simple)) return value.join(', ') || 'none'
    return undefined
  }
  const width = Math.max(...entries.map(([name]) => name.length))
  return entries
    .map(([name, value]) => {
      const line = short(value)
      if (line !== undefined) return `${indent}${name.padEnd(width)}  ${printable(line)}`
      const parts = (Array.isArray(value) ? value : [value]) as ShownMap[]
      if (parts.every(part => Object.keys(part).length === 0)) return `${indent}${name.padEnd(width)}  none`
      return parts
        .map(part => `${indent}${paint('bold', name, STDOUT)}\n${asText(part, `${indent}  `)}`)
        .join('\n')
    })
    .join('\n')
}
