/** Bounds on everything that comes from outside, checked before anything is allocated (docs/spec.md §2.8). */

/** A record's frame as a whole, for every type but the three below. */
export const MAX_RECORD_BYTES = 64 * 1024
/** A release carries its publisher's certificate. */
export const MAX_RELEASE_BYTES = 128 * 1024
/** Answers carry a grant, roots and a revocation list. */
export const MAX_ANSWER_BYTES = 4 * 1024 * 1024
export const MAX_REVOCATIONS_BYTES = 2 * 1024 * 1024
/** Copies that have ended, of one center, and what they take at most. */
export const MAX_ENDED = 8_000_000
export const MAX_ENDED_BYTES = 64 * 1024 * 1024
export const MAX_SIGNATURES = 4

export const MAX_DEPTH = 16
export const MAX_ITEMS = 200_000

export const MAX_TITLE_ID_CHARS = 64
export const MIN_TITLE_ID_CHARS = 3
export const MAX_NAME_CHARS = 200
/** Saves of one title on one medium. */
export const MAX_SAVE_SLOTS = 256
/** Hosts that a title may ask to reach. */
export const MAX_NET_HOSTS = 32
export const MAX_NET_HOST_CHARS = 270

export const MAX_PACKAGE_INDEX_BYTES = 8 * 1024 * 1024
export const MAX_PACKAGE_ENTRIES = 20_000
export const MAX_ENTRY_NAME_CHARS = 512
/** A program must fit in memory, and twice over while it is compiled. */
export const MAX_PROGRAM_BYTES = 64 * 1024 * 1024
/** Twice what a guest may have by default: an image is no larger than the memory that it was taken from. */
export const MAX_IMAGE_BYTES = 128 * 1024 * 1024
/** 2^48 - 1: what our u48 sizes hold; the payload format itself ends at 4 PiB. */
export const MAX_PAYLOAD_BYTES = 2 ** 48 - 1

export const DAY_SECONDS = 86_400
/** Requests travel by file, perhaps by mail. */
export const MAX_REQUEST_AGE_SECONDS = 30 * DAY_SECONDS
/** Clocks are wrong by a time zone. */
export const MAX_REQUEST_AHEAD_SECONDS = DAY_SECONDS
