/**
 * Kill the center, again and again, at random moments while it is selling: `npm run crash -- 200`, or with the name of one
 * database after the number.
 *
 * Buyers order over HTTP; some orders are sent again, also those whose answer was lost. After each kill the center is
 * started anew, on the same folder, and must serve. At the end every order is sent once more: whoever was answered gets
 * the very same bytes, and ledger, grants and answers agree, with one charge for each order and none without.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { createCenter, openCenter } from '../center/center.js'
import { fromHex, hex } from '../formats/bytes.js'
import { deriveKeys } from '../formats/keys.js'
import { sha256 } from '../formats/primitives.js'
import { encodeRegistration } from '../formats/records/release.js'
import { encodeRequest } from '../formats/records/request.js'
import { newDatabase, startPostgres } from './postgres.js'

const CLI = fileURLToPath(new URL('../../dist/bin/coffer-center.cjs', import.meta.url))
const TITLE = 'org.example.hello'
const PRICE_MINOR = 900
const BUYERS = 6
/** The orders between two kills go to so many new users, each with a quota that some orders meet. */
const USERS = 2
const COPIES = 10

export interface CrashOutcome {
  readonly kills: number
  /** Orders that were answered, and those that their quota refused. */
  readonly answered: number
  readonly refused: number
  /** Answers that were lost to a kill, and had again. */
  readonly recovered: number
}

/**
 * @param database - URL of an empty PostgreSQL database; undefined: the embedded one.
 * @throws Error that says what was lost, doubled or changed.
 */
export async function crash(kills: number, database: string | undefined): Promise<CrashOutcome> {
  const folder = join(mkdtempSync(join(tmpdir(), 'coffer-crash-')), 'shop')
  try {
    const centerId = await newShop(folder, database)
    const orders = new Map<string, Order>()
    let recovered = 0
    for (let kill = 0; kill < kills; kill++) {
      const center = await startCenter(folder)
      const users = newUsers()
      let stopped = false
      const buyers = Array.from({ length: BUYERS }, async () => {
        while (!stopped) {
          const order = nextOrder(orders, centerId, users)
          const wasLost = order.lost
          const told = await send(center.url, order.record)
          if (told === undefined) order.lost = true
          else {
            if (wasLost && order.outcome === undefined) recovered++
            keep(order, told)
          }
        }
      })
      await setTimeout(20 + Math.random() * 250)
      center.child.kill('SIGKILL')
      stopped = true
      await Promise.all([...buyers, center.ended])
    }
    return await settle(folder, orders, kills, recovered)
  } finally {
    rmSync(join(folder, '..'), { recursive: true, force: true })
  }
}

interface Order {
  readonly record: Uint8Array
  /** Sent, and no answer came. */
  lost: boolean
  /** Hash of the answer; or the code of the refusal. */
  outcome: string | undefined
}

async function newShop(folder: string, database: string | undefined): Promise<Uint8Array> {
  const center = await createCenter(folder, { name: 'Shop', database })
  const centerId = fromHex(center.centerId)
  const publisher = deriveKeys('publisher', randomBytes(32))
  await center.desk.addPublisher(publisher, 'Press')
  const registration = {
    centerId,
    created: now(),
    name: 'Hello',
    release: 1,
    requestId: newId(),
    scheme: 'certificate' as const,
    signKey: publisher.signKey,
    titleId: TITLE
  }
  await center.register(encodeRegistration(registration, publisher.signSeed))
  await center.desk.setTerms(TITLE, { priceMinor: PRICE_MINOR, copies: COPIES })
  await center.close()
  return centerId
}

const now = () => Math.floor(Date.now() / 1000)
const newId = (bytes = 16) => new Uint8Array(randomBytes(bytes))

const newUsers = () => Array.from({ length: USERS }, () => deriveKeys('user', randomBytes(32)))
type Users = ReturnType<typeof newUsers>

