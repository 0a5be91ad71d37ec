/** The user profile database (FIG. 4, 13): who has ordered, by public key. */
import { hex } from '../../formats/bytes.js'
import { CofferError } from '../../formats/errors.js'
import { userIdOf, type PublicKeys } from '../../formats/keys.js'
import type { Books, Tables } from '../books/store.js'

/**
 * Who orders is a user, from his first order on.
 *
 * @param known - His row, if he has one.
 * @returns The row to add; undefined when there is one.
 * @throws CofferError COFFER_ENROLMENT_CLOSED, COFFER_REVOKED for a blocked user.
 */
export function enrol(
  keys: PublicKeys,
  known: Tables['users'] | undefined,
  center: Tables['center'],
  now: number
): Tables['users'] | undefined {
  if (known?.blocked === 1) {
    throw new CofferError('COFFER_REVOKED', 'This user gets no new grants.', {
      expected: 'a user in good standing',
      found: 'a blocked user',
      hint: 'Ask the seller why.'
    })
  }
  if (known !== undefined) return undefined
  if (center.enrolmentOpen === 1) return newUser(keys, null, now)
  throw new CofferError('COFFER_ENROLMENT_CLOSED', 'The center takes no new users by itself.', {
    expected: 'a user that the seller added',
    found: 'a new one',
    hint: 'Send the seller your public key, the word that "coffer keygen" printed.'
  })
}

const newUser = (keys: PublicKeys, name: string | null, enrolled: number): Tables['users'] => ({
  userId: hex(userIdOf(keys)),
  signKey: hex(keys.signKey),
  sealKey: hex(keys.sealKey),
  name,
  enrolled,
  blocked: 0
})

/** @returns userId, hexadecimal. Adding a user again changes nothing but his name, when one is given. */
export async function addUser(
  books: Books,
  keys: PublicKeys,
  name: string | null,
  now: number
): Promise<string> {
  const row = newUser(keys, name, now)
  await books
    .insertInto('users')
    .values(row)
    .onConflict(conflict =>
      name === null ? conflict.doNothing() : conflict.column('userId').doUpdateSet({ name })
    )
    .execute()
  return row.userId
}
