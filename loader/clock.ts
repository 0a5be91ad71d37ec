/**
 * What time it is, for a grant that ends (docs/spec.md §6.9). The machine's clock says so, and it can be set back; what
 * is known to have passed cannot: times that the center signed, and times at which this user's programs have run.
 *
 * A clock that is a little behind is taken for a clock that is a little behind, and the later time counts. One that is
 * far behind refuses what ends, and nothing else. A clock that was far ahead once is put right by the center's time.
 */
import { CofferError, orNone } from '../formats/errors.js'
import type { VerifiedGrant } from '../formats/records/grant.js'
import type { Revocations } from '../formats/records/revocations.js'
import type { Home } from './home.js'
import type { UserKeys } from './key-files.js'
import { NO_MARKS, readMarks, writeMarks, type MarksPlace } from './marks.js'
import { mediumPaths } from './medium/layout.js'
import type { MeasuredMedium } from './medium/measure.js'
import { timeText } from './times.js'

/** Clocks of buyers may be this much behind, in seconds: more than a time zone. */
export const CLOCK_TOLERANCE = 24 * 60 * 60
/** A mark that is less old than this is left alone: starting a title writes nothing, as a rule. */
const MARK_SECONDS = 60 * 60

/**
 * The time that counts, and note it.
 *
 * @param now - What the clock says, in seconds since 1970.
 * @throws CofferError COFFER_CLOCK_SET_BACK
 */
export function timeFor(
  grant: VerifiedGrant,
  revocations: Revocations,
  medium: MeasuredMedium,
  home: Home,
  now: number
): number {
  const user = home.userKeys()
  const seen = home.seen(grant.centerId)
  const atHome = seen.marks
  const place = user && mediumMarks(medium, grant.centerId, user)
  const onMedium = place === undefined ? NO_MARKS : readMarks(place)
  const known = Math.max(atHome.signed, atHome.clock, onMedium.clock, revocations.issued)
  if (now < known - CLOCK_TOLERANCE) throw setBack(grant.titleId, known, now)
  const time = Math.max(now, known)
  if (time > atHome.clock + MARK_SECONDS) seen.remark(marks => ({ ...marks, clock: time }))
  // A medium that is read-only, or gone, still runs what it has.
  if (place !== undefined && time > onMedium.clock + MARK_SECONDS)
    orNone(() => writeMarks(place, { ...onMedium, clock: time }))
  return time
}

/**
 * The center has said what time it is: a clock that was far ahead is forgotten, on this device and this medium. An
 * answer that is older than another seen here says nothing.
 *
 * @param isFresh - It answers a request that was made for it now, so it is not older: the center's own clock was ahead.
 */
export function learnTime(
  centerId: Uint8Array,
  answered: number,
  medium: MeasuredMedium,
  home: Home,
  isFresh = false
): void {
  const seen = home.seen(centerId)
  if (answered <= seen.marks.signed && !isFresh) return
  const corrected = (clock: number) => (clock > answered + CLOCK_TOLERANCE ? answered : clock)
  seen.remark(marks => ({ ...marks, signed: answered, clock: corrected(marks.clock) }))
  const user = home.userKeys()
  if (user === undefined) return
  const place = mediumMarks(medium, centerId, user)
  const onMedium = readMarks(place)
  if (corrected(onMedium.clock) !== onMedium.clock)
    orNone(() => writeMarks(place, { ...onMedium, clock: answered }))
}

const mediumMarks = (
  { root, mediumId }: MeasuredMedium,
  centerId: Uint8Array,
  { userId, markSecret }: UserKeys
): MarksPlace => ({
  path: mediumPaths(root).marks(userId),
  secret: markSecret,
  of: [centerId, mediumId]
})

const setBack = (titleId: string, known: number, now: number) =>
  new CofferError('COFFER_CLOCK_SET_BACK', "This machine's clock is behind a time that has passed already.", {
    expected: `${timeText(known)} or later`,
    found: timeText(now),
    hint: `Set the clock right. If it is right and was wrong before, "coffer renew <medium> ${titleId}" asks the center for the time.`
  })
