/**
 * Copy a title to a medium, the seed's FIG. 2 and FIG. 7 (docs/spec.md §8): order it, over HTTP or by files, and install
 * what the center answers (install.ts).
 */
import { hex } from '../../formats/bytes.js'
import { CofferError } from '../../formats/errors.js'
import type { Bind } from '../../formats/records/fields.js'
import { checkManifest, type ParsedManifest } from '../../formats/records/manifest.js'
import type { RequestKind } from '../../formats/records/request.js'
import { carryEnded } from '../ended.js'
import type { Home } from '../home.js'
import { lockMedium } from '../lock.js'
import { mediumPaths } from '../medium/layout.js'
import { measureMedium } from '../medium/measure.js'
import { checkCall, MASTER, MEDIUM, TITLE } from '../options.js'
import { POWERS, type Powers } from '../powers.js'
import { followRoots } from '../travel.js'
import type { CenterClient } from './center-client.js'
import { checkSpace, grantOf, install, type Copied, type CopyEvent } from './install.js'
import { learnPublished } from './learn.js'
import { masterRevocations, openOnMaster } from './master.js'
import {
  acceptAnswer,
  centerClient,
  makeOrder,
  orderOnline,
  requireGrant,
  type Agree,
  type Order
} from './order.js'
import { checkReplacing } from './place.js'

export interface CopyOptions {
  readonly home: Home
  /** Where to order; default: where the title's center was pinned from. */
  readonly centerUrl?: string | undefined
  readonly release?: number | undefined
  readonly bind?: Bind | undefined
  /** Default: `order`, which buys. */
  readonly kind?: RequestKind | undefined
  readonly powers?: Powers | undefined
  /** Told what the center would charge before anything is ordered over HTTP; throws to order nothing. Default: not asked. */
  readonly agree?: Agree | undefined
  readonly onEvent?: ((event: CopyEvent) => void) | undefined
  /** Interrupts it: COFFER_INTERRUPTED, and the medium is as it was. */
  readonly signal?: AbortSignal | undefined
}

/** All of them, as each of these is. */
const COPY_OPTIONS: Readonly<Record<keyof CopyOptions, true>> = {
  home: true,
  centerUrl: true,
  release: true,
  bind: true,
  kind: true,
  powers: true,
  agree: true,
  onEvent: true,
  signal: true
}

/**
 * Order a title for a medium over HTTP, and install it.
 *
 * @throws CofferError of every step; the medium is as it was then, and an order that was charged is free to repeat.
 */
export async function copy(
  master: string,
  root: string,
  titleId: string,
  options: CopyOptions
): Promise<Copied> {
  checkCall('copy()', { [MASTER]: master, [MEDIUM]: root, [TITLE]: titleId }, options, COPY_OPTIONS)
  const { home, powers = POWERS, onEvent = () => {}, signal } = options
  using source = openOnMaster(master, titleId, options.release)
  const medium = measureMedium(root)
  using _lock = lockMedium(root)
  checkReplacing(root, source.manifest, home.userKeys()?.userId, options.release)
  checkSpace(root, source)
  const fromMaster = masterRevocations(master)
  followRoots(fromMaster, home)
  carryEnded(home, mediumPaths(root).folder, master)
  const center = centerClient(source.manifest, options, 'coffer order')
  await followCertificate(source.manifest, center, home)
  const order = makeOrder(source.manifest, medium, home, powers, options)
  announceOrder(order, source.manifest.scheme, onEvent)
  const learn = () => learnPublished(center, source.manifest.centerId, root, home, fromMaster)
  const answer = await orderOnline(order, center, home, learn, options.agree)
  return await install(answer, { source, fromMaster, medium, home, powers, onEvent, isFresh: true, signal })
}

/**
 * The same by files, second half: install what a center answered to {@link requestCopy}.
 *
 * @throws CofferError as {@link copy}, and COFFER_ANSWER_MISMATCH when the answer is for another medium.
 */
export async function applyAnswer(
  answerBytes: Uint8Array,
  master: string,
  root: string,
  options: CopyOptions
): Promise<Copied> {
  checkCall('applyAnswer()', { [MASTER]: master, [MEDIUM]: root }, options, COPY_OPTIONS)
  const { home, release: asked, powers = POWERS, onEvent = () => {}, signal } = options
  const answer = requireGrant(acceptAnswer(answerBytes, home).answer)
  const medium = measureMedium(root)
  const { titleId, release, userId } = grantOf(answer, medium, home)
  using source = openOnMaster(master, titleId, release)
  using _lock = lockMedium(root)
  checkReplacing(root, source.manifest, userId, asked)
  checkSpace(root, source)
  carryEnded(home, mediumPaths(root).folder, master)
  const fromMaster = masterRevocations(master)
  return await install(answer, { source, fromMaster, medium, home, powers, onEvent, signal })
}

/** The same by files, first half: the request to carry to the center. */
export function requestCopy(master: string, root: string, titleId: string, options: CopyOptions): Order {
  checkCall('requestCopy()', { [MASTER]: master, [MEDIUM]: root, [TITLE]: titleId }, options, COPY_OPTIONS)
  const { home, powers = POWERS, onEvent = () => {} } = options
  using source = openOnMaster(master, titleId, options.release)
  const medium = measureMedium(root)
  checkReplacing(root, source.manifest, home.userKeys()?.userId, options.release)
  checkSpace(root, source)
  followRoots(masterRevocations(master), home)
  const order = makeOrder(source.manifest, medium, home, powers, options)
  announceOrder(order, source.manifest.scheme, onEvent)
  return order
}

function announceOrder(
  { request }: Order,
  scheme: Copied['scheme'],
  onEvent: (event: CopyEvent) => void
): void {
  const { titleId, release, mediumId } = request
  onEvent({ step: scheme === 'conversion' ? 'S11' : 'S1', titleId, release, mediumId: hex(mediumId) })
}

/** A title that was pressed since this person's home learned of the center's keys: ask for the newer root records. */
async function followCertificate(manifest: ParsedManifest, client: CenterClient, home: Home): Promise<void> {
  try {
    checkManifest(manifest, home.requireCenter(manifest.centerId))
  } catch (error) {
    if (!(error instanceof CofferError) || error.code !== 'COFFER_PUBLISHER_UNTRUSTED') throw error
    home.follow(await client.roots())
  }
}
