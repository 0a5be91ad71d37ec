/**
 * What every test of the seed's claims and figures stands on: the central site as a process, the end user's site as
 * processes, HTTP between them through a line that keeps what crosses it, and an observer.
 *
 * The observer is this test. It opens what crossed the line with formats/ alone, and it may read what no one else can
 * have together: the center's vault and the user's key. So it computes every value by itself and holds it against what
 * the programs sent, wrote and compared.
 */
import { createHash, randomBytes } from 'node:crypto'
import { cpSync, readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { uvu } from 'uvu'
import * as assert from 'uvu/assert'
import { clone } from '../helpers/clone.js'
import { openStore, type Store } from '../../center/books/store.js'
import { concat, fromHex } from '../../formats/bytes.js'
import { openPayload } from '../../formats/cobblestone.js'
import { deriveKeys, parseSecretKey, userIdOf, type KeyPairs } from '../../formats/keys.js'
import {
  encodeAnswer,
  openAnswer,
  type AnswerAttachments,
  type VerifiedAnswer
} from '../../formats/records/answer.js'
import {
  encodeGrant,
  grantHash,
  openGrant,
  type CertificateLicense,
  type ConversionLicense,
  type VerifiedGrant
} from '../../formats/records/grant.js'
import { encodeRequest, openRequest, type VerifiedRequest } from '../../formats/records/request.js'
import { decodeRoots, openRoots, type Center } from '../../formats/records/root.js'
import { manifestLength, parseTitle, TITLE_HEAD_BYTES, type ParsedTitle } from '../../formats/title.js'
import {
  COFFER_CENTER,
  expectSuccess,
  filesBelow,
  firstLine,
  jsonOf,
  newSite,
  start,
  type Ran,
  type SchemeName,
  type Site
} from '../helpers/site.js'
import {
  bindingKeyOf,
  certificateCode,
  certificationKeyOf,
  contextOf,
  decryptKa,
  decryptKd,
  decryptKeyc,
  decryptKu,
  decryptSecret,
  masterMediumKeyOf,
  mediumKeyOf,
  type Binding
} from './arithmetic.js'

export const PRICE = { minor: 900, currency: 'EUR' } as const
const EPOCH = 1

/** One request and its answer, as bytes. */
export interface Exchange {
  readonly path: string
  readonly request: Uint8Array
  /** As the end user's site got it. */
  readonly answer: Uint8Array
  readonly status: number
}

/** A title on a master of its own, or beside others. */
export interface Pressed {
  readonly id: string
  readonly scheme: SchemeName
  readonly master: string
  readonly path: string
  /** Stands in its program, and nowhere in a file while that is sealed. */
  readonly marker: string
}

/** One order that was granted, seen from outside. */
export interface Observed extends Exchange {
  readonly opened: VerifiedRequest
  readonly verified: VerifiedAnswer
  readonly grant: VerifiedGrant
}

/** An order that was granted, and what it was for: title and medium as the test knows them, not as either site says. */
export interface License extends Observed {
  readonly binding: Binding
}

/** A copy that succeeded. */
export interface Copy extends License {
  readonly title: Pressed
  readonly medium: string
  /** As `coffer inspect` measured it before anything was ordered. */
  readonly mediumId: Uint8Array
  /** What `coffer copy --json` printed, and the steps it told. */
  readonly report: any
  readonly steps: readonly string[]
}

export class TwoSites {
  readonly site: Site
  readonly line: Line
  readonly center: Center
  /** KU, both halves. */
  readonly user: KeyPairs
  readonly userId: Uint8Array
  /** The secrets of the central site. */
  readonly vault: {
    readonly certificationMaster: Uint8Array
    readonly masterKey: Uint8Array
    readonly signing: Uint8Array
  }

  constructor(site: Site, line: Line, roots: Uint8Array) {
    this.site = site
    this.line = line
    this.center = openRoots(decodeRoots(roots))
    this.user = this.keysIn(site.home)
    this.userId = userIdOf(this.user)
    const secret = (...names: string[]) => bytesOf(site.path('shop', 'vault', ...names))
    this.vault = {
      certificationMaster: secret(`epoch-${EPOCH}`, 'certification'),
      masterKey: secret(`epoch-${EPOCH}`, 'master'),
      signing: secret('signing')
    }
  }

  async close(): Promise<void> {
    await this.line.close()
    await this.site.close()
  }

  /** The user key in a home. */
  keysIn(home: string): KeyPairs {
    return deriveKeys('user', parseSecretKey('user', readFileSync(join(home, 'user.key'), 'utf8')))
  }

  /** Press a small title that prints its marker, at a price. @param master - To put it beside others. */
  async press(id: string, scheme: SchemeName, master = this.site.fresh('master')): Promise<Pressed> {
    const marker = `licensed plaintext of ${id}`
    await this.site.press(
      this.site.app(id, `export default () => console.log(${JSON.stringify(marker)})`),
      scheme,
      master
    )
    const terms = ['--price', String(PRICE.minor), '--currency', PRICE.currency]
    expectSuccess(await this.site.center('title', 'shop', 'set', id, ...terms))
    return { id, scheme, master, path: join(master, `${id}-1.title`), marker }
  }

  /** `coffer copy` over the line, however it ends. */
  order(title: Pressed, medium: string, url = this.line.url): Promise<Ran> {
    return this.site.coffer('copy', title.master, medium, '--title', title.id, '--center', url, '--json')
  }

  /** IDk, Mid: as the program says it. */
  async mediumId(medium: string): Promise<Uint8Array> {
    return fromHex(jsonOf(await this.site.coffer('inspect', medium, '--json')).mediumId)
  }

  /** Copy a title to a medium, a new one unless told otherwise. */
  async copy(title: Pressed, onto?: string): Promise<Copy> {
    const medium = onto ?? (await this.site.prepared())
    const mediumId = await this.mediumId(medium)
    const ran = expectSuccess(await this.order(title, medium))
    const observed = this.observed(this.line.last())
    return {
      ...observed,
      title,
      medium,
      mediumId,
      binding: {
        centerId: this.center.centerId,
        titleId: title.id,
        mediumId,
        grantHash: hashOf(observed.grant)
      },
      report: jsonOf(ran),
      steps: stepsOf(ran)
    }
  }

  /** Open what crossed the line as anyone can who knows the center's public key. */
  observed(exchange: Exchange): Observed {
    assert.is(exchange.status, 200)
    const { answer, center } = openAnswer(exchange.answer, [this.center])!
    const { grant } = openGrant(answer.grant!, [center])!
    return { ...exchange, opened: openRequest(exchange.request), verified: answer, grant }
  }

  /** KEYc, as the center derives it for this user and a medium. */
  certificationKey(mediumId: Uint8Array, userId = this.userId): Uint8Array {
    const { certificationMaster } = this.vault
    return certificationKeyOf(certificationMaster, this.center.centerId, EPOCH, userId, mediumId)
  }

  /** KEYc out of EKU(KEYc). */
  openedCertificationKey({ grant, binding }: License, keys = this.user): Uint8Array {
    const { certificate, sealedCertificationKey } = certificateOf(grant)
    return decryptKeyc(keys.recipient, binding, certificate, sealedCertificationKey)
  }

  /** Kd out of a grant, with the user's key and a medium's CS'. */
  titleKey(copy: Copy, binding = copy.binding): Uint8Array {
    const certificationKey = this.openedCertificationKey(copy)
    const recomputed = certificateCode(certificationKey, binding)
    return decryptKd(certificationKey, binding, recomputed, certificateOf(copy.grant).wrappedTitleKey)
  }

  /** Ku. */
  mediumKey(mediumId: Uint8Array): Uint8Array {
    return mediumKeyOf(this.vault.masterKey, this.center.centerId, EPOCH, mediumId)
  }

  /** Ka. */
  masterMediumKey(titleId: string, release = 1): Uint8Array {
    return masterMediumKeyOf(this.vault.masterKey, this.center.centerId, EPOCH, titleId, release)
  }

  /** The key of EMid(...): what Mid alone is in the seed. @param mediumId - Another, to see that it does not open. */
  bindingKey({ grant, binding }: License, mediumId = binding.mediumId, keys = this.user): Uint8Array {
    const secret = decryptSecret(keys.recipient, binding, conversionOf(grant).sealedBindingSecret!)
    return bindingKeyOf({ ...binding, mediumId }, secret)
  }

  /** Ku out of EMid(Ku) as it was sent. */
  sentKu(license: License, mediumId?: Uint8Array): Uint8Array {
    return decryptKu(this.bindingKey(license, mediumId), conversionOf(license.grant).wrappedMediumKey)
  }

  /** Ka out of EMid(Ka) as it was sent. */
  sentKa(license: License, mediumId?: Uint8Array): Uint8Array {
    return decryptKa(this.bindingKey(license, mediumId), license.verified.wrappedMasterMediumKey!)
  }

  /** An order that no program made, for a medium that need not exist: only what it says can enter the answer. */
  async orderByHand(
    like: Copy,
    { titleId, mediumId }: Pick<Binding, 'titleId' | 'mediumId'>
  ): Promise<License> {
    const requestId = new Uint8Array(randomBytes(16))
    const request = this.requestLike(like.opened, { titleId, mediumId, requestId })
    const { status, body } = await this.post(request)
    const observed = this.observed({ path: '/v1/orders', request, answer: body, status })
    const { centerId } = this.center
    return { ...observed, binding: { centerId, titleId, mediumId, grantHash: hashOf(observed.grant) } }
  }

  /** A request like one that was made, with something else in it, signed by the user. */
  requestLike(opened: VerifiedRequest, changes: Partial<VerifiedRequest>): Uint8Array {
    const { userId: _userId, requestHash: _hash, ...fields } = opened
    return encodeRequest({ ...fields, ...changes }, this.user.signSeed)
  }

  /** Post a request record to the center itself. */
  async post(request: Uint8Array, url = this.site.url): Promise<{ status: number; body: Uint8Array }> {
    const headers = { 'content-type': 'application/vnd.coffer' }
    const response = await fetch(`${url}/v1/orders`, { method: 'POST', headers, body: request.slice() })
    return { status: response.status, body: new Uint8Array(await response.arrayBuffer()) }
  }

  /** A grant with the same body and another license, signed as only the center can: nothing but CS or keys are wrong. */
  regranted({ frame }: VerifiedGrant, license: CertificateLicense | ConversionLicense): Uint8Array {
    return encodeGrant(frame.body, license, this.vault.signing)
  }

  /** An answer to the same request with something else in it, signed as only the center can. */
  reanswered(answer: Uint8Array, change: (grant: VerifiedGrant) => Partial<AnswerAttachments>): Uint8Array {
    const { answer: verified, center } = openAnswer(answer, [this.center])!
    const { grant, revocations, roots, wrappedMasterMediumKey, ...body } = verified
    const attachments = {
      grant: grant!,
      revocations,
      roots,
      ...(wrappedMasterMediumKey && { wrappedMasterMediumKey }),
      ...change(openGrant(grant!, [center])!.grant)
    }
    return encodeAnswer(body, attachments, this.vault.signing)
  }

  /** Read the books of the central site, as they lie on its disk. */
  async books<T>(read: (books: Store['books']) => Promise<T>): Promise<T> {
    const store = await openStore(this.site.path('shop', 'center.db'))
    try {
      return await read(store.books)
    } finally {
      await store.close()
    }
  }

  /** What the seller sees of one account; 0 when nothing was ever charged there. */
  async balance(account: string): Promise<number> {
    const { accounts } = jsonOf(await this.site.center('ledger', 'show', 'shop', '--json'))
    return accounts.find((row: any) => row.account === account)?.balanceMinor ?? 0
  }

  /** The center as a backup of this moment has it, served beside the real one. */
  async backup(): Promise<{ readonly url: string; close(): Promise<void> }> {
    const folder = this.site.fresh('backup')
    clone(this.site.path('shop'), folder)
    const server = start(COFFER_CENTER, ['serve', folder, '--port', '0'])
    const url = await firstLine(server)
    const closed = new Promise<void>(resolve => server.once('close', () => resolve()))
    return {
      url,
      close: () => {
        server.kill('SIGTERM')
        return closed
      }
    }
  }
}

/** A center that serves, a publisher, a buyer who trusts it, and the line between. */
async function openTwoSites(): Promise<TwoSites> {
  const site = await newSite()
  const line = await Line.to(site.url)
  const roots = await fetch(`${site.url}/v1/roots`)
  return new TwoSites(site, line, new Uint8Array(await roots.arrayBuffer()))
}

/** Two sites for the tests of a file: made ready before the first of them, closed after the last. */
export function withTwoSites(
  test: uvu.Test<Record<string, unknown>>,
  makeReady: (sites: TwoSites) => Promise<void>
): void {
  let sites: TwoSites | undefined
  test.before(async () => {
    try {
      sites = await openTwoSites()
      await makeReady(sites)
    } catch (error) {
      // uvu runs no test then, and does not say why.
      console.error(error)
      throw error
    }
  })
  test.after(() => sites?.close())
}

/** The communication line: passes everything on, keeps a copy, and does to answers what a test tells it to. */
export class Line {
  readonly url: string
  readonly exchanges: Exchange[] = []
  #tamper: ((answer: Uint8Array) => Uint8Array) | undefined
  readonly #server: Server

  private constructor(server: Server) {
    this.#server = server
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  }

  static async to(center: string): Promise<Line> {
    let line: Line | undefined
    const server = createServer((request, response) => void line!.#pass(center, request, response))
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    return (line = new Line(server))
  }

  last(): Exchange {
    const exchange = this.exchanges.at(-1)
    if (exchange === undefined) throw new Error('nothing has crossed the line')
    return exchange
  }

  /** Let `tamper` stand on the line while `work` goes on. */
  async altered<T>(tamper: (answer: Uint8Array) => Uint8Array, work: () => Promise<T>): Promise<T> {
    this.#tamper = tamper
    try {
      return await work()
    } finally {
      this.#tamper = undefined
    }
  }

  close(): Promise<void> {
    return new Promise(resolve => this.#server.close(() => resolve()))
  }

  async #pass(center: string, incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const parts: Uint8Array[] = []
      for await (const part of incoming) parts.push(part as Uint8Array)
      const request = concat(...parts)
      const { method = 'GET', url: path = '/', headers } = incoming
      const answered = await fetch(center + path, {
        method,
        headers: { 'content-type': headers['content-type'] ?? '' },
        ...(method === 'POST' && { body: request })
      })
      const sent = new Uint8Array(await answered.arrayBuffer())
      const answer = answered.ok && this.#tamper !== undefined ? this.#tamper(sent) : sent
      this.exchanges.push({ path, request, answer, status: answered.status })
      response.writeHead(answered.status, { 'content-type': answered.headers.get('content-type') ?? '' })
      response.end(answer)
    } catch (error) {
      // As a line does that breaks; the program's own message then fails the test.
      response.destroy(error as Error)
    }
  }
}

const hashOf = ({ frame }: VerifiedGrant): Uint8Array => grantHash(frame.body)

/** CS, EKU(KEYc) and the wrapped Kd of a grant. */
export function certificateOf(grant: VerifiedGrant): CertificateLicense {
  if (grant.scheme !== 'certificate') throw new Error('a grant of the second embodiment')
  return grant.license
}

/** EMid(Ku) of a grant. */
export function conversionOf(grant: VerifiedGrant): ConversionLicense {
  if (grant.scheme !== 'conversion') throw new Error('a grant of the first embodiment')
  return grant.license
}

/** Region 41 of a medium, as it lies there. */
export const grantPath = (medium: string, { id }: Pressed): string =>
  join(medium, '.coffer/grants', `${id}.grant`)
/** The encrypted data file of a medium. */
export const titlePath = (medium: string, { id }: Pressed): string =>
  join(medium, '.coffer/titles', `${id}-1.title`)

/** Plain bytes: uvu tells a Buffer from them. */
export const bytesOf = (path: string): Uint8Array => new Uint8Array(readFileSync(path))

export interface SealedTitle extends ParsedTitle {
  readonly payload: Uint8Array
}

/** A sealed title taken apart: its open manifest and its payload, still sealed. */
export function sealedTitle(path: string): SealedTitle {
  const bytes = bytesOf(path)
  const end = TITLE_HEAD_BYTES + manifestLength(bytes.subarray(0, TITLE_HEAD_BYTES))
  const parsed = parseTitle(bytes.subarray(TITLE_HEAD_BYTES, end), bytes.length)
  return { ...parsed, payload: bytes.slice(parsed.payloadOffset) }
}

/** Open a whole payload. @throws CofferError COFFER_PAYLOAD_FORGED for another key. */
export const openedPayload = (key: Uint8Array, { manifest, payload }: SealedTitle): Uint8Array =>
  openPayload(key, contextOf(manifest.id, manifest.release), payload)

/** Whether bytes hold other bytes, or a text, anywhere. */
export const holds = (bytes: Uint8Array, part: Uint8Array | string): boolean =>
  Buffer.from(bytes).includes(typeof part === 'string' ? part : Buffer.from(part))

/** Every file of a folder with the hash of its bytes: equal before and after when nothing was done to it. */
export const contentsOf = (folder: string): Record<string, string> =>
  Object.fromEntries(filesBelow(folder).map(path => [path, sha256Hex(bytesOf(join(folder, path)))]))

const sha256Hex = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

/** The steps that a program told, in order: S1, S2, ... */
export const stepsOf = ({ stderr }: Ran): string[] =>
  [...stderr.matchAll(/^(S\d+)/gm)].map(([, step]) => step!)

/** A program must have been refused, with this exit code and error, and have printed nothing else. */
export function refused(ran: Ran, exitCode: number, code: string): void {
  assert.equal([ran.code, jsonOf(ran).error?.code], [exitCode, code], ran.stdout + ran.stderr)
}

/** Every file of a medium on another one, as `cp -a` leaves it. */
export function copyFiles(site: Site, medium: string): string {
  const other = site.fresh('other')
  cpSync(medium, other, { recursive: true, preserveTimestamps: true })
  return other
}
