/** What is asked and decided at the desk: here, or by a signed request from afar. */
import { hex } from '../../../formats/bytes.js'
import { CofferError } from '../../../formats/errors.js'
import { asTyped, counted } from '../../../formats/wording.js'
import { parsePublicKeys, userIdOf, type PublicKeys } from '../../../formats/keys.js'
import { isTitleId } from '../../../formats/records/fields.js'
import type { Desk, Gift, GrantSummary, TermsChange, TitleSummary } from '../../desk.js'
import type { RevocationKind } from '../../orders/revoke.js'
import { shortId, table, timeText, type Result } from '../screen.js'
import { moneyText, type Amount } from '../../../formats/money.js'
import { atDesk, inFolder } from './reach.js'

export const addPublisher = (folder: string, word: string, name: string | undefined): Promise<Result> =>
  atDesk(folder, async desk => {
    const keys = parsePublicKeys('publisher', word)
    const publisher = await desk.addPublisher(keys, name ?? `publisher ${word.slice(-6)}`)
    return { json: { publisher }, text: publisher, note: 'This publisher may press titles now.' }
  })

export const listPublishers = (folder: string): Promise<Result> =>
  atDesk(folder, async desk => {
    const publishers = await desk.publishers()
    return {
      json: {
        publishers: publishers.map(({ signKey, name, added }) => ({ publisher: signKey, name, added }))
      },
      text: table(
        ['PUBLISHER', 'NAME', 'ADDED'],
        publishers.map(({ signKey, name, added }) => [shortId(signKey), name, timeText(added)]),
        `No publishers. Add one with "coffer-center publisher ${asTyped(folder)} add <public key>".`
      )
    }
  })

export const listTitles = (folder: string): Promise<Result> =>
  atDesk(folder, async desk => {
    const titles = await desk.titles()
    return { json: { titles }, text: titleTable(titles) }
  })

export const setTerms = (folder: string, titleId: string, change: TermsChange): Promise<Result> =>
  atDesk(folder, async desk => {
    const title = await desk.setTerms(titleId, change)
    return { json: { title }, text: titleText(title) }
  })

export const showTitle = (folder: string, titleId: string): Promise<Result> =>
  atDesk(folder, async desk => {
    const title = await desk.setTerms(titleId, {})
    return { json: { title }, text: titleText(title) }
  })

function titleText(title: TitleSummary): string {
  const { currency } = title
  const days = (count: number | null, none: string) => (count === null ? none : counted(count, 'day'))
  return `title     ${title.titleId}
name      ${title.name}
releases  ${title.releases.map(({ release, scheme }) => `${release} ${scheme}`).join(', ')}
price     ${moneyText(title.priceMinor, currency)}
copies    ${title.copies ?? 'unlimited'} per user, ${title.titleCopies ?? 'unlimited'} in all
expires   ${days(title.expiresDays, 'never')}
renewal   ${
    title.renewPriceMinor === null
      ? 'none'
      : `${moneyText(title.renewPriceMinor, currency)}, up to ${counted(title.graceDays, 'day')} late`
  }
trial     ${days(title.trialDays, 'none')}
features  ${title.features.join(', ') || 'none'}
refund    ${days(title.refundDays, 'none')}
transfer  ${TRANSFERS[title.transfer]}
bearer    ${title.bearerAllowed ? 'yes' : 'no'}`
}

const TRANSFERS = { no: 'no', media: "between one user's media", users: 'to anyone' }

const titleTable = (titles: readonly TitleSummary[]): string =>
  table(
    ['TITLE', 'NAME', 'RELEASES', 'PRICE', 'COPIES', 'EXPIRES', 'FEATURES', 'BEARER'],
    titles.map(title => [
      title.titleId,
      title.name,
      title.releases.map(({ release, scheme }) => `${release} ${scheme}`).join(', '),
      moneyText(title.priceMinor, title.currency),
      title.copies === null ? 'unlimited' : String(title.copies),
      title.expiresDays === null ? 'never' : counted(title.expiresDays, 'day'),
      title.features.join(', '),
      title.bearerAllowed ? 'yes' : 'no'
    ]),
    'No titles. One appears when it is pressed with "coffer press".'
  )

