/** The web-standard globals that need nothing from the host (ECMA-429). */
import { structuredClone } from './clone.js'
import { TextDecoder, TextEncoder, atob, btoa, useConverters } from './encoding.js'
import { AbortController, AbortSignal, CustomEvent, Event, EventTarget } from './events.js'
import { DOMException } from './exception.js'
import { installGlobals } from './globals.js'
import type { Native } from './link.js'
import { URLSearchParams } from './url/search-params.js'
import { URL } from './url/url.js'

export function installWeb(native: Native): void {
  useConverters(native)
  installGlobals({
    AbortController,
    AbortSignal,
    CustomEvent,
    DOMException,
    Event,
    EventTarget,
    TextDecoder,
    TextEncoder,
    URL,
    URLSearchParams,
    atob,
    btoa,
    structuredClone
  })
  // Shared memory between threads, of which a guest has one; and clocks made of it.
  for (const name of ['SharedArrayBuffer', 'Atomics', 'Intl', 'WebAssembly']) delete (globalThis as any)[name]
}
