/**
 * Who is logged in on the center's pages. Only hashes of tokens are kept, so that nobody who reads the books, or the log of
 * them, can log in.
 *
 *     link      printed by "coffer-center login", exchanged once for the session of a seller
 *     seller    everything that the desk offers on pages
 *     buyer     one order, and what its signer owes; given to whoever brings it within a day of its making
 */
import { randomBytes } from 'node:crypto'
import { base64url, hex, utf8 } from '../../formats/bytes.js'
import { sha256 } from '../../formats/primitives.js'
import { callerOf, requireAdmin } from '../http/caller.js'
import type { Site } from '../site.js'

export type SessionKind = 'link' | 'seller' | 'buyer'

const LIFE_SECONDS: Readonly<Record<SessionKind, number>> = { link: 600, seller: 8 * 3600, buyer: 1800 }

export interface Session {
  readonly kind: SessionKind
  /** requestId of a buyer's order; of sellers the sign key of the admin who asked, '' where the folder is. */
  readonly subject: string
  readonly expires: number
}

export interface Sessions {
  /**
   * @param subject - Of a link: the admin who asks for it.
   * @returns A token, told once. @throws CofferError COFFER_NOT_AUTHORIZED for an admin who was removed.
   */
  open(kind: SessionKind, subject?: string): Promise<string>
  /** @returns undefined for one that is unknown, over, or of another kind. */
  find(token: string, kind: SessionKind): Promise<Session | undefined>
  /** Make a link a seller's session, once. @returns The session's token; undefined for a link that is none any more. */
  exchange(link: string): Promise<string | undefined>
  close(token: string): Promise<void>
}

const newToken = () => base64url(new Uint8Array(randomBytes(32)))
const hashOf = (token: string) => hex(sha256(utf8(token)))

export function openSessions({ store, powers }: Site): Sessions {
  const rowOf = (token: string, kind: SessionKind, subject: string) => {
    const created = powers.now()
    return { tokenHash: hashOf(token), kind, subject, created, expires: created + LIFE_SECONDS[kind] }
  }
  return {
    async open(kind, subject = '') {
      const token = newToken()
      await store.transaction(async books => {
        if (kind === 'link' && subject !== '') requireAdmin(await callerOf(books, subject))
        // Whoever logs in sweeps.
        await books.deleteFrom('sessions').where('expires', '<=', powers.now()).execute()
        await books
          .insertInto('sessions')
          .values(rowOf(token, kind, subject))
          .execute()
      })
      return token
    },
    find: (token, kind) =>
      store.books
        .selectFrom('sessions')
        .select(['kind', 'subject', 'expires'])
        .where('tokenHash', '=', hashOf(token))
        .where('kind', '=', kind)
        .where('expires', '>', powers.now())
        .executeTakeFirst(),
    exchange(link) {
      const token = newToken()
      return store.transaction(async books => {
        const tokenHash = hashOf(link)
        const asked = await books
          .selectFrom('sessions')
          .select('subject')
          .where('tokenHash', '=', tokenHash)
          .where('kind', '=', 'link')
          .where('expires', '>', powers.now())
          .executeTakeFirst()
        if (asked === undefined) return undefined
        await books.deleteFrom('sessions').where('tokenHash', '=', tokenHash).execute()
        await books
          .insertInto('sessions')
          .values(rowOf(token, 'seller', asked.subject))
          .execute()
        return token
      })
    },
    async close(token) {
      await store.transaction(books =>
        books.deleteFrom('sessions').where('tokenHash', '=', hashOf(token)).execute()
      )
    }
  }
}
