/**
 * A buyer, a publisher and a center for tests: requests are made with formats/ alone, and answers opened as a buyer
 * opens them. Every random byte comes from a seed that is printed when it matters.
 */
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createCenter, type LicenseCenter } from '../../center/center.js'
import { findBooks } from '../../center/books/place.js'
import type { Powers } from '../../center/powers.js'
import { actPath } from '../../center/http/interface.js'
import { contentDigest, sign } from '../../center/http/message-signature.js'
import type { ValueOf } from '../../center/orders/requests.js'
import { base64url, fromHex, utf8 } from '../../formats/bytes.js'
import {
  computeCertificate,
  deriveBindingKey,
  openBindingSecret,
  openCertificationKey,
  openReleaseKey,
  unwrapConversionKey,
  unwrapTitleKey,
  type Binding
} from '../../formats/derive.js'
import { deriveKeys, type Keys } from '../../formats/keys.js'
import { decode } from '../../formats/msgpack.js'
import { openAnswer } from '../../formats/records/answer.js'
import type { Bind, Scheme } from '../../formats/records/fields.js'
import { openGrant } from '../../formats/records/grant.js'
import { openPublisher } from '../../formats/records/publisher.js'
import { encodeRegistration, openRelease } from '../../formats/records/release.js'
import { encodeRequest, type Request, type RequestKind } from '../../formats/records/request.js'
import { openRoots, type Center } from '../../formats/records/root.js'
import { newBooks } from '../helpers/databases.js'

export const NOW = 1_800_000_000
export const TITLE = 'org.example.hello'

/** 32 bytes, or fewer, that a name stands for. */
export const named = (name: string, lengthBytes = 32): Uint8Array =>
  new Uint8Array(createHash('sha512').update(name).digest()).slice(0, lengthBytes)

/** A clock that only tests move, and random bytes that are different each time and known. */
export interface TestPowers {
  at: number
  readonly drawn: Uint8Array[]
  now(): number
  random: Powers['random']
}

export function testPowers(seed = 'powers'): TestPowers {
  const powers: TestPowers = {
    at: NOW,
    drawn: [],
    now: () => powers.at,
    random(lengthBytes) {
      const bytes = named(`${seed} ${powers.drawn.length}`, lengthBytes)
      powers.drawn.push(bytes.slice())
      return bytes
    }
  }
  return powers
}

const temporary = mkdtempSync(join(tmpdir(), 'coffer-center-'))
process.on('exit', () => rmSync(temporary, { recursive: true, force: true }))

/** A folder that is removed when the process ends. */
export const temporaryFolder = (): string => mkdtempSync(join(temporary, 'f-'))

export interface TestCenter {
  readonly center: LicenseCenter
  readonly folder: string
  /** Where its books are: what openStore() takes. */
  readonly place: string
  readonly powers: TestPowers
  /** As a buyer pins it. */
  readonly pinned: Center
}

/** A new center, with its books in the database that this file's tests are about. */
export async function newCenter(): Promise<TestCenter> {
  const folder = join(temporaryFolder(), 'shop')
  const powers = testPowers()
  const center = await createCenter(folder, { name: 'Shop', database: await newBooks() }, powers)
  const { roots } = decode(await center.roots()) as { roots: Uint8Array[] }
  return { center, folder, place: await findBooks(folder), powers, pinned: openRoots(roots) }
}

export const publisherKeys = (name = 'press') => deriveKeys('publisher', named(name))
export const userKeys = (name = 'ann') => deriveKeys('user', named(name))

let requests = 0
/** A request id that no other request of this process has. */
export const newRequestId = (): Uint8Array => named(`request ${process.pid} ${requests++}`, 16)

export interface ReleaseOptions {
  readonly titleId?: string
  readonly release?: number
  readonly scheme?: Scheme
  readonly publisher?: string
  readonly requestId?: Uint8Array
  readonly created?: number
}

export function registrationBytes(centerId: Uint8Array | string, options: ReleaseOptions = {}): Uint8Array {
  const keys = publisherKeys(options.publisher)
  return encodeRegistration(
    {
      centerId: typeof centerId === 'string' ? fromHex(centerId) : centerId,
      created: options.created ?? NOW,
      name: 'Hello',
      release: options.release ?? 1,
      requestId: options.requestId ?? newRequestId(),
      scheme: options.scheme ?? 'certificate',
      signKey: keys.signKey,
      titleId: options.titleId ?? TITLE
    },
    keys.signSeed
  )
}