export const listUsers = (folder: string): Promise<Result> =>
  atDesk(folder, async desk => {
    const users = await desk.users()
    return {
      json: { users },
      text: table(
        ['USER', 'NAME', 'ENROLLED', 'BLOCKED'],
        users.map(({ userId, name, enrolled, blocked }) => [
          shortId(userId),
          name ?? '-',
          timeText(enrolled),
          blocked ? 'yes' : 'no'
        ]),
        'No users. A first order enrols one.'
      )
    }
  })

export const showUser = (folder: string, typed: string): Promise<Result> =>
  atDesk(folder, async desk => {
    const userId = await findUser(desk, typed)
    const user = (await desk.users()).find(user => user.userId === userId)!
    const grants = await desk.grants({ userId })
    const owed = (await desk.balances()).filter(({ account }) => account === `receivable/${userId}`)
    const balances = owed.map(({ currency, balanceMinor }) => ({ currency, balanceMinor }))
    return {
      json: { user, grants, balances },
      text: `user      ${userId}
name      ${user.name ?? '-'}
enrolled  ${timeText(user.enrolled)}
blocked   ${user.blocked ? 'yes' : 'no'}
owes      ${balances.map(({ currency, balanceMinor }) => moneyText(balanceMinor, currency)).join(', ') || 'nothing'}

${grantTable(grants)}`
    }
  })

export const addUser = (folder: string, word: string, name: string | undefined): Promise<Result> =>
  atDesk(folder, async desk => {
    const keys = parsePublicKeys('user', word)
    const userId = await desk.addUser(keys, name ?? null)
    return { json: { userId }, text: userId }
  })

export const blockUser = (folder: string, typed: string, blocked: boolean): Promise<Result> =>
  atDesk(folder, async desk => {
    const userId = await findUser(desk, typed)
    await desk.setBlocked(userId, blocked)
    return {
      json: { userId, blocked },
      text: userId,
      note: blocked
        ? 'Blocked: no new grants. Those this user has keep working; "revoke" takes them back.'
        : 'No longer blocked.'
    }
  })

/** @param choice - undefined: only say how it is. */
export const enrolment = (folder: string, choice: 'open' | 'closed' | undefined): Promise<Result> =>
  atDesk(folder, async desk => {
    if (choice !== undefined) await desk.setEnrolment(choice === 'open')
    const state = (await desk.enrolmentOpen()) ? 'open' : 'closed'
    return { json: { enrolment: state }, text: state }
  })

export const listGrants = (folder: string, typedUser: string | undefined): Promise<Result> =>
  atDesk(folder, async desk => {
    const grants = await desk.grants(
      typedUser === undefined ? {} : { userId: await findUser(desk, typedUser) }
    )
    return { json: { grants }, text: grantTable(grants) }
  })

export const showGrant = (folder: string, typed: string): Promise<Result> =>
  atDesk(folder, async desk => {
    const [grant] = await desk.grants({ grantId: await desk.find('grant', typed) })
    const { grantId, userId, mediumId, titleId, release, bearer, bought, issued } = grant!
    const { kind, expires, features, paidMinor, currency } = grant!
    return {
      json: { grant },
      text: `grant     ${grantId}
title     ${titleId} release ${release}
user      ${userId}${bearer ? ' (bearer)' : ''}
medium    ${mediumId}
kind      ${kind}
features  ${features.join(', ') || 'none'}
bought    ${timeText(bought)}
paid      ${moneyText(paidMinor, currency)}
issued    ${timeText(issued)}
expires   ${timeText(expires)}
state     ${stateOf(grant!)}`
    }
  })

/** Whether it is held, and if not, why. */
const stateOf = ({ ending }: GrantSummary): string => ending ?? 'held'

