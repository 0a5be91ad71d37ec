/**
 * The buyer's pages. He uploads a request file, and sees that order: its answer, its receipt, and what its signer owes. Nothing of
 * other orders: a request travels by mail and plain HTTP, and whoever has its bytes need not be who signed it.
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
  { href: '/mine', name: 'My order' }
]
/** An older file is answered all the same, but whoever found it sees nothing of what is owed. */
const FRESH_SECONDS = 86_400

export function buyerPages(web: Web, center: LicenseCenter): void {
  const { app } = web
  const { now, reports } = center
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
        keepSession(call, web, 'buyer', await web.sessions.open('buyer', hex(request.requestId)))
        return call.redirect('/mine', 303)
      }
      return download(call, answer, `${request.titleId}.answer`)
    } catch (error) {
      return showRefusal(call, web, 'Order', PLACES, error)
    }
  })

  /** The order that this session is for. */
  const ownOrder = async (call: Call) => {
    const session = await sessionOf(call, web, 'buyer')
    return session && reports.answeredRequest(session.subject)
  }
  const owedBy = async (userId: string) =>
    (await center.desk.owedBy(userId)).filter(({ balanceMinor }) => balanceMinor > 0)

  app.get('/mine', async call => {
    call.set('route', '/mine')
    const own = await ownOrder(call)
    if (own === undefined) return show(call, web, 'My order', PLACES, knownByOrder())
    const { titleId, release, mediumId, kind } = openRequest(own.record)
    const content = html`
      ${notice('good', 'Your order is answered.')}
      <p>
        <a href="/mine/answer" download>Download the answer</a>, then install it with
        <code>coffer apply</code>.
      </p>
      ${table(
        'Order',
        ['Title', 'Release', 'Medium', 'Kind', 'Answered', 'Receipt'],
        [
          [
            titleId,
            String(release),
            code(hex(mediumId)),
            kind,
            time(own.answered),
            html`<a href="/mine/receipt" download>Receipt</a>`
          ]
        ],
        ''
      )}
      ${(await owedBy(own.signer)).map(
        ({ currency, balanceMinor }) =>
          html`<form method="post" action="/mine/pay">
            <p>
              You owe ${moneyText(balanceMinor, currency)}.
              ${
                payable(web, balanceMinor, currency) === 0
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
    return show(call, web, 'My order', PLACES, content)
  })

  const missing = (call: Call) =>
    show(call, web, 'My order', PLACES, notice('bad', 'There is no such order of yours.'), 404)
  app.get('/mine/answer', async call => {
    call.set('route', '/mine/answer')
    const own = await ownOrder(call)
    return own === undefined ? missing(call) : download(call, own.answer, 'order.answer')
  })
  app.get('/mine/receipt', async call => {
    call.set('route', '/mine/receipt')
    const own = await ownOrder(call)
    return own === undefined
      ? missing(call)
      : download(call, await center.receipt(own.record), 'order.receipt')
  })

  app.post('/mine/pay', async call => {
    call.set('route', '/mine/pay')
    try {
      const currency = (await formOf(call)).get('currency')
      const own = await ownOrder(call)
      const due = own && (await owedBy(own.signer)).find(one => one.currency === currency)
      const amountMinor = due === undefined ? 0 : payable(web, due.balanceMinor, due.currency)
      if (web.payment === undefined || own === undefined || due === undefined || amountMinor === 0) {
        return show(call, web, 'My order', PLACES, notice('bad', 'There is nothing to pay here.'), 400)
      }
      const { host } = new URL(call.req.url)
      const back = `${web.secure ? 'https' : 'http'}://${host}/mine`
      const where = await web.payment.checkout(
        { centerId: center.centerId, userId: own.signer, amountMinor, currency: due.currency },
        back
      )
      const content = html`<p>You owe ${moneyText(due.balanceMinor, due.currency)}.</p>
        <p>
          <a href="${payAddress(where)}" rel="noreferrer"
            >Pay ${moneyText(amountMinor, due.currency)} at ${web.payment.name}</a
          >
        </p>
        <p>
          Some ways to pay, such as a bank debit, take days until the money is here. Until then your page goes
          on saying that you owe it: do not pay it twice.
        </p>`
      return show(call, web, 'Pay', PLACES, content)
    } catch (error) {
      return showRefusal(call, web, 'My order', PLACES, error)
    }
  })
  app.post('/mine/leave', async call => {
    call.set('route', '/mine/leave')
    await formOf(call)
    await endSession(call, web, 'buyer')
    return call.redirect('/', 303)
  })
}

/** What a provider can take of what is owed: 0 where there is none, or where that is less than it moves. */
const payable = ({ payment }: Web, owedMinor: number, currency: string): number =>
  payment === undefined ? 0 : owedMinor - (owedMinor % payment.stepOf(currency))

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
    You are known here by what you sign. <a href="/">Bring a request file</a> that you made today, and see
    that order: an order again for a copy that you hold is free.
  </p>
`
