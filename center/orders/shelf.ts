/**
 * What is sold, as it was when orders last read it. Most orders come to what it says, so that they can be made before anybody has the
 * lock or has read the books for them; what is decided under the lock, on the books as they are, says whether that was so.
 */
import { hex } from '../../formats/bytes.js'
import type { Tables } from '../books/store.js'
import { refuseBinding, registeredRelease } from './decide.js'
import type { Decision, Ground, Order } from './make.js'
import type { Sheet } from './sheet.js'
import { decideSale, termsFor } from './terms.js'

/** More than most sellers have. */
const MAX_TITLES = 1000
/** Of orders that come again while their answers are on the way. */
const MAX_ANSWERED = 4096

interface OnShelf {
  readonly title: Tables['titles']
  readonly releases: readonly Tables['releases'][]
}

export class Shelf {
  #ground: Ground | undefined
  readonly #titles = new Map<string, OnShelf>()
  readonly #answered = new Set<string>()
  /** Of these the last order was refused. */
  readonly #refusing = new Set<string>()

  /** Undefined until something was read. */
  get ground(): Ground | undefined {
    return this.#ground
  }

  /** Take over what was read for these. */
  restock(sheet: Sheet, orders: readonly Order[]): void {
    this.#ground = { center: sheet.center, roots: sheet.roots }
    for (const titleId of new Set(orders.map(({ request }) => request.titleId))) {
      this.#titles.delete(titleId)
      const title = sheet.title(titleId)
      if (title === undefined) continue
      this.#titles.set(titleId, { title, releases: sheet.releases(titleId) })
      forgetOldest(this.#titles, MAX_TITLES)
    }
  }

  /** This one has its answer, and needs no other. */
  answered({ requestId, request }: Order): void {
    this.#answered.add(hex(requestId))
    forgetOldest(this.#answered, MAX_ANSWERED)
    this.#refusing.delete(request.titleId)
  }

  /** Nothing is made for the next orders of this title before the books are read: of one that is sold out all would be in vain. */
  refused({ request: { titleId } }: Order): void {
    if (!this.#titles.has(titleId)) return
    this.#refusing.add(titleId)
    forgetOldest(this.#refusing, MAX_TITLES)
  }

  title(titleId: string): Tables['titles'] | undefined {
    return this.#titles.get(titleId)?.title
  }
  release(titleId: string, release: number, scheme: string): Tables['releases'] | undefined {
    return this.#titles.get(titleId)?.releases.find(row => row.release === release && row.scheme === scheme)
  }

  /** Whether an order is of the kind whose outcome can be foreseen: a first copy of a title that is here. */
  foresees({ request: { kind, titleId } }: Order): boolean {
    return kind === 'order' && this.#titles.has(titleId) && !this.#refusing.has(titleId)
  }

  /** What an order comes to that is the first of its user, or undefined for one that was answered. @throws CofferError. */
  foresee({ request, requestId, received }: Order): Decision | undefined {
    if (this.#answered.has(hex(requestId))) return undefined
    const { title, release } = registeredRelease(this, request)
    refuseBinding(request, title, release)
    const newcomer = { terms: termsFor(title, undefined), held: undefined, epoch: null, tried: false }
    const sale = decideSale(request.kind, title, { ...newcomer, copies: 0, copiesInAll: 0 }, received)
    return { request, answered: request, title, release, sale }
  }
}

function forgetOldest(things: Map<string, unknown> | Set<string>, most: number): void {
  if (things.size > most) things.delete(things.keys().next().value!)
}