export const refundGrant = (folder: string, typed: string): Promise<Result> =>
  atDesk(folder, async desk => {
    const grantId = await desk.find('grant', typed)
    const { refundedMinor, currency } = await desk.refund(grantId)
    return {
      json: { grantId, refundedMinor, currency },
      text: `${moneyText(refundedMinor, currency)} paid back for grant ${grantId}`,
      note: 'The copy is revoked: its medium learns of it with the next order, renewal or master that reaches it.'
    }
  })

const grantTable = (grants: readonly GrantSummary[]): string =>
  table(
    ['GRANT', 'TITLE', 'RELEASE', 'USER', 'MEDIUM', 'KIND', 'BOUGHT', 'EXPIRES', 'STATE'],
    grants.map(grant => [
      shortId(grant.grantId),
      grant.titleId,
      String(grant.release),
      shortId(grant.userId),
      shortId(grant.mediumId),
      grant.kind,
      timeText(grant.bought),
      timeText(grant.expires),
      stateOf(grant)
    ]),
    'No grants.'
  )

/** @param typedUser - Id, or public key: who has not ordered yet is added. */
export const giveTitle = (folder: string, titleId: string, typedUser: string, gift: Gift): Promise<Result> =>
  atDesk(folder, async desk => {
    const keys = userKeys(typedUser)
    const userId = keys === undefined ? await desk.find('user', typedUser) : await desk.addUser(keys, null)
    const terms = await desk.give(titleId, userId, gift)
    return {
      json: { userId, titleId, terms },
      text: userId,
      note: `This user gets ${titleId} for ${moneyText(terms.priceMinor, terms.currency)}, on ${
        terms.copies === null ? 'any number of media' : `${terms.copies} media`
      }, ${terms.expiresDays === null ? 'for good' : `for ${counted(terms.expiresDays, 'day')}`}. The next order is on these terms.`
    }
  })

export const revokeOne = (
  folder: string,
  kind: RevocationKind,
  typed: string,
  release: number | null
): Promise<Result> =>
  atDesk(folder, async desk => {
    const id = await findRevocable(desk, kind, typed)
    const sequence = await desk.revoke(kind, id, release)
    return {
      json: { kind, id, ...(release !== null && { release }), sequence },
      text: `${kind} ${id} is revoked in list ${sequence}`,
      note: `${kind === 'title' ? `${REVOKED_TITLE[release === null ? 'all' : 'one']} ` : ''}Media learn of it with the next order, renewal or master that reaches them.`
    }
  })

/** Nothing takes it back, which is easily taken for less than it is. */
const REVOKED_TITLE = {
  all: 'This is final, for all its releases and for those that are still to come: it can be sold again only under another id.',
  one: 'This is final for this release; other releases of the title go on.'
}

function findRevocable(desk: Desk, kind: RevocationKind, typed: string): Promise<string> {
  switch (kind) {
    case 'title':
      if (isTitleId(typed)) return Promise.resolve(typed)
      throw new CofferError('COFFER_USAGE', `${typed} is not the id of a title.`, {
        expected: 'such as "org.example.hello"',
        hint: 'List those that are here with "coffer-center title <folder> list".'
      })
    case 'user':
      return findUser(desk, typed, true)
    case 'medium':
      return desk.find('medium', typed, true)
    case 'publisher':
      return desk.find('publisher', publisherId(typed))
    default:
      return desk.find(kind, typed)
  }
}

export const foldRevocations = (folder: string): Promise<Result> =>
  atDesk(folder, async desk => {
    const moved = await desk.foldRevocations()
    return {
      json: { moved },
      text: `No longer named by the list, since they have ended: ${counted(moved, 'copy', 'copies')}`
    }
  })

