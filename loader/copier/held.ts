/** What a user holds on a medium, whether or not it runs today: his grant of a title, and what the title saved. */
import { equalBytes, wipe } from '../../formats/bytes.js'
import { deriveSaveRoot } from '../../formats/derive.js'
import { CofferError } from '../../formats/errors.js'
import { isBearer } from '../../formats/records/fields.js'
import type { VerifiedGrant } from '../../formats/records/grant.js'
import type { Home } from '../home.js'
import { otherId } from '../ids.js'
import { mediumPaths } from '../medium/layout.js'
import { measureMedium } from '../medium/measure.js'
import type { Powers } from '../powers.js'
import { readLicense } from '../read.js'
import { authenticate } from '../authenticate.js'
import { MediumSaves } from '../saves.js'

/**
 * The grant on this medium, if it is this medium's and this user's. It may have ended: that is no reason to keep it.
 *
 * @throws CofferError of reading and authenticating it, COFFER_USER_MISMATCH, COFFER_MEDIUM_MISMATCH.
 */
export function ownGrant(root: string, titleId: string, home: Home): VerifiedGrant {
  const { userId } = home.requireUserKeys()
  const { mediumId } = measureMedium(root)
  const { grant } = authenticate(readLicense(root, titleId, userId), home)
  if (!equalBytes(grant.userId, userId)) {
    throw new CofferError(
      'COFFER_USER_MISMATCH',
      `The copy of ${titleId} on this medium is another user's.`,
      {
        ...otherId('user', userId, grant.userId),
        hint: 'Use the COFFER_HOME with the key it was bought with, or order a copy of your own with "coffer copy".'
      }
    )
  }
  if (!equalBytes(grant.mediumId, mediumId)) {
    throw new CofferError('COFFER_MEDIUM_MISMATCH', 'This copy belongs to another medium.', {
      ...otherId('medium', mediumId, grant.mediumId),
      hint: 'Repeat the command on the medium it was copied to.'
    })
  }
  return grant
}

/**
 * What a title saved for this user, and for nobody else who has it on the same medium.
 *
 * @param name - What his license is, or was, filed under.
 * @param quotaBytes - Plaintext of all slots together.
 * @returns A store, for the caller to dispose of.
 */
export function savesOf(
  root: string,
  name: string,
  { titleId, centerId, bind }: Pick<VerifiedGrant, 'titleId' | 'centerId' | 'bind'>,
  home: Home,
  powers: Powers,
  quotaBytes = Infinity
): MediumSaves {
  const { mediumId } = measureMedium(root)
  const secret = isBearer(bind) ? undefined : home.requireUserKeys().saveSecret
  const saveRoot = deriveSaveRoot(secret, { centerId, mediumId })
  try {
    return new MediumSaves(mediumPaths(root), titleId, { saveRoot }, powers, quotaBytes, name)
  } finally {
    wipe(saveRoot)
  }
}
