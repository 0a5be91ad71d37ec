/**
 * What this person's programs have seen of one center, wherever they met it: its newest revocation list, copies that have
 * ended, times that have passed, copies that were given up (docs/spec.md §6.3). Kept in the center's folder at home.
 */
import { equalBytes } from '../formats/bytes.js'
import { orNone } from '../formats/errors.js'
import { MAX_REVOCATIONS_BYTES } from '../formats/limits.js'
import { openRevocations, type Revocations } from '../formats/records/revocations.js'
import type { Center } from '../formats/records/root.js'
import { inspectFile, inspectFolder, readFile, within } from './files.js'
import { writeFile } from './pending.js'
import { MAX_RETURNED, NO_MARKS, readMarks, writeMarks, type Marks, type MarksPlace } from './marks.js'
import { remembering } from './remember.js'

/** A list that a key of the center signed, and the record that it is. */
export interface SeenList {
  readonly revocations: Revocations
  readonly bytes: Uint8Array
}

/** Times of a file system may be this coarse (FAT), in milliseconds. */
const COARSE_MS = 2000

export class Seen {
  readonly #folder: string
  readonly #marksPlace: () => MarksPlace | undefined
  /** As the folder was when what is known was read; undefined where that is not to be told from a later change. */
  #changed: bigint | undefined
  #marks: Marks | undefined
  #list: { readonly bytes: Uint8Array | undefined } | undefined
  #hasEnded: boolean | undefined

  /**
   * @param folder - The center's, at home.
   * @param markSecret - The user's, asked for where marks are: without a user key there are none.
   */
  constructor(folder: string, centerId: Uint8Array, markSecret: () => Uint8Array | undefined) {
    this.#folder = folder
    const path = within(folder, 'marks')
    this.#marksPlace = () => {
      const secret = markSecret()
      return secret && { path, secret, of: [centerId] }
    }
  }

  /**
   * Whatever is asked from now on is as it is now. Files come into the folder by being renamed into it, which its time of
   * change tells: what was read stays good while that stays the same.
   */
  look(): this {
    const changed = inspectFolder(this.#folder)?.ctimeNs
    if (changed !== undefined && changed === this.#changed) return this
    this.#forget()
    // Two changes in one tick of the file system's clock look like one.
    const isPast = changed !== undefined && Number(changed / 1_000_000n) < Date.now() - COARSE_MS
    this.#changed = isPast ? changed : undefined
    return this
  }

  #forget(): void {
    this.#changed = this.#marks = this.#list = this.#hasEnded = undefined
  }

  get marks(): Marks {
    if (this.#marks !== undefined) return this.#marks
    const place = this.#marksPlace()
    // There may be a key, and marks, the next time.
    return place === undefined ? NO_MARKS : (this.#marks = readMarks(place))
  }

  /** Change them, where there is a user key. A home on a read-only disk still runs titles. */
  remark(change: (marks: Marks) => Marks): void {
    const place = this.#marksPlace()
    if (place === undefined) return
    this.#forget()
    orNone(() => writeMarks(place, change(readMarks(place))))
  }

  /** A copy was given up: no matter what a medium says, it does not run any more. */
  rememberReturned(grantId: Uint8Array): void {
    this.remark(marks => ({ ...marks, returned: [...marks.returned, grantId].slice(-MAX_RETURNED) }))
  }

  /** The center's list names it now. */
  forgetReturned(grantId: Uint8Array): void {
    this.remark(marks => ({ ...marks, returned: marks.returned.filter(id => !equalBytes(id, grantId)) }))
  }

  /** The newest list, as far as a key of `center` signed it. */
  revocations(center: Center): SeenList | undefined {
    const { bytes } = (this.#list ??= { bytes: readFile(this.#listFile, MAX_REVOCATIONS_BYTES) })
    // A torn file is not believed; the next list that a medium carries takes its place.
    return bytes && orNone(() => openListOnce(bytes, center))
  }

  /** Keep a list if it is newer than the one that is known. A home on a read-only disk still runs titles. */
  rememberRevocations({ revocations, bytes }: SeenList, center: Center): void {
    if (revocations.sequence <= (this.revocations(center)?.revocations.sequence ?? 0)) return
    this.#forget()
    orNone(() => writeFile(this.#listFile, bytes, 0o600))
  }

  /** Where copies that have ended are listed (ended.ts). */
  get endedFile(): string {
    return within(this.#folder, 'ended')
  }

  get hasEnded(): boolean {
    return (this.#hasEnded ??= inspectFile(this.endedFile) !== undefined)
  }

  get #listFile(): string {
    return within(this.#folder, 'revocations')
  }
}

const openListOnce = remembering((bytes: Uint8Array, center: Center): SeenList | undefined => {
  const opened = openRevocations(bytes, [center])
  return opened && { revocations: opened.revocations, bytes }
})
