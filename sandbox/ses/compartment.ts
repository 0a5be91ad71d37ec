/** The realm and the compartment that a SES guest lives in. */
import './transfer.js'
import 'ses'

/** The SDK's hidden half, as sandbox/guest/sdk.ts describes it. */
export interface Hidden {
  receive(message: Uint8Array): void
  setNamespace(namespace: object, evaluation: Promise<unknown>): void
  readonly modules: Record<string, Record<string, unknown>>
  rejection(promise: object, reason: unknown, handled: boolean): void
}

/** Make the realm's own objects unchangeable: once per process, before any compartment. */
export function lockDown(): void {
  lockdown({
    // Assigning an inherited name, as in `a.toString = ...`, is everyday JavaScript.
    overrideTaming: 'severe',
    // Stacks are for the guest to read too; what they show is decided below.
    errorTaming: 'unsafe',
    stackFiltering: 'verbose',
    consoleTaming: 'unsafe',
    errorTrapping: 'none',
    unhandledRejectionTrapping: 'none',
    reporting: 'none',
    localeTaming: 'unsafe',
    regExpTaming: 'safe',
    domainTaming: 'unsafe',
    evalTaming: 'safe-eval'
  })
}

export interface GuestCompartment {
  readonly compartment: Compartment
  /** Install the globals that titles have. */
  readonly boot: (native: object) => Hidden
}

/** @param sdk - Text of guest-sdk.js. */
export function guestCompartment(sdk: string): GuestCompartment {
  const compartment = new Compartment({ globals: {}, __options__: true } as never)
  const { globalThis: guestGlobal } = compartment
  for (const name of Object.getOwnPropertyNames(guestGlobal)) {
    if (!LANGUAGE.has(name)) delete guestGlobal[name]
  }
  // What SES leaves out because two compartments could talk through it; there is one here.
  const own = [Float32Array, Float64Array, WeakRef, FinalizationRegistry]
  for (const value of own)
    Object.defineProperty(guestGlobal, value.name, { value, writable: true, configurable: true })
  const boot = compartment.evaluate(sdk) as GuestCompartment['boot']
  return {
    compartment,
    boot(native) {
      const hidden = boot(native)
      // Now that the SDK has put its own behind what they lead to.
      own.forEach(harden)
      return hidden
    }
  }
}

/** What a compartment has of the language; the rest of its globals is the SDK's to make. */
const LANGUAGE = new Set(
  (
    'Infinity NaN undefined isFinite isNaN parseFloat parseInt decodeURI decodeURIComponent encodeURI ' +
    'encodeURIComponent escape unescape globalThis eval Function Object Array ArrayBuffer BigInt BigInt64Array ' +
    'BigUint64Array Boolean DataView Int8Array Int16Array Int32Array Uint8Array Uint8ClampedArray Uint16Array ' +
    'Uint32Array Map Set WeakMap WeakSet Number String Symbol Promise Proxy Reflect JSON Math Date RegExp Iterator ' +
    'Error AggregateError EvalError RangeError ReferenceError SyntaxError TypeError URIError'
  ).split(' ')
)
