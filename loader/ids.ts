/** How identities that are hashes are told to people. */
import { shortHex } from '../formats/bytes.js'

/** What a refusal says of one that is not what it should be. */
export const otherId = (
  what: string,
  expected: Uint8Array,
  found: Uint8Array
): { readonly expected: string; readonly found: string } => ({
  expected: `${what} ${shortHex(expected)}...`,
  found: `${what} ${shortHex(found)}...`
})