/** What a publisher has after registering: the key to seal with, and his certificate. */
export function openTicket(pinned: Center, bytes: Uint8Array, publisher?: string) {
  const ticket = openRelease(bytes, pinned)!
  const { sealSecret } = publisherKeys(publisher)
  return {
    ticket,
    certificate: openPublisher(ticket.publisher, pinned),
    releaseKey: openReleaseKey(sealSecret, ticket, ticket.sealedReleaseKey)
  }
}

/** Add the publisher and register one release. @returns Kd or Ka, as the publisher got it. */
export async function pressed(
  { center, pinned }: Pick<TestCenter, 'center' | 'pinned'>,
  options: ReleaseOptions = {}
): Promise<Uint8Array> {
  await center.desk.addPublisher(publisherKeys(options.publisher), 'Press')
  const ticket = await center.register(registrationBytes(pinned.centerId, options))
  return openTicket(pinned, ticket, options.publisher).releaseKey
}

export interface OrderOptions {
  readonly user?: string
  readonly medium?: string
  readonly titleId?: string
  readonly release?: number
  readonly scheme?: Scheme
  readonly bind?: Bind
  readonly requestId?: Uint8Array
  readonly created?: number
  readonly sealKey?: Uint8Array
  readonly kind?: RequestKind
}

let nonces = 0
export const newNonce = () => base64url(named(`nonce ${process.pid} ${nonces++}`, 24))

export interface ActOptions {
  readonly keys?: Keys
  readonly created?: number
  readonly nonce?: string
  /** Signed in the place of what is given. */
  readonly json?: string
}

/** A request to the desk as an admin or publisher signs it. */
export function signedAct(
  centerId: string,
  act: string,
  given: object,
  {
    keys = publisherKeys('admin'),
    created = NOW,
    nonce = newNonce(),
    json = JSON.stringify(given)
  }: ActOptions = {}
) {
  const body = json
  const headers: Record<string, string> = {
    'content-type': 'application/json',
    'content-digest': contentDigest(utf8(body)),
    'coffer-center': centerId
  }
  const valueOf: ValueOf = name =>
    name === '@method' ? 'POST' : name === '@path' ? actPath(act) : headers[name]
  Object.assign(headers, sign(valueOf, keys.signer, { created, nonce }))
  return { body, headers, valueOf }
}

export const mediumNamed = (medium = 'stick'): Uint8Array => named(`medium ${medium}`)

export function requestBytes(centerId: Uint8Array | string, options: OrderOptions = {}): Uint8Array {
  const keys = userKeys(options.user)
  const request: Request = {
    bind: options.bind ?? ['medium', 'user'],
    centerId: typeof centerId === 'string' ? fromHex(centerId) : centerId,
    created: options.created ?? NOW,
    factors: ['machine'],
    kind: options.kind ?? 'order',
    mediumId: mediumNamed(options.medium),
    mediumKind: 'folder',
    release: options.release ?? 1,
    requestId: options.requestId ?? newRequestId(),
    scheme: options.scheme ?? 'certificate',
    sealKey: options.sealKey ?? keys.sealKey,
    signKey: keys.signKey,
    titleId: options.titleId ?? TITLE
  }
  return encodeRequest(request, keys.signSeed)
}

/** Open an answer as the buyer: every key from what he has, and nothing from the center. */
export function openAsBuyer(pinned: Center, bytes: Uint8Array, { user, medium }: OrderOptions = {}) {
  const { answer } = openAnswer(bytes, [pinned])!
  const { grant } = openGrant(answer.grant!, [pinned])!
  const binding: Binding = {
    centerId: pinned.centerId,
    titleId: grant.titleId,
    mediumId: mediumNamed(medium),
    grantHash: grant.grantHash
  }
  const { sealSecret } = userKeys(user)
  if (grant.scheme === 'certificate') {
    const { certificate, sealedCertificationKey, wrappedTitleKey } = grant.license
    const certificationKey = openCertificationKey(sealSecret, binding, certificate, sealedCertificationKey)
    const recomputedCertificate = computeCertificate(certificationKey, binding)
    const titleKey = unwrapTitleKey(certificationKey, binding, recomputedCertificate, wrappedTitleKey)
    return { answer, grant, certificationKey, recomputedCertificate, titleKey }
  }
  const { sealedBindingSecret, wrappedMediumKey } = grant.license
  const secret =
    sealedBindingSecret === undefined
      ? new Uint8Array(0)
      : openBindingSecret(sealSecret, binding, sealedBindingSecret)
  const bindingKey = deriveBindingKey(binding, secret)
  return {
    answer,
    grant,
    mediumKey: unwrapConversionKey(bindingKey, 'medium-key', wrappedMediumKey),
    masterMediumKey: unwrapConversionKey(bindingKey, 'master-medium-key', answer.wrappedMasterMediumKey!)
  }
}
