/** The web-standard globals that need nothing from the host (ECMA-429). */
import { TextDecoder, TextEncoder, atob, btoa } from './encoding.js'
import { DOMException } from './exception.js'
import { installGlobals } from './globals.js'

export function installWeb(): void {
  installGlobals({ DOMException, TextEncoder, TextDecoder, atob, btoa })
}