export const renumberRevocations = (folder: string): Promise<Result> =>
  inFolder(folder, async center => {
    const list = await center.renumber()
    return {
      json: { list },
      text: `list ${list}`,
      note: `Put it on your masters: "coffer-center revoke ${asTyped(folder)} export <file>". Orders and renewals carry it by themselves.`
    }
  })

export const listRevocations = (folder: string): Promise<Result> =>
  atDesk(folder, async desk => {
    const revocations = await desk.revocations()
    return {
      json: { revocations },
      text: table(
        ['LIST', 'KIND', 'ID', 'RELEASE', 'REVOKED'],
        revocations.map(({ sequence, kind, id, release, revoked }) => [
          String(sequence),
          kind,
          id,
          release === null ? '' : String(release),
          timeText(revoked)
        ]),
        'Nothing is revoked.'
      )
    }
  })

export const showLedger = (folder: string): Promise<Result> =>
  atDesk(folder, async desk => {
    const accounts = await desk.balances()
    return {
      json: { accounts },
      text: table(
        ['ACCOUNT', 'BALANCE'],
        accounts.map(({ account, currency, balanceMinor }) => [account, moneyText(balanceMinor, currency)]),
        'Nothing was charged yet.'
      )
    }
  })

/** @param provider - Whom it moved by; undefined: by none that the center knows. */
export const postPayment = (
  folder: string,
  typedUser: string,
  { minor: amountMinor, currency }: Amount,
  reference: string,
  isBack: boolean,
  provider: string | undefined
): Promise<Result> =>
  atDesk(folder, async desk => {
    const userId = await findUser(desk, typedUser)
    const payment = { userId, amountMinor, currency, isBack, reference, provider }
    const { balanceMinor } = await desk.postPayment(payment)
    return {
      json: { userId, reference, balanceMinor, currency },
      text: `${moneyText(amountMinor, currency)} ${isBack ? 'paid back to' : 'paid by'} user ${shortId(userId)}`,
      note:
        balanceMinor < 0
          ? `This user has a credit of ${moneyText(-balanceMinor, currency)} now.`
          : `This user owes ${moneyText(balanceMinor, currency)} now.`
    }
  })

export const verifyLedger = (folder: string): Promise<Result> =>
  atDesk(folder, async desk => {
    const check = await desk.verifyLedger()
    const { orders, copies, postings, problems } = check
    if (problems.length > 0) {
      throw new CofferError('COFFER_RECORD_DAMAGED', `The books do not agree: ${problems[0]}`, {
        expected: 'ledger, grants and answers that agree',
        found: counted(problems.length, 'disagreement'),
        hint: 'Somebody changed the database by hand; restore it from a backup and find out who.'
      })
    }
    return {
      json: { orders, copies, postings },
      text: `${counted(orders, 'order')}, ${counted(copies, 'copy', 'copies')} (each once, however often granted), ${counted(postings, 'posting')}: they agree`
    }
  })

export const showSales = (place: string, days: number): Promise<Result> =>
  atDesk(place, async desk => {
    const sales = await desk.sales(days)
    return {
      json: { sales },
      text: table(
        ['DAY', 'TITLE', 'SALES'],
        sales.map(({ day, titleId, currency, amountMinor }) => [
          day,
          titleId,
          moneyText(amountMinor, currency)
        ]),
        `Nothing was sold in the last ${counted(days, 'day')}.`
      )
    }
  })

const userKeys = (typed: string): PublicKeys | undefined =>
  typed.startsWith('coffer-user-') ? parsePublicKeys('user', typed) : undefined

/** The id of whoever has a publisher's key, admins too. @param typed - It, or its first digits, or the public key. */
export const publisherId = (typed: string): string =>
  typed.startsWith('coffer-publisher-') ? hex(parsePublicKeys('publisher', typed).signKey) : typed

/** @param typed - Id, or public key. */
function findUser(desk: Desk, typed: string, mayBeNew = false): Promise<string> {
  const keys = userKeys(typed)
  return desk.find('user', keys === undefined ? typed : hex(userIdOf(keys)), mayBeNew)
}
