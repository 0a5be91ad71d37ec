/** The ways in which a guest ends or a call of it fails, as errors. */
import { CofferError, type ErrorCode, type LimitUse } from '../formats/errors.js'
import type { Limits } from './guest.js'
import type { FlatError } from './protocol.js'
import { MalformedMessage } from './wire.js'

/** What a guest is told by when it uses too much. The engine's stack is its own affair: there the guest sees an error. */
export type LimitName = Exclude<keyof Limits, 'stackBytes'>

const LIMITS: Readonly<Record<LimitName, { code: ErrorCode; say(used: number): string; unit: string }>> = {
  memoryBytes: { code: 'COFFER_LIMIT_MEMORY', say: used => `needed ${used}`, unit: ' bytes of memory' },
  cpuMs: { code: 'COFFER_LIMIT_CPU', say: used => `computed for ${used}`, unit: ' ms' },
  wallMs: { code: 'COFFER_LIMIT_WALL', say: used => `took ${used}`, unit: ' ms' },
  outputBytes: { code: 'COFFER_LIMIT_OUTPUT', say: used => `wrote ${used}`, unit: ' bytes' },
  pendingJobs: {
    code: 'COFFER_LIMIT_JOBS',
    say: used => `had ${used}`,
    unit: ' jobs, timers or requests waiting'
  },
  hostCalls: { code: 'COFFER_LIMIT_CALLS', say: used => `made ${used}`, unit: ' calls of the host' },
  valueBytes: { code: 'COFFER_LIMIT_VALUE', say: used => `is ${used}`, unit: ' bytes or more' },
  valueItems: { code: 'COFFER_LIMIT_VALUE', say: used => `holds ${used}`, unit: ' values or more' },
  valueDepth: { code: 'COFFER_LIMIT_VALUE', say: used => `nests ${used}`, unit: ' levels deep or more' }
}

/** @param used - What was used when that was seen: more than the limit, if only by one. */
export function limitReached(name: LimitName, limits: Limits, used: number): CofferError {
  const { code, say, unit } = LIMITS[name]
  const value = limits[name]
  const about = code === 'COFFER_LIMIT_VALUE' ? 'Cannot pass the result: it' : 'The title was ended: it'
  return new CofferError(code, `${about} ${say(Math.ceil(used))}${unit}, and its limit is ${value}.`, {
    hint: `Give it a higher ${name} if you trust it with that.`,
    limit: { name, value, used }
  })
}

/** For the guest, of a limit that it is about to pass. */
export function limitNear({ name, value, used }: LimitUse): FlatError {
  const { code, say, unit } = LIMITS[name as LimitName]
  const message = `It is about to be ended: it ${say(Math.ceil(used))}${unit}, and its limit is ${value}.`
  return { name: code, message, stack: '' }
}

/** @param name - As the guest says it. */
export function valueLimit(name: string, limits: Limits, used: number): CofferError {
  if (name !== 'valueBytes' && name !== 'valueItems' && name !== 'valueDepth')
    throw new MalformedMessage('unknown limit')
  return limitReached(name, limits, used)
}

/** @param message - Where and what, in no words of the program's own. */
export const programInvalid = (message: string): CofferError =>
  new CofferError('COFFER_PROGRAM_INVALID', message, {
    hint: 'Correct the source; what is pressed already comes from its publisher anew.'
  })

export const interrupted = (): CofferError =>
  new CofferError('COFFER_INTERRUPTED', 'The title was ended: it was interrupted.', {
    hint: 'Start it again when you want it.'
  })

export const disposed = (): CofferError =>
  new CofferError('COFFER_GUEST_GONE', 'Cannot go on with this call: the guest was disposed.', {
    hint: 'Wait for its calls before you dispose of it, or launch the title again.'
  })

export const gone = (cause: CofferError): CofferError =>
  new CofferError('COFFER_GUEST_GONE', `Cannot call the guest: it has ended (${cause.code}).`, {
    hint: 'Launch the title again.',
    cause
  })

export const engineFailed = (what: string, cause?: unknown): CofferError =>
  new CofferError('COFFER_ENGINE_FAILED', `The engine failed and was dropped: ${what}.`, {
    hint: 'Launch the title again.',
    cause
  })

/** What a guest prints is nobody's any more. @param what - Which function of the host's threw. */
export const hostThrew = (what: string, cause: unknown): CofferError =>
  new CofferError('COFFER_ENGINE_FAILED', `The guest was ended: its host's "${what}" threw.`, {
    hint: 'Mend that function of the app; what it threw is the cause of this error.',
    cause
  })

export const imageUnfit = (): CofferError =>
  new CofferError(
    'COFFER_ENGINE_UNSUITABLE',
    'Cannot start the title: it was sealed without its source, and its image does not fit here.',
    {
      expected: 'the build of the engine, and the grants, that it was pressed for',
      hint: 'Use the version of coffer that its publisher names, or get a newer release of the title.'
    }
  )

/**
 * @param exports - What there is.
 * @param name - What was asked for; undefined where that is no text.
 */
export function exportMissing(exports: readonly string[], name?: string): CofferError {
  const what = name === undefined ? 'export of this name' : `export "${shown(name)}"`
  const there = `It exports: ${exports.join(', ') || 'nothing'}.`
  return new CofferError(
    'COFFER_EXPORT_MISSING',
    `Cannot call the title: it has no ${what} that is a function.`,
    {
      hint:
        name === 'default'
          ? `What is run is the default export; a plugin, which has none, is called by an app. ${there}`
          : there
    }
  )
}

/** Of a name that a host asks for, in characters. */
const MAX_SHOWN_CHARS = 60

/** A name as it may stand in a line before a person's eyes: nothing that steers, and no half of a character. */
function shown(name: string): string {
  const text = name.slice(0, MAX_SHOWN_CHARS).replace(/[\p{C}\p{Zl}\p{Zp}]/gu, '?')
  return name.length <= MAX_SHOWN_CHARS ? text : `${text}...`
}

/** For who asks for a value, and gets an async iterator. */
export const streamed = (): CofferError =>
  new CofferError('COFFER_VALUE_UNSUPPORTED', 'Cannot pass the result: it is an async iterator.', {
    hint: 'Go through it: for await (const item of guest.iterate(name, ...args)).'
  })

export const notStreamed = (): CofferError =>
  new CofferError('COFFER_VALUE_UNSUPPORTED', 'Cannot iterate over the result: it is no async iterator.', {
    hint: 'Await guest.call(name, ...args).'
  })

export const unsupported = (what: string, reason: string): CofferError =>
  new CofferError('COFFER_VALUE_UNSUPPORTED', `Cannot pass ${what}: it holds ${reason}.`, {
    hint: 'What crosses is JSON, undefined, bigint, and Uint8Array.'
  })
