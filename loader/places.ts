/**
 * Where the places of a program come from, for the stacks of its errors: the source map that was sealed with it
 * (docs/spec.md §9.5). Read when an error is to be told, and not before.
 *
 * Reading one takes a page; the package that does it in presses is no part of what runs titles (docs/decisions/0036).
 */
import type { SourcePlace } from '../sandbox/guest.js'

/** A map larger than this, decompressed, is not read: what is made of it lies in the host's memory, beside its limits. */
const MAX_MAP_BYTES = 8 * 1024 * 1024
/** Lines and segments together, each of which becomes an object or two. */
const MAX_SEGMENTS = 1_000_000
const MAX_SOURCES = 65_536
/** Of a place as it is told. */
const MAX_FILE_CHARS = 512

/**
 * @param read - Gives the sealed map, brotli over JSON (ECMA-426 without the sources' text); undefined where there is none.
 * @returns For a line and column of the program, both from 1, `file:line:column` of the source; undefined where that is
 *   not known, whatever the reason: an error is told all the same.
 */
export function lazyPlaces(read: () => Uint8Array | undefined): SourcePlace {
  let lines: readonly Line[] | undefined
  return (line, column) => {
    try {
      lines ??= linesOf(read())
    } catch {
      lines = []
    }
    return lines[line - 1]?.(column - 1)
  }
}

/** Finds the place of a column, from 0, of one line. */
type Line = (column: number) => string | undefined

interface SourceMap {
  readonly sources: readonly string[]
  readonly mappings: string
}

function linesOf(sealed: Uint8Array | undefined): Line[] {
  if (sealed === undefined) return []
  const { brotliDecompressSync } = process.getBuiltinModule('node:zlib')
  const text = brotliDecompressSync(sealed, { maxOutputLength: MAX_MAP_BYTES }).toString('utf8')
  const { sources, mappings } = JSON.parse(text) as SourceMap
  if (sources.length > MAX_SOURCES || segmentsOf(mappings) > MAX_SEGMENTS) return []
  const pattern = invisible()
  const names = sources.map(name => String(name).slice(0, MAX_FILE_CHARS).replace(pattern, '?'))
  // File, line and column count on from segment to segment, over the ends of lines too.
  let [file, line, column] = [0, 0, 0]
  return mappings.split(';').map(segments => {
    const starts: number[] = []
    const places: (string | undefined)[] = []
    let start = 0
    for (const segment of segments === '' ? [] : segments.split(',')) {
      const [step = 0, ...rest] = numbersOf(segment)
      starts.push((start += step))
      if (rest.length < 3) {
        places.push(undefined)
        continue
      }
      file += rest[0]!
      line += rest[1]!
      column += rest[2]!
      places.push(names[file] === undefined ? undefined : `${names[file]}:${line + 1}:${column + 1}`)
    }
    return at => places[lastUpTo(starts, at)]
  })
}

/** Counted before any is taken apart. */
function segmentsOf(mappings: string): number {
  let count = 1
  for (let at = 0; at < mappings.length; at++) if (mappings[at] === ';' || mappings[at] === ',') count++
  return count
}

/** Where the last number stands that is no larger; -1 for none. */
function lastUpTo(sorted: readonly number[], most: number): number {
  let [low, high] = [0, sorted.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if (sorted[middle]! <= most) low = middle + 1
    else high = middle
  }
  return low - 1
}

/** Base 64 digits of five bits and one that says that more follow; the lowest bit of a number is its sign. */
function numbersOf(segment: string): number[] {
  const numbers: number[] = []
  let value = 0
  let shift = 0
  for (const char of segment) {
    const digit = DIGITS.indexOf(char)
    if (digit < 0 || shift > 30) throw new RangeError('no source map')
    value |= (digit & 31) << shift
    shift += 5
    if (digit >= 32) continue
    numbers.push(value & 1 ? -(value >>> 1) : value >>> 1)
    value = shift = 0
  }
  return numbers
}

const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
/** Names come from the publisher, and end up on terminals. The pattern takes a while to make, which most runs do without. */
const invisible = () => /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu
