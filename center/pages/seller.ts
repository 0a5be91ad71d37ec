/** The seller's pages, after a one-time link that "coffer-center login" prints. */
import { html } from 'hono/html'
import { CofferError } from '../../formats/errors.js'
import { counted } from '../../formats/wording.js'
import type { LicenseCenter } from '../center.js'
import type { Call } from '../http/wire.js'
import { moneyText } from '../../formats/money.js'
import { MAX_COPIES, MAX_EXPIRES_DAYS, MAX_PRICE_MINOR } from '../orders/terms.js'
import { salesChart } from './chart.js'
import { code, notice, table, time, type Html, type Place } from './frame.js'
import {
  endSession,
  formOf,
  keepSession,
  refuseOtherSites,
  sessionOf,
  show,
  showRefusal,
  type Web
} from './web.js'

const PLACES: readonly Place[] = [
  { href: '/seller', name: 'Sales' },
  { href: '/seller/titles', name: 'Titles' },
  { href: '/seller/copies', name: 'Copies' },
  { href: '/seller/revocations', name: 'Revocations' },
  { href: '/seller/ledger', name: 'Ledger' }
]
const CHART_DAYS = 30
const PAGE = 50

export function sellerPages(web: Web, center: LicenseCenter): void {
  const { app, sessions } = web
  const { desk, reports } = center

  app.get('/login/:link', call => {
    call.set('route', '/login')
    // A button, since whoever only looks at a link, such as a mail program, must not use it up.
    const content = html`<form method="post" action="/login/${call.req.param('link')}">
      <button>Log in</button>
    </form>`
    return show(call, web, 'Log in', [], content)
  })
  app.post('/login/:link', async call => {
    call.set('route', '/login')
    try {
      refuseOtherSites(call)
      const token = await sessions.exchange(call.req.param('link'))
      if (token === undefined) {
        const used = notice('bad', 'This link was used, or is over.')
        return show(
          call,
          web,
          'Log in',
          [],
          html`${used}
            <p>Make another with <code>coffer-center login</code>.</p>`,
          403
        )
      }
      keepSession(call, web, 'seller', token)
      return call.redirect('/seller', 303)
    } catch (error) {
      return showRefusal(call, web, 'Log in', [], error)
    }
  })

  /** A page that only sellers see, and that says refusals as pages. */
  const guarded = (path: string, name: string, answer: (call: Call) => Promise<Response>) => {
    const route = path.split('/').slice(0, 3).join('/')
    return async (call: Call) => {
      call.set('route', route)
      if ((await sessionOf(call, web, 'seller')) === undefined) {
        const content = html`<p>Make a link with <code>coffer-center login</code>, and open it here.</p>`
        return show(call, web, 'Log in', [], content, 403)
      }
      try {
        return await answer(call)
      } catch (error) {
        return showRefusal(call, web, name, PLACES, error)
      }
    }
  }
  const get = (path: string, name: string, content: (call: Call) => Promise<Html>) =>
    app.get(
      path,
      guarded(path, name, async call => show(call, web, name, PLACES, await content(call)))
    )
  const post = (
    path: string,
    name: string,
    answer: (call: Call, form: URLSearchParams) => Promise<Response>
  ) =>
    app.post(
      path,
      guarded(path, name, async call => answer(call, await formOf(call)))
    )

  get('/seller', 'Sales', async () => {
    const { copies, users, logged } = await reports.figures()
    const sales = await reports.sales(CHART_DAYS)
    return html`
      <ul class="figures">
        ${figure(copies, 'copy granted', 'copies granted')} ${figure(users, 'user', 'users')}
        ${figure(logged, 'log entry', 'log entries')}
      </ul>
      ${sales.size === 0 ? html`<p class="none">Nothing was sold in the last ${CHART_DAYS} days.</p>` : ''}
      ${[...sales].map(
        ([currency, days]) =>
          html`<h2>Last ${CHART_DAYS} days, ${currency}</h2>
            <div class="scroll">${salesChart(days, currency)}</div>`
      )}
      <form method="post" action="/seller/leave"><button class="quiet">Log out</button></form>
    `
  })
  post('/seller/leave', 'Sales', async call => {
    await endSession(call, web, 'seller')
    return call.redirect('/', 303)
  })

  get('/seller/titles', 'Titles', async () => {
    const titles = await desk.titles()
    return table(
      'What is sold',
      ['Title', 'Name', 'Releases', 'Price', 'Copies per user', 'Bought for', ''],
      titles.map(title => [
        title.titleId,
        title.name,
        title.releases.map(({ release, scheme }) => `${release} ${scheme}`).join(', '),
        moneyText(title.priceMinor, title.currency),
        title.copies === null ? 'unlimited' : String(title.copies),
        title.expiresDays === null ? 'good' : counted(title.expiresDays, 'day'),
        html`<a href="/seller/titles/${title.titleId}">Change</a>`
      ]),
      'No titles. One appears when it is pressed.'
    )
  })
  get('/seller/titles/:titleId', 'Titles', async call => {
    const title = (await desk.titles()).find(({ titleId }) => titleId === call.req.param('titleId'))
    if (title === undefined) return notice('bad', 'There is no such title.')
    const { titleId, name, priceMinor, currency, copies, expiresDays, bearerAllowed } = title
    return html`<h2>${name}</h2>
      <p>${titleId}. Copies that were sold stay as they are.</p>
      <form class="stack" method="post" action="/seller/titles/${titleId}">
        <label
          >Price <small>in minor units: 900 is ${moneyText(900, currency)}</small>
          <input name="price" inputmode="numeric" required pattern="[0-9]{1,15}" value="${priceMinor}"
        /></label>
        <label
          >Currency <input name="currency" required pattern="[A-Z]{3}" maxlength="3" value="${currency}"
        /></label>
        <label
          >Copies per user <small>empty: unlimited</small>
          <input name="copies" inputmode="numeric" pattern="[0-9]{0,10}" value="${copies ?? ''}"
        /></label>
        <label
          >Bought for days <small>empty: for good</small>
          <input name="expiresDays" inputmode="numeric" pattern="[0-9]{0,5}" value="${expiresDays ?? ''}"
        /></label>
        <label class="tick"
          ><input type="checkbox" name="bearer" value="yes" ${bearerAllowed ? 'checked' : ''} /> May be bound
          to the medium alone</label
        >
        <button>Save</button>
      </form>`
  })
  post('/seller/titles/:titleId', 'Titles', async (call, form) => {
    await desk.setTerms(call.req.param('titleId') ?? '', {
      priceMinor: numberIn(form, 'price', 0, MAX_PRICE_MINOR)!,
      currency: currencyIn(form),
      copies: numberIn(form, 'copies', 0, MAX_COPIES),
      expiresDays: numberIn(form, 'expiresDays', 1, MAX_EXPIRES_DAYS),
      bearerAllowed: form.get('bearer') === 'yes'
    })
    return call.redirect('/seller/titles', 303)
  })

  get('/seller/copies', 'Copies', async call => {
    const [, bought, grantId] = /^(\d{1,12})-([0-9a-f]{32})$/.exec(call.req.query('before') ?? '') ?? []
    const before = grantId === undefined ? undefined : { bought: Number(bought), grantId }
    const copies = await reports.copies(PAGE, before)
    const last = copies.at(-1)
    return html`
      ${table(
        'Newest first',
        ['Copy', 'Title', 'Release', 'User', 'Medium', 'Bought', 'Runs until', 'State'],
        copies.map(copy => [
          code(copy.grantId),
          copy.titleId,
          String(copy.release),
          code(copy.userId),
          code(copy.mediumId),
          time(copy.bought),
          time(copy.expires),
          copy.revoked === 1 ? 'ended' : html`<a href="/seller/revoke/${copy.grantId}">Revoke</a>`
        ]),
        'No copies.'
      )}
      ${
        copies.length === PAGE && last !== undefined
          ? html`<p><a href="/seller/copies?before=${last.bought}-${last.grantId}">Older</a></p>`
          : ''
      }
    `
  })
  get('/seller/revoke/:grantId', 'Revocations', async call => {
    const [copy] = await desk.grants({ grantId: call.req.param('grantId') ?? '' })
    if (copy === undefined) return notice('bad', 'There is no such copy.')
    return html`<p>
        Take back this copy of <b>${copy.titleId}</b>, of user ${code(copy.userId)}? It stops on each medium
        that meets the new list, for ever.
      </p>
      <form method="post" action="/seller/revoke/${copy.grantId}">
        <button class="danger">Revoke it</button>
      </form>`
  })
  post('/seller/revoke/:grantId', 'Revocations', async call => {
    const [copy] = await desk.grants({ grantId: call.req.param('grantId') ?? '' })
    if (copy !== undefined) await desk.revoke('grant', copy.grantId)
    return call.redirect('/seller/revocations', 303)
  })
  get('/seller/revocations', 'Revocations', async () =>
    table(
      'What was taken back',
      ['List', 'Kind', 'Id', 'Release', 'When'],
      [...(await desk.revocations())]
        .reverse()
        .slice(0, 500)
        .map(({ sequence, kind, id, release, revoked }) => [
          String(sequence),
          kind,
          kind === 'title' ? id : code(id),
          release === null ? 'all' : String(release),
          time(revoked)
        ]),
      'Nothing is revoked.'
    )
  )

  get('/seller/ledger', 'Ledger', async () => ledger(await totals(center)))
  post('/seller/ledger/verify', 'Ledger', async call => {
    const { problems, orders, copies, postings } = await desk.verifyLedger()
    const found =
      problems.length === 0
        ? notice(
            'good',
            `${counted(orders, 'order')}, ${counted(copies, 'copy', 'copies')} (each once, however often granted), ${counted(postings, 'posting')}: they agree with the log and its signature.`
          )
        : html`${notice('bad', `The books do not agree: ${problems.length} disagreements.`)}
            <ul>
              ${problems.slice(0, 50).map(problem => html`<li>${problem}</li>`)}
            </ul>`
    return show(call, web, 'Ledger', PLACES, html`${found}${ledger(await totals(center))}`)
  })
}

