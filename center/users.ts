/** The user profile database (FIG. 4, 13): who has ordered, by public key. */
import { hex } from '../formats/bytes.js'
import { CofferError } from '../formats/errors.js'
import { userIdOf, type PublicKeys } from '../formats/keys.js'
import type { Books, Tables } from './store.js'

/**
 * Make the signer of a first order a user.
 *
 * @throws CofferError COFFER_ENROLMENT_CLOSED, COFFER_REVOKED for a blocked user.
 */
export async function enrol(
  books: Books,
  keys: PublicKeys,
  center: Tables['center'],
  now: number
): Promise<void> {
  const userId = hex(userIdOf(keys))
  const known = await books
    .selectFrom('users')
    .select('blocked')
    .where('userId', '=', userId)
    .executeTakeFirst()
  if (known?.blocked === 1) {
    throw new CofferError('COFFER_REVOKED', 'This user gets no new grants.', {
      expected: 'a user in good standing',
      found: 'a blocked user',
      hint: 'Ask the seller why.'
    })
  }
  if (known !== undefined) return
  if (center.enrolmentOpen !== 1) {
    throw new CofferError('COFFER_ENROLMENT_CLOSED', 'The center takes no new users by itself.', {
      expected: 'a user that the seller added',
      found: 'a new one',
      hint: 'Send the seller your public key, the word that "coffer keygen" printed.'
    })
  }
  await addUser(books, keys, null, now)
}

/** @returns userId, hexadecimal. Adding a user again changes nothing but his name, when one is given. */
export async function addUser(
  books: Books,
  keys: PublicKeys,
  name: string | null,
  now: number
): Promise<string> {
  const userId = hex(userIdOf(keys))
  const row = {
    userId,
    signKey: hex(keys.signKey),
    sealKey: hex(keys.sealKey),
    name,
    enrolled: now,
    blocked: 0
  }
  await books
    .insertInto('users')
    .values(row)
    .onConflict(conflict =>
      name === null ? conflict.doNothing() : conflict.column('userId').doUpdateSet({ name })
    )
    .execute()
  return userId
}