/** One that was lost, one that was answered, or a new one. */
function nextOrder(orders: Map<string, Order>, centerId: Uint8Array, users: Users): Order {
  const known = [...orders.values()]
  const choice = Math.random()
  const lost = known.filter(order => order.lost && order.outcome === undefined)
  if (choice < 0.3 && lost.length > 0) return anyOf(lost)
  if (choice < 0.4 && known.length > 0) return anyOf(known)
  const user = anyOf(users)
  const requestId = newId()
  const request = {
    bind: ['medium', 'user'] as const,
    centerId,
    created: now(),
    factors: ['machine'],
    kind: 'order' as const,
    mediumId: newId(32),
    mediumKind: 'folder' as const,
    release: 1,
    requestId,
    scheme: 'certificate' as const,
    sealKey: user.sealKey,
    signKey: user.signKey,
    titleId: TITLE
  }
  const order: Order = { record: encodeRequest(request, user.signSeed), lost: false, outcome: undefined }
  orders.set(hex(requestId), order)
  return order
}

const anyOf = <T>(things: readonly T[]): T => things[Math.floor(Math.random() * things.length)]!

/** @returns What was answered or refused; undefined when nobody can tell. */
async function send(url: string, record: Uint8Array): Promise<string | undefined> {
  try {
    const response = await fetch(`${url}/v1/orders`, {
      method: 'POST',
      headers: { 'content-type': 'application/vnd.coffer' },
      body: record as Uint8Array<ArrayBuffer>,
      signal: AbortSignal.timeout(20_000)
    })
    if (response.status === 200) return hex(sha256(new Uint8Array(await response.arrayBuffer())))
    const { code, retryable } = (await response.json()) as { code: string; retryable: boolean }
    return retryable ? undefined : code
  } catch {
    return undefined
  }
}

function keep(order: Order, told: string): void {
  if (order.outcome !== undefined && order.outcome !== told) {
    throw new Error(`an order was told ${order.outcome}, and later ${told}`)
  }
  order.outcome = told
}

/** Send everything once more, then hold what was told against the books. */
async function settle(
  folder: string,
  orders: ReadonlyMap<string, Order>,
  kills: number,
  recovered: number
): Promise<CrashOutcome> {
  const center = await openCenter(folder)
  try {
    let answered = 0
    let refused = 0
    for (const order of orders.values()) {
      const told = await center.issue(order.record).then(
        answer => hex(sha256(answer)),
        (error: { code?: string }) => String(error.code)
      )
      if (order.outcome === undefined && order.lost) recovered++
      keep(order, told)
      if (told === 'COFFER_QUOTA') refused++
      else if (/^[0-9a-f]{64}$/.test(told)) answered++
      else throw new Error(`an order was told ${told}`)
    }
    const check = await center.desk.verifyLedger()
    const owed = (await center.desk.balances())
      .filter(({ account }) => account.startsWith('receivable/'))
      .reduce((sum, { balanceMinor }) => sum + balanceMinor, 0)
    const grants = (await center.desk.grants()).length
    const found = { ...check, grants, owed }
    const expected = {
      orders: answered,
      copies: answered,
      postings: answered,
      problems: [],
      grants: answered,
      owed: answered * PRICE_MINOR
    }
    if (JSON.stringify(found) !== JSON.stringify(expected)) {
      throw new Error(`found ${JSON.stringify(found)}, expected ${JSON.stringify(expected)}`)
    }
    return { kills, answered, refused, recovered }
  } finally {
    await center.close()
  }
}

/** The center in a process of its own, serving. */
async function startCenter(
  folder: string
): Promise<{ child: ChildProcess; url: string; ended: Promise<unknown> }> {
  const child = spawn(process.execPath, [CLI, 'serve', folder, '--port', '0', '--rate', '0'], {
    stdio: ['ignore', 'pipe', 'pipe']
  })
  let said = ''
  child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString('utf8')))
  const ended = once(child, 'close')
  const url = await Promise.race([
    once(createInterface(child.stdout), 'line').then(([line]) => line as string),
    ended.then(() => {
      throw new Error(`the center did not start again: ${said}`)
    })
  ])
  return { child, url, ended }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const kills = Number(process.argv[2] ?? 100)
  const only = process.argv[3]
  if (only !== 'postgresql') console.log('sqlite    ', JSON.stringify(await crash(kills, undefined)))
  if (only !== 'sqlite') {
    const server = await startPostgres(true)
    try {
      console.log('postgresql', JSON.stringify(await crash(kills, await newDatabase(server.url))))
    } finally {
      await server.stop()
    }
  }
}