interface Total {
  readonly account: string
  readonly currency: string
  readonly balanceMinor: number
}

const figure = (count: number, one: string, many: string): Html =>
  html`<li><b>${count.toLocaleString('en')}</b> ${count === 1 ? one : many}</li>`

/** What all users owe is one line: they may be many. */
async function totals({ desk }: LicenseCenter): Promise<Total[]> {
  const sums = new Map<string, Total>()
  for (const { account, currency, balanceMinor } of await desk.balances()) {
    const name = account.startsWith('receivable/') ? 'receivable, all users' : account
    const key = `${name} ${currency}`
    sums.set(key, {
      account: name,
      currency,
      balanceMinor: (sums.get(key)?.balanceMinor ?? 0) + balanceMinor
    })
  }
  return [...sums.values()]
}

const ledger = (balances: readonly Total[]): Html => html`
  ${table(
    'Balances',
    ['Account', 'Balance'],
    balances.map(({ account, currency, balanceMinor }) => [account, moneyText(balanceMinor, currency)]),
    'Nothing was charged yet.'
  )}
  <form method="post" action="/seller/ledger/verify"><button>Verify the ledger</button></form>
`

function numberIn(form: URLSearchParams, name: string, min: number, max: number): number | null {
  const typed = (form.get(name) ?? '').trim()
  if (typed === '' && name !== 'price') return null
  const value = Number(typed)
  if (/^\d{1,15}$/.test(typed) && value >= min && value <= max) return value
  throw new CofferError('COFFER_USAGE', `${name} must be a whole number from ${min} to ${max}.`, {
    hint: 'Go back and correct it.'
  })
}

function currencyIn(form: URLSearchParams): string {
  const typed = form.get('currency') ?? ''
  if (/^[A-Z]{3}$/.test(typed)) return typed
  throw new CofferError('COFFER_USAGE', 'The currency must be three capital letters, such as EUR.', {
    hint: 'Go back and correct it.'
  })
}
