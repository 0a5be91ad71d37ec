/**
 * Order a copy: from the two identifiers to the center's answer (S1, S2 and S11 to S14 of the seed; docs/spec.md §8.1).
 * The request is the same whether it goes by HTTP or as a file.
 */
import { equalBytes, hex } from '../../formats/bytes.js'
import { CofferError } from '../../formats/errors.js'
import { claimedRoots, openAnswer, type VerifiedAnswer } from '../../formats/records/answer.js'
import type { Bind } from '../../formats/records/fields.js'
import { checkManifest, type ParsedManifest } from '../../formats/records/manifest.js'
import {
  encodeRequest,
  openRequest,
  type RequestKind,
  type VerifiedRequest
} from '../../formats/records/request.js'
import { openRoots } from '../../formats/records/root.js'
import type { Home, PinnedCenter } from '../home.js'
import type { MeasuredMedium } from '../medium/measure.js'
import type { Powers } from '../powers.js'

export interface Order {
  readonly bytes: Uint8Array
  readonly request: VerifiedRequest
}

export const BIND_USER: Bind = ['medium', 'user']
export const BIND_BEARER: Bind = ['medium']

/**
 * S1, S11: both identifiers, signed by the user.
 *
 * @throws CofferError COFFER_CENTER_UNTRUSTED, COFFER_PUBLISHER_UNTRUSTED, COFFER_USER_KEY_MISSING.
 */
export function makeOrder(
  manifest: ParsedManifest,
  medium: MeasuredMedium,
  home: Home,
  powers: Powers,
  { bind = BIND_USER, kind = 'order' }: { bind?: Bind | undefined; kind?: RequestKind | undefined } = {}
): Order {
  const center = home.requireCenter(manifest.centerId)
  // A copy that is held was bought before; whether its publisher still counts the grant that comes says, and recheck asks.
  if (kind !== 'renew' && kind !== 'transfer') checkManifest(manifest, center)
  const { signer, signKey, sealKey } = home.requireUserKeys()
  const bytes = encodeRequest(
    {
      bind,
      centerId: manifest.centerId,
      created: powers.now(),
      factors: medium.identity.factors.map(({ name }) => name),
      kind,
      mediumId: medium.mediumId,
      mediumKind: medium.identity.kind,
      release: manifest.release,
      requestId: powers.random(16),
      scheme: manifest.scheme,
      sealKey,
      signKey,
      titleId: manifest.id
    },
    signer
  )
  return { bytes, request: openRequest(bytes) }
}

/** An answer to an order, which has a grant. */
export type GrantAnswer = VerifiedAnswer & { readonly grant: Uint8Array }

/** @throws CofferError COFFER_ANSWER_MISMATCH for the answer to a return. */
export function requireGrant(answer: VerifiedAnswer): GrantAnswer {
  if (answer.grant !== undefined) return answer as GrantAnswer
  throw new CofferError('COFFER_ANSWER_MISMATCH', 'There is no grant in this answer.', {
    expected: 'an answer to an order',
    found: 'an answer to a return',
    hint: 'Apply it to the medium that returned its copy.'
  })
}

/**
 * Believe an answer: a pinned center signed it, and it answers this order when the order is known.
 *
 * Newer root records that come along are pinned: they follow from those that are.
 *
 * @throws CofferError COFFER_RECORD_*, COFFER_CENTER_UNTRUSTED, COFFER_ANSWER_MISMATCH.
 */
export function acceptAnswer(
  bytes: Uint8Array,
  home: Home,
  asked?: { readonly requestHash: Uint8Array }
): { answer: VerifiedAnswer; center: PinnedCenter } {
  let opened = openAnswer(bytes, home.centers())
  if (opened === undefined) {
    // Perhaps signed by a key that is newer than what is known here: then the root records that come along say so.
    home.follow(claimedRoots(bytes))
    opened = openAnswer(bytes, home.centers())
  }
  if (opened === undefined) {
    throw new CofferError(
      'COFFER_CENTER_UNTRUSTED',
      'The answer was not signed by a center that is trusted here.',
      {
        expected: 'an answer signed by a pinned center',
        found: 'one signed by someone else',
        hint: 'Check the URL of the center; pin another one with "coffer trust" only if you know the seller.'
      }
    )
  }
  if (asked !== undefined && !equalBytes(asked.requestHash, opened.answer.requestHash)) {
    throw new CofferError('COFFER_ANSWER_MISMATCH', 'The center answered another request than this one.', {
      expected: 'an answer to this order',
      found: 'an answer to another',
      hint: 'Repeat the command.'
    })
  }
  // A trusted center speaks for itself alone: it cannot make the buyer trust another.
  if (!equalBytes(openRoots(opened.answer.roots).centerId, opened.center.centerId)) {
    throw new CofferError('COFFER_ANSWER_MISMATCH', 'The answer carries root records of another center.', {
      expected: `root records of ${hex(opened.center.centerId)}`,
      found: 'root records of another',
      hint: 'The center that made it is faulty; tell the seller.'
    })
  }
  return { answer: opened.answer, center: home.pin(opened.answer.roots) }
}
