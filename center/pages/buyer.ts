/**
 * The buyer's pages. Who he is says the request file that he uploads: it is signed, and an order that he made within the last
 * day also shows him what he holds.
 */
import { html } from 'hono/html'
import { hex } from '../../formats/bytes.js'
import { MAX_RECORD_BYTES } from '../../formats/limits.js'
import { openRequest } from '../../formats/records/request.js'
import type { LicenseCenter } from '../center.js'
import { CONTENT_TYPE } from '../http/interface.js'
import type { Call } from '../http/wire.js'
import { moneyText } from '../../formats/money.js'
import { code, notice, table, time, type Html, type Place } from './frame.js'
import { endSession, fileOf, formOf, keepSession, sessionOf, show, showRefusal, type Web } from './web.js'

const PLACES: readonly Place[] = [
  { href: '/', name: 'Order' },
  { href: '/mine', name: 'My titles' }
]
/** An older file is answered all the same, but whoever found it sees nothing else. */
const FRESH_SECONDS = 86_400
const SHOWN = 200

export function buyerPages(web: Web, center: LicenseCenter): void {
  const { app } = web
  const { now } = center
  app.get('/', call => {
    call.set('route', '/')
    return show(call, web, 'Order', PLACES, orderForm())
  })

  app.post('/order', async call => {
    call.set('route', '/order')
    try {
      const record = await fileOf(call, 'request', MAX_RECORD_BYTES)
      const request = openRequest(record)
      const answer = await center.issue(record, web.admit)
      if (request.created > now() - FRESH_SECONDS) {
        keepSession(call, web, 'buyer', await web.sessions.open('buyer', hex(request.userId)))
        return call.redirect(`/mine?answered=${hex(request.requestId)}`, 303)
      }
      return download(call, answer, `${request.titleId}.answer`)
    } catch (error) {
      return showRefusal(call, web, 'Order', PLACES, error)
    }
  })

  app.get('/mine', async call => {
    call.set('route', '/mine')
    const session = await sessionOf(call, web, 'buyer')
    if (session === undefined) return show(call, web, 'My titles', PLACES, knownByOrder())
    const copies = await center.reports.copiesOf(session.subject, SHOWN)
    const answered = await center.reports.answeredTo(session.subject, SHOWN)
    const answeredNow = call.req.query('answered')
    const owed = (await center.desk.owedBy(session.subject)).filter(({ balanceMinor }) => balanceMinor > 0)
    const content = html`
      ${
        answeredNow !== undefined && answered.some(({ requestId }) => requestId === answeredNow)
          ? html`${notice('good', 'Your order is answered.')}
              <p>
                <a href="/mine/answers/${answeredNow}" download>Download the answer</a>, then install it with
                <code>coffer apply</code>.
              </p>`
          : ''
      }
      ${table(
        'Copies',
        ['Title', 'Release', 'Medium', 'Bought', 'Runs until', 'State'],
        copies.map(copy => [
          copy.titleId,
          String(copy.release),
          code(copy.mediumId),
          time(copy.bought),
          time(copy.expires),
          copy.revoked === 1
            ? 'given up or taken back'
            : copy.expires !== null && copy.expires <= now()
              ? 'over'
              : 'held'
        ]),
        'You hold no copy.'
      )}
      ${table(
        'Orders',
        ['Answered', 'Request', 'Answer', 'Receipt'],
        answered.map(({ requestId, answered }) => [
          time(answered),
          code(requestId),
          html`<a href="/mine/answers/${requestId}" download>Answer</a>`,
          html`<a href="/mine/receipts/${requestId}" download>Receipt</a>`
        ]),
        'No orders.'
      )}
      ${owed.map(
        ({ currency, balanceMinor }) =>
          html`<form method="post" action="/mine/pay">
            <p>
              You owe ${moneyText(balanceMinor, currency)}.
              ${
                web.payment === undefined
                  ? 'The seller sends you an invoice.'
                  : html`<input type="hidden" name="currency" value="${currency}" /><button>Pay</button>`
              }
            </p>
          </form>`
      )}
      <p>
        A receipt proves to whoever trusts this center that the order is in its books, and what was charged.
      </p>
      <form method="post" action="/mine/leave"><button class="quiet">Leave</button></form>
    `
    return show(call, web, 'My titles', PLACES, content)
  })

  /** One of his own: what he signed, and its answer. */
  const ownRequest = async (call: Call) => {
    const session = await sessionOf(call, web, 'buyer')
    const requestId = call.req.param('requestId') ?? ''
    if (session === undefined || !/^[0-9a-f]{32}$/.test(requestId)) return undefined
    return center.reports.answeredRequest(session.subject, requestId)
  }
  const missing = (call: Call) =>
    show(call, web, 'My titles', PLACES, notice('bad', 'There is no such order of yours.'), 404)
  app.get('/mine/answers/:requestId', async call => {
    call.set('route', '/mine/answers')
    const own = await ownRequest(call)
    return own === undefined ? missing(call) : download(call, own.answer, 'order.answer')
  })
  app.get('/mine/receipts/:requestId', async call => {
    call.set('route', '/mine/receipts')
    const own = await ownRequest(call)
    return own === undefined
      ? missing(call)
      : download(call, await center.receipt(own.record), 'order.receipt')
  })

  app.post('/mine/pay', async call => {
    call.set('route', '/mine/pay')
    try {
      const currency = (await formOf(call)).get('currency')
      const session = await sessionOf(call, web, 'buyer')
      const due =
        session && (await center.desk.owedBy(session.subject)).find(one => one.currency === currency)
      if (web.payment === undefined || session === undefined || due === undefined || due.balanceMinor <= 0) {
        return show(call, web, 'My titles', PLACES, notice('bad', 'There is nothing to pay here.'), 400)
      }
      const { balanceMinor: amountMinor } = due
      const own = new URL(call.req.url)
      const back = `${web.secure ? 'https' : 'http'}://${own.host}/mine`
      const where = await web.payment.checkout(
        { userId: session.subject, amountMinor, currency: due.currency },
        back
      )
      const content = html`<p>You owe ${moneyText(amountMinor, due.currency)}.</p>
        <p><a href="${payAddress(where)}" rel="noreferrer">Pay at ${web.payment.name}</a></p>`
      return show(call, web, 'Pay', PLACES, content)
    } catch (error) {
      return showRefusal(call, web, 'My titles', PLACES, error)
    }
  })
  app.post('/mine/leave', async call => {
    call.set('route', '/mine/leave')
    await formOf(call)
    await endSession(call, web, 'buyer')
    return call.redirect('/', 303)
  })
}

/** The provider's word, and yet not a script. */
function payAddress(url: string): string {
  const { protocol, href } = new URL(url)
  if (protocol === 'https:' || protocol === 'http:') return href
  throw new Error('internal: no address to pay at')
}

function download(call: Call, bytes: Uint8Array, name: string): Response {
  return call.body(bytes as Uint8Array<ArrayBuffer>, 200, {
    'content-type': CONTENT_TYPE,
    'content-disposition': `attachment; filename="${name}"`
  })
}

const orderForm = (): Html => html`
  <p>
    With a network, <code>coffer copy</code> orders by itself. Without one, make a request file with
    <code>coffer order</code>, bring it here, and take the answer home.
  </p>
  <form class="stack" method="post" action="/order" enctype="multipart/form-data">
    <label>Request file <input type="file" name="request" required /></label>
    <button>Order</button>
  </form>
  <p>The same file again gives the same answer, and is charged once.</p>
`

const knownByOrder = (): Html => html`
  <p class="none">
    You are known here by what you sign. <a href="/">Bring a request file</a> that you made today: an order
    again for a copy that you hold is free, and shows you what you hold.
  </p>
`
