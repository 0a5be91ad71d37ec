/**
 * One error class, one closed list of codes. A code is never renamed or reused.
 *
 * docs/errors.md has a heading per code; a test keeps the two in step.
 */

/** Every code with the exit code that the programs end with (docs/spec.md §10.3). */
export const ERROR_CODES = {
  // 64: the call itself is wrong
  COFFER_USAGE: 64,

  // 65: damaged or forged data
  COFFER_ENCODING: 65, // bytes outside the strict MessagePack profile, or a body with wrong fields
  COFFER_RECORD_DAMAGED: 65, // no frame, or one that ends early or runs on
  COFFER_RECORD_FORGED: 65, // the signature does not fit the bytes
  COFFER_VERSION_UNSUPPORTED: 65, // a version, suite or type that this program does not know
  COFFER_KEY_UNWRAP: 65, // a wrapped or sealed key does not open
  COFFER_PAYLOAD_FORGED: 65, // a payload chunk or its commitment does not authenticate
  COFFER_PAYLOAD_TRUNCATED: 65, // a payload is shorter or longer than its manifest says
  COFFER_PACKAGE_DAMAGED: 65, // decrypted, but the index or an entry is not what the manifest names
  COFFER_SAVE_DAMAGED: 65, // a save does not authenticate
  COFFER_MANIFEST_INVALID: 65, // an app's package.json has no usable "coffer" field
  COFFER_PROGRAM_INVALID: 65, // a program that the engine cannot compile or that imports what it may not

  // 66: no such thing
  COFFER_FILE_MISSING: 66,
  COFFER_MEDIUM_MISSING: 66,
  COFFER_TITLE_MISSING: 66,

  // 69: the center
  COFFER_CENTER_UNREACHABLE: 69,
  COFFER_CENTER_FAILED: 69,

  // 70: our own fault
  COFFER_INTERNAL: 70,
  COFFER_ENGINE_FAILED: 70,

  // 73, 74, 75: the file system
  COFFER_EXISTS: 73,
  COFFER_CANNOT_CREATE: 73,
  COFFER_IO: 74,
  COFFER_DISK_FULL: 74,
  COFFER_BUSY: 75,

  // 77: refused
  COFFER_GRANT_MISSING: 77,
  COFFER_CERTIFICATE_MISMATCH: 77, // CS is not CS'
  COFFER_MEDIUM_MISMATCH: 77, // certified for another medium
  COFFER_USER_MISMATCH: 77, // certified for another user
  COFFER_TITLE_MISMATCH: 77, // certified for another title or release
  COFFER_USER_KEY_MISSING: 77,
  COFFER_CENTER_UNTRUSTED: 77,
  COFFER_PUBLISHER_UNTRUSTED: 77,
  COFFER_EXPIRED: 77,
  COFFER_NOT_YET_VALID: 77,
  COFFER_CLOCK_SET_BACK: 77, // the clock is behind a time that has passed
  COFFER_REVOKED: 77,
  COFFER_REVOCATIONS_MISSING: 77, // the medium must carry its revocation list
  COFFER_LOADER_TOO_OLD: 77,
  COFFER_QUOTA: 77,
  COFFER_DOWNGRADE: 77, // the medium has a newer release
  COFFER_SAVE_QUOTA: 77, // a title has no space left for its saves
  COFFER_SAVE_NEWER: 77, // the medium has saves that the file to be imported knows nothing of
  COFFER_REQUEST_ALTERED: 77, // a request id seen before with other contents
  COFFER_REQUEST_STALE: 77, // a request made too long ago, or in the future
  COFFER_REQUEST_REFUSED: 77, // any other refusal by the center
  COFFER_TITLE_UNKNOWN: 77, // the center does not sell it (S12)
  COFFER_PUBLISHER_UNKNOWN: 77,
  COFFER_NOT_AUTHORIZED: 77, // nobody who may do this at the center signed it
  COFFER_ENROLMENT_CLOSED: 77,
  COFFER_ANSWER_MISMATCH: 77, // an answer that belongs to another request
  COFFER_PRICE_REFUSED: 77, // it costs more than the person agreed to
  COFFER_PERMISSION_NEEDED: 77, // a title asks for what the person has not granted
  COFFER_ENGINE_UNSUITABLE: 77, // a title names an engine other than the one asked for
  COFFER_VAULT_LOCKED: 77, // the center's keys need a passphrase, key file or PIN
  COFFER_RETURNED: 77, // the medium has given this copy up
  COFFER_HOST_UNSAFE: 77, // the process is traced, inspected or would write memory to disk

  // 124, 130, 137: a running title was ended
  COFFER_LIMIT_CPU: 124,
  COFFER_LIMIT_WALL: 124,
  COFFER_LIMIT_OUTPUT: 124,
  COFFER_LIMIT_JOBS: 124,
  COFFER_LIMIT_CALLS: 124,
  COFFER_LIMIT_VALUE: 124, // one value was too large; the guest lives on
  COFFER_INTERRUPTED: 130,
  COFFER_LIMIT_MEMORY: 137,

  // Calls of a running guest
  COFFER_GUEST_GONE: 70, // the guest was disposed or ended before
  COFFER_EXPORT_MISSING: 66, // the title has no such export
  COFFER_VALUE_UNSUPPORTED: 64 // a value that cannot cross into or out of a guest
} as const

export type ErrorCode = keyof typeof ERROR_CODES

/** What an error may carry beyond its message. Never a key, plaintext or guest data. */
export interface ErrorDetails {
  /** What the person can do next: one sentence. */
  hint?: string
  expected?: string
  found?: string
  /** The limit of a guest that was passed. */
  limit?: LimitUse
  cause?: unknown
}

/** A limit by its name, how much it allowed, and how much was used when that was seen. */
export interface LimitUse {
  readonly name: string
  readonly value: number
  readonly used: number
}

/** Bad input from outside, or a refusal. Everything else that is thrown is a bug. */
export class CofferError extends Error {
  override readonly name = 'CofferError'
  readonly code: ErrorCode
  readonly hint: string | undefined
  readonly expected: string | undefined
  readonly found: string | undefined
  readonly limit: LimitUse | undefined

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.code = code
    this.hint = details.hint
    this.expected = details.expected
    this.found = details.found
    this.limit = details.limit
  }

  get exitCode(): number {
    return ERROR_CODES[this.code]
  }

  /** For logs: all but the cause, which may quote what nobody should see. */
  toJSON(): Omit<ErrorDetails, 'cause'> & { name: string; code: ErrorCode; message: string } {
    const { name, code, message, hint, expected, found, limit } = this
    return {
      name,
      code,
      message,
      ...(hint !== undefined && { hint }),
      ...(expected !== undefined && { expected }),
      ...(found !== undefined && { found }),
      ...(limit !== undefined && { limit })
    }
  }
}

/** What is read from a source that others can stand in for: a damaged one is as none. Other errors pass. */
export function orNone<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch (error) {
    if (error instanceof CofferError) return undefined
    throw error
  }
}
