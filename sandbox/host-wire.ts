/** The host's end of the wire: its converters of text, and its errors as a guest may see them. */
import { CofferError } from '../formats/errors.js'
import type { FlatError } from './protocol.js'
import type { StopSignal } from './guest.js'
import { isRefusal, UnsupportedValue, type WireHost } from './wire.js'

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

export const WIRE: WireHost = {
  encodeText: text => encoder.encode(text),
  decodeText: bytes => decoder.decode(bytes),
  decodeUnits: bytes => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf16le')
}

/** Name and message of what a function of the host's threw; nothing else of it crosses. */
export function flattenHostError(error: unknown): FlatError {
  try {
    if (isRefusal(error)) {
      const message = `The host answered with ${error.message}, which cannot cross.`
      return { name: 'TypeError', message, stack: '' }
    }
    if (error instanceof Error) {
      // The guest makes a name and a code of it again (sandbox/guest/link.ts).
      const name = error instanceof CofferError ? error.code : String(error.name)
      return { name, message: String(error.message), stack: '' }
    }
  } catch {
    // Its name or message is a getter that throws.
  }
  return { name: 'Error', message: 'The host refused.', stack: '' }
}

/** Why a value of the host's does not cross, by what was thrown while it was read: there are proxies, and memory that was moved. */
export const refusalOf = (thrown: unknown): UnsupportedValue =>
  isRefusal(thrown) ? thrown : new UnsupportedValue('what cannot be read')

/** Runs a trap where it is a proxy; one that throws is no signal. */
export function isSignal(value: unknown): value is AbortSignal {
  try {
    return value instanceof AbortSignal
  } catch {
    return false
  }
}

/** Arguments with the signals among them taken out, which cross by their place and by what becomes of them. */
export function splitSignals(args: readonly unknown[]): {
  readonly values: readonly unknown[]
  readonly signals: readonly (readonly [place: number, signal: AbortSignal])[]
} {
  const signals = args.flatMap((arg, place) => (isSignal(arg) ? [[place, arg] as const] : []))
  if (signals.length === 0) return { values: args, signals }
  return { values: args.map(arg => (isSignal(arg) ? undefined : arg)), signals }
}

/** Tell when one of them is aborted. @returns how to stop listening. */
export function followSignals(
  signals: readonly (readonly [place: number, signal: AbortSignal])[],
  aborted: (place: number) => void
): () => void {
  const stops = signals.map(([place, signal]) => onAbort(signal, () => aborted(place)))
  return () => {
    for (const stop of stops) stop()
  }
}

/** Listen for the end that a host's signal brings. @returns how to stop listening. */
export function onAbort(signal: StopSignal | undefined, listener: () => void): () => void {
  if (signal === undefined) return () => {}
  // One signal may end a thousand guests: Node 20 takes more than ten listeners for a leak, and says so on stderr.
  if (isSignal(signal) && typeof process === 'object')
    process.getBuiltinModule('node:events').setMaxListeners(0, signal)
  signal.addEventListener('abort', listener, { once: true })
  return () => signal.removeEventListener('abort', listener)
}

/** As a field of a message: the place of each, and whether it is aborted already. */
export const signalField = (
  signals: readonly (readonly [place: number, signal: AbortSignal])[]
): (readonly [number, boolean])[] => signals.map(([place, { aborted }]) => [place, aborted])
