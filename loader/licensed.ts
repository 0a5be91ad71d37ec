/** Steps 1 and 2 of the path, for a medium that others may write at the same time. */
import { equalBytes } from '../formats/bytes.js'
import { CofferError } from '../formats/errors.js'
import { authenticate, type SignedLicense } from './authenticate.js'
import type { Home } from './home.js'
import { readLicense, readTitle, type OpenTitle } from './read.js'

export interface LicensedTitle {
  /** What the license is filed under. @see ClaimedLicense.name */
  readonly name: string
  readonly signed: SignedLicense
  /** The caller's to dispose of. */
  readonly title: OpenTitle
}

/**
 * Read a license, see who signed it, and open the sealed title that it names.
 *
 * A copy of a new release puts its grant in the place of the old one and then removes the old title. Where that falls between
 * the two readings here, both are read again.
 *
 * @param onSigned - Is told the license before its title is looked for.
 * @throws CofferError as {@link readLicense}, {@link authenticate} and {@link readTitle}.
 */
export function openLicensed(
  root: string,
  titleId: string,
  home: Home,
  onSigned?: (signed: SignedLicense) => void
): LicensedTitle {
  const read = () => readLicense(root, titleId, home.userKeys()?.userId) // region 41
  for (let claimed = read(); ;) {
    const signed = authenticate(claimed, home) // whose grant is it?
    onSigned?.(signed)
    try {
      return { name: claimed.name, signed, title: readTitle(root, signed.grant) }
    } catch (error) {
      if (!isMissing(error)) throw error
      const now = read()
      if (equalBytes(now.grantBytes, claimed.grantBytes)) throw error
      claimed = now
    }
  }
}

const isMissing = (error: unknown): boolean =>
  error instanceof CofferError && error.code === 'COFFER_TITLE_MISSING'
