/**
 * Hostile programs, as data: what each tries, and how it must end. `npm test` and `npm run containment` run them.
 *
 * A program is the body of an async function `attack`, in a module that has all of `coffer:host` as `host` (see
 * arena.ts); or, where it begins with `module:`, a whole module. `(depth)` and the like stand for nothing special.
 *
 * How it ends, one of several where they are joined by `|`:
 *
 *   `gives X`       the call resolves with X, as JSON (undefined is `nothing`)
 *   `throws N`      the call rejects with a GuestError called N; `throws`: of whatever name
 *   `unsupported`   the call rejects with COFFER_VALUE_UNSUPPORTED
 *   `invalid`       the program is refused before it runs: COFFER_PROGRAM_INVALID
 *   `cpuMs` etc.    the limit of this name was passed
 */
export type Ending = string

/** Either for all engines, or apart. */
export type Endings = Ending | { readonly quickjs: Ending; readonly ses: Ending }

/** Programs that try the same sort of thing, by what each tries. */
export type Family = Readonly<Record<string, readonly [Endings, string]>>

/** How a stack that is used up shows in a guest. */
export const STACK = 'throws RangeError|throws InternalError'
