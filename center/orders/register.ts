/**
 * The registration of a release: a publisher says what he is about to press, and gets the key that he seals it with,
 * Kd (scheme certificate) or Ka (scheme conversion), sealed to him, and his certificate (docs/spec.md §8.5).
 */
import { fromHex, hex, wipe } from '../../formats/bytes.js'
import { sealReleaseKey } from '../../formats/derive.js'
import { CofferError } from '../../formats/errors.js'
import { encodePublisher } from '../../formats/records/publisher.js'
import { encodeRelease, openRegistration, type VerifiedRegistration } from '../../formats/records/release.js'
import { answerOnce, type Admit } from './requests.js'
import { refuseRevokedOne } from './revoke.js'
import { centerRow, refuseOtherCenter, signerNow, type Site } from '../site.js'
import type { Books, Tables } from '../books/store.js'

/** What a new title costs until its seller says otherwise: nothing. */
const DEFAULT_CURRENCY = 'EUR'

/**
 * @param record - A registration record as received.
 * @returns The release ticket. Pressing the same release again gives the same key; each scheme has one of its own.
 * @throws CofferError COFFER_RECORD_*, COFFER_ENCODING, COFFER_PUBLISHER_UNKNOWN, COFFER_REVOKED,
 *   COFFER_REQUEST_*.
 */
export async function register(site: Site, record: Uint8Array, admit?: Admit): Promise<Uint8Array> {
  const registration = openRegistration(record)
  admit?.(hex(registration.signKey))
  refuseOtherCenter(site, registration.centerId)
  const incoming = {
    ...registration,
    kind: 'registration' as const,
    signer: hex(registration.signKey),
    record
  }
  return answerOnce(site, incoming, async (books, now) => {
    const publisher = await knownPublisher(books, registration)
    await refuseRevokedOne(books, 'publisher', publisher.signKey)
    await refuseRevokedOne(books, 'title', registration.titleId, registration.release)
    await keepTitle(books, registration, publisher, now)
    const release = await keepRelease(site, books, registration, now)

    const { centerId } = site
    const signer = await signerNow(site, books)
    const { titleId, scheme, requestHash, requestId } = registration
    const releaseKey = openReleaseKey(site, release)
    const ephemeralSecret = site.powers.random(32)
    try {
      return encodeRelease(
        { centerId, release: release.release, requestHash, requestId, scheme, titleId },
        {
          publisher: encodePublisher(
            {
              centerId,
              issued: publisher.added,
              name: publisher.name,
              sealKey: fromHex(publisher.sealKey),
              signKey: fromHex(publisher.signKey)
            },
            signer
          ),
          sealedReleaseKey: sealReleaseKey(
            fromHex(publisher.sealKey),
            { centerId, titleId, release: release.release, scheme },
            releaseKey,
            ephemeralSecret
          )
        },
        signer
      )
    } finally {
      wipe(releaseKey, ephemeralSecret)
    }
  })
}

/** Kd as stored, or Ka as derived in the epoch the release was registered in. */
function openReleaseKey({ vault, centerId }: Site, row: Tables['releases']): Uint8Array {
  const { titleId, release, epoch, storedTitleKey } = row
  return storedTitleKey === null
    ? vault.masterMediumKey({ centerId, epoch }, titleId, release)
    : vault.unwrapStoredTitleKey(titleId, release, storedTitleKey)
}

async function knownPublisher(
  books: Books,
  { signKey }: VerifiedRegistration
): Promise<Tables['publishers']> {
  const publisher = await books
    .selectFrom('publishers')
    .selectAll()
    .where('signKey', '=', hex(signKey))
    .executeTakeFirst()
  if (publisher !== undefined) return publisher
  throw new CofferError('COFFER_PUBLISHER_UNKNOWN', 'The center does not know this publisher.', {
    expected: 'a publisher that the seller added',
    found: `one with the key ${hex(signKey)}`,
    hint: 'The seller adds a publisher with "coffer-center publisher <folder> add <public key>".'
  })
}

/** A title is its first publisher's: nobody else presses under its name. */
async function keepTitle(
  books: Books,
  { titleId, name }: VerifiedRegistration,
  { signKey }: Tables['publishers'],
  registered: number
): Promise<void> {
  const title = await books
    .selectFrom('titles')
    .select('publisher')
    .where('titleId', '=', titleId)
    .executeTakeFirst()
  if (title === undefined) {
    const terms = {
      priceMinor: 0,
      currency: DEFAULT_CURRENCY,
      copies: null,
      titleCopies: null,
      expiresDays: null,
      renewPriceMinor: null,
      graceDays: 0,
      trialDays: null,
      features: '',
      refundDays: null,
      transfer: 'media' as const,
      bearerAllowed: 0
    }
    await books
      .insertInto('titles')
      .values({ titleId, name, publisher: signKey, registered, ...terms })
      .execute()
  } else if (title.publisher === signKey) {
    await books.updateTable('titles').set({ name }).where('titleId', '=', titleId).execute()
  } else {
    throw new CofferError('COFFER_REQUEST_REFUSED', `${titleId} belongs to another publisher.`, {
      expected: `publisher ${title.publisher}`,
      found: `publisher ${signKey}`,
      hint: 'Press under an id of your own, such as your domain name in reverse.'
    })
  }
}

async function keepRelease(
  { vault, powers }: Site,
  books: Books,
  { titleId, release, scheme }: VerifiedRegistration,
  registered: number
): Promise<Tables['releases']> {
  const before = await books
    .selectFrom('releases')
    .selectAll()
    .where('titleId', '=', titleId)
    .where('release', '=', release)
    .where('scheme', '=', scheme)
    .executeTakeFirst()
  if (before !== undefined) return before

  const { epoch } = await centerRow(books)
  let storedTitleKey: Uint8Array | null = null
  if (scheme === 'certificate') {
    const titleKey = powers.random(32)
    storedTitleKey = vault.wrapStoredTitleKey(titleId, release, titleKey)
    wipe(titleKey)
  }
  const row = { titleId, release, scheme, registered, epoch, storedTitleKey }
  await books.insertInto('releases').values(row).execute()
  return row
}
