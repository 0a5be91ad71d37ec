/**
 * High-water marks: what a person's device and his medium remember, so that a clock that is set back is noticed and a
 * copy that was given up stays given up (docs/spec.md §6.9). Each is authenticated under the user's key, for the place
 * where it is: one that was altered, or brought from elsewhere, is as none.
 */
import { equalBytes } from '../formats/bytes.js'
import { enc } from '../formats/encode.js'
import { orNone } from '../formats/errors.js'
import { hkdfExpand512 } from '../formats/primitives.js'
import { bytes, decodeAs, encodeAs, list, map, seconds, type Infer } from '../formats/shape.js'
import { readFile } from './files.js'
import { writeFile } from './pending.js'

/** Returns that may be on their way at one time. */
export const MAX_RETURNED = 1000

const shape = map({
  /** Latest time that a clock was seen at here. */
  clock: seconds,
  /** Ids of grants that were given up, and whose return the center has not answered yet. */
  returned: list(bytes(16), 0, MAX_RETURNED),
  /** Latest time that the center signed. */
  signed: seconds
})
const fileShape = map({ mac: bytes(32), marks: bytes(1, 32_768) })
const MAX_MARKS_BYTES = 40_000

export type Marks = Infer<typeof shape>
export const NO_MARKS: Marks = { clock: 0, returned: [], signed: 0 }

/** Where marks are: their place enters what authenticates them. */
export interface MarksPlace {
  readonly path: string
  /** The user's, 32 bytes. */
  readonly secret: Uint8Array
  /** The center's id, and for a medium its own after that. */
  readonly of: readonly Uint8Array[]
}

const macOf = ({ of, secret }: MarksPlace, packed: Uint8Array): Uint8Array =>
  hkdfExpand512(secret, enc('marks', ...of, packed))

export function readMarks(place: MarksPlace): Marks {
  const marks = orNone(() => {
    const file = readFile(place.path, MAX_MARKS_BYTES)
    return file && openMarks(file, place)
  })
  return marks ?? NO_MARKS
}

function openMarks(file: Uint8Array, place: MarksPlace): Marks {
  const { mac, marks } = decodeAs('marks', fileShape, file)
  return equalBytes(mac, macOf(place, marks)) ? decodeAs('marks', shape, marks) : NO_MARKS
}

export function writeMarks(place: MarksPlace, marks: Marks): void {
  const packed = encodeAs('marks', shape, marks)
  writeFile(place.path, encodeAs('marks', fileShape, { mac: macOf(place, packed), marks: packed }), 0o600)
}
