/**
 * Admins: keys that may do from afar, by signed requests, what the seller does where the center's folder is. Only there
 * are they added and removed, so that a stolen key cannot make itself another.
 */
import { hex } from '../formats/bytes.js'
import { CofferError } from '../formats/errors.js'
import type { PublicKeys } from '../formats/keys.js'
import { checkName, notOneText } from './names.js'
import type { Site } from './site.js'
import type { Tables } from './books/store.js'

export interface Admins {
  /** @returns Hexadecimal sign key. Adding one again changes only the name. */
  add(keys: PublicKeys, name: string): Promise<string>
  /** @param typed - At least 6 digits of the sign key. @throws CofferError COFFER_USAGE for none or several. */
  remove(typed: string): Promise<string>
  list(): Promise<Tables['admins'][]>
}

export const openAdmins = ({ store, powers }: Site): Admins => ({
  add: (keys, name) =>
    store.transaction(async books => {
      const row = { signKey: hex(keys.signKey), name: checkName(name), added: powers.now() }
      await books
        .insertInto('admins')
        .values(row)
        .onConflict(conflict => conflict.column('signKey').doUpdateSet({ name: row.name }))
        .execute()
      return row.signKey
    }),
  remove: typed =>
    store.transaction(async books => {
      const found = await books
        .selectFrom('admins')
        .select('signKey')
        .where('signKey', 'like', `${/^[0-9a-f]{6,64}$/.test(typed) ? typed : '-'}%`)
        .execute()
      if (found.length !== 1) throw notOneAdmin(typed, found.length)
      const { signKey } = found[0]!
      await books.deleteFrom('admins').where('signKey', '=', signKey).execute()
      // What he logged in with, and links that he has not used yet.
      await books.deleteFrom('sessions').where('subject', '=', signKey).execute()
      return signKey
    }),
  list: () => store.books.selectFrom('admins').selectAll().orderBy('added').orderBy('signKey').execute()
})

const notOneAdmin = (typed: string, found: number) =>
  new CofferError('COFFER_USAGE', notOneText('admin', typed, found), {
    expected: 'the public key of one admin, or at least 6 of the 64 hexadecimal digits of its id',
    hint: 'List them with "coffer-center admin <folder> list".'
  })
