/**
 * The golden vectors of tests/vectors/records, read by the public openers as a buyer, publisher or center reads them.
 * Nothing here is shared with the program that wrote them (scripts/vectors.ts); derived values are computed a second
 * time, from docs/spec.md §4 and node's own primitives.
 */
import { spawnSync } from 'node:child_process'
import { createCipheriv, createHash, createHmac } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { HEADER_BYTES } from '../../formats/cobblestone.js'
import { StreamOpener } from '../../formats/cobblestone-streams.js'
import {
  computeCertificate,
  deriveBindingKey,
  openBindingSecret,
  openCertificationKey,
  openReleaseKey,
  payloadContext,
  unwrapConversionKey,
  unwrapTitleKey
} from '../../formats/derive.js'
import { CofferError } from '../../formats/errors.js'
import {
  checkManifest,
  decode,
  manifestLength,
  openAnswer,
  openCheckpoint,
  openEndedFile,
  openGrant,
  openIdentity,
  openPayload,
  openPublisher,
  openReceipt,
  openRegistration,
  openRelease,
  openRequest,
  openQuote,
  openReturn,
  openRevocations,
  openRoots,
  openSaves,
  PackageChecker,
  parseManifest,
  parseSaves,
  parseTitle,
  SAVES_HEAD_BYTES,
  savesHeadLength,
  TITLE_HEAD_BYTES
} from '../../formats/index.js'
import { mediumId } from '../../formats/records/identity.js'
import { decodeCollection } from '../../formats/records/revocations.js'
import { ROOT } from '../helpers/tree.js'

const FOLDER = join(ROOT, 'tests/vectors/records')

class Vector {
  readonly name: string
  readonly bytes: Uint8Array
  readonly #header: ReadonlyMap<string, string>

  constructor(name: string) {
    this.name = name
    const [head = '', body = ''] = readFileSync(join(FOLDER, name), 'utf8').split('\n\n')
    this.#header = new Map(head.split('\n').map(line => line.split(/: (.*)/) as [string, string]))
    this.bytes = fromHexText(body.replaceAll('\n', ''))
  }

  text(field: string): string {
    const value = this.#header.get(field)
    if (value === undefined) throw new Error(`${this.name} has no "${field}"`)
    return value
  }
  hex(field: string): Uint8Array {
    return fromHexText(this.text(field))
  }
  number(field: string): number {
    return Number(this.text(field))
  }
  /** What is said of a factor, as name and value. */
  get factors() {
    return this.text('factors')
      .split(' ')
      .map(word => word.split('='))
      .map(([name, value]) => ({ name: name!, value: value! }))
  }
  get centers() {
    return [openRoots([this.hex('root')])]
  }
}

const fromHexText = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'hex'))

const vectors = readdirSync(FOLDER).map(name => new Vector(name))

/** Open a vector, and check what it says of its contents. @returns false: nobody who is trusted signed it. */
type Reader = (vector: Vector) => boolean | void

const READERS: Record<string, Reader> = {
  roots(vector) {
    const { roots } = decode(vector.bytes) as { roots: Uint8Array[] }
    const center = openRoots(roots)
    assert.equal(center.centerId, vector.hex('centerId'))
    assert.is(center.sequence, roots.length - 1)
  },

  publisher(vector) {
    assert.is(openPublisher(vector.bytes, vector.centers[0]!).name, 'Example Press')
  },

  manifest(vector) {
    const manifest = parseManifest(vector.bytes)
    checkManifest(manifest, vector.centers[0]!)
    assert.is(manifest.id, 'org.example.hello')
    assert.equal(manifest.permissions, ['terminal'])
  },

  identity(vector) {
    const identity = openIdentity(vector.bytes)
    assert.equal(mediumId(identity, vector.factors), vector.hex('mediumId'))
    const [first, ...others] = vector.factors
    const moved = [{ ...first!, value: `${first!.value}0` }, ...others]
    assert.not.equal(mediumId(identity, moved), vector.hex('mediumId'))
  },

  request(vector) {
    const request = openRequest(vector.bytes)
    assert.equal(request.userId, vector.hex('userId'))
    assert.equal(request.requestHash, vector.hex('requestHash'))
  },

  grant(vector) {
    const opened = openGrant(vector.bytes, vector.centers)
    if (opened === undefined) return false
    const { grant } = opened
    // The medium as it is here, not as the grant names it.
    const here = { ...grant, mediumId: vector.hex('mediumId') }
    const sealSecret = vector.hex('sealSecret')
    if (grant.scheme === 'certificate') {
      const { certificate, sealedCertificationKey, wrappedTitleKey } = grant.license
      const certificationKey = openCertificationKey(sealSecret, grant, certificate, sealedCertificationKey)
      const recomputedCertificate = computeCertificate(certificationKey, here)
      assert.is(equal(recomputedCertificate, certificate), vector.text('expect') === 'opens')
      const titleKey = unwrapTitleKey(certificationKey, here, recomputedCertificate, wrappedTitleKey)
      assert.equal(certificationKey, vector.hex('certificationKey'))
      assert.equal(titleKey, vector.hex('payloadKey'))
    } else {
      const { sealedBindingSecret, wrappedMediumKey } = grant.license
      assert.is(sealedBindingSecret === undefined, !grant.bind.includes('user'))
      const secret =
        sealedBindingSecret === undefined
          ? new Uint8Array(0)
          : openBindingSecret(sealSecret, grant, sealedBindingSecret)
      const bindingKey = deriveBindingKey(here, secret)
      assert.equal(unwrapConversionKey(bindingKey, 'medium-key', wrappedMediumKey), vector.hex('payloadKey'))
    }
  },

  revocations(vector) {
    const opened = openRevocations(vector.bytes, vector.centers)
    if (opened === undefined) return false
    assert.is(opened.revocations.sequence, 2)
    assert.equal(
      opened.revocations.entries.map(({ kind }) => kind),
      ['title', 'user', 'grant']
    )
  },

  'revocation-lists'(vector) {
    const { lists, roots = [] } = decodeCollection(vector.bytes)
    for (const chain of roots) assert.equal(openRoots(chain).centerId, vector.centers[0]!.centerId)
    assert.is(lists.length, 1)
    assert.ok(openRevocations(lists[0]!, vector.centers))
  },

  answer(vector) {
    const opened = openAnswer(vector.bytes, vector.centers)
    if (opened === undefined) return false
    const { answer } = opened
    assert.is(answer.chargedMinor, 900)
    const { grant } = openGrant(answer.grant!, vector.centers)!
    assert.is(answer.wrappedMasterMediumKey !== undefined, grant.scheme === 'conversion')
    if (grant.scheme === 'certificate') return
    const secret = openBindingSecret(vector.hex('sealSecret'), grant, grant.license.sealedBindingSecret!)
    assert.equal(
      unwrapConversionKey(
        deriveBindingKey(grant, secret),
        'master-medium-key',
        answer.wrappedMasterMediumKey!
      ),
      vector.hex('masterMediumKey')
    )
  },

  return(vector) {
    const given = openReturn(vector.bytes)
    assert.equal(given.userId, vector.hex('userId'))
    assert.equal(given.requestHash, vector.hex('requestHash'))
    if (given.order === undefined) return
    const order = openRequest(given.order)
    assert.is(order.kind, 'transfer')
    assert.equal(order.userId, vector.hex('receiver'))
  },

  ended(vector) {
    const opened = openEndedFile(vector.bytes, vector.centers)
    if (opened === undefined) return false
    const { ended } = opened
    // Four of them, two under one first byte.
    assert.is(ended.totalBytes, ended.recordBytes + 4 * 7)
    assert.equal(
      [0, 1, 7, 255].map(first => ended.part(first).lengthBytes),
      [14, 0, 7, 7]
    )
    return true
  },

  checkpoint(vector) {
    const opened = openCheckpoint(vector.bytes, vector.centers)!
    assert.equal(opened.checkpoint.root, vector.hex('logRoot'))
    assert.is(opened.checkpoint.size, 7)
  },

  quote(vector) {
    const { quote } = openQuote(vector.bytes, vector.centers)!
    assert.equal(quote.requestHash, vector.hex('requestHash'))
    assert.equal([quote.chargedMinor, quote.currency, quote.kind], [900, 'EUR', 'lease'])
  },

  receipt(vector) {
    const opened = openReceipt(vector.bytes, vector.centers)!
    assert.equal(opened.receipt.entry, vector.hex('entry'))
    assert.is(opened.receipt.index, 5)
  },

  registration(vector) {
    assert.equal(openRegistration(vector.bytes).requestHash, vector.hex('requestHash'))
  },

  release(vector) {
    const release = openRelease(vector.bytes, vector.centers[0]!)
    if (release === undefined) return false
    openPublisher(release.publisher, vector.centers[0]!)
    assert.equal(
      openReleaseKey(vector.hex('sealSecret'), release, release.sealedReleaseKey),
      vector.hex('releaseKey')
    )
  },

  title(vector) {
    for (const step of [vector.bytes.length, 1]) assert.equal(programOf(vector, step), vector.hex('program'))
  },

  save(vector) {
    const context = enc('save', vector.text('titleId'), vector.text('slot'))
    assert.equal(openPayload(vector.hex('saveKey'), context, vector.bytes), vector.hex('plaintext'))
  },

  saves(vector) {
    const { bytes } = vector
    const end = SAVES_HEAD_BYTES + savesHeadLength(bytes.subarray(0, SAVES_HEAD_BYTES))
    const parsed = parseSaves(bytes.subarray(0, end))
    assert.is(parsed.head.titleId, vector.text('titleId'))
    const { slots } = openSaves(vector.hex('saveSecret'), parsed, bytes.subarray(end))
    assert.equal(slots, [{ bytes: vector.hex('plaintext'), slot: vector.text('slot') }])
  }
}

/** The program of a sealed title, whose payload arrives in pieces of `step` bytes. */
function programOf(vector: Vector, step: number): Uint8Array {
  const { bytes } = vector
  const manifestEnd = TITLE_HEAD_BYTES + manifestLength(bytes.subarray(0, TITLE_HEAD_BYTES))
  const { manifest, payloadOffset } = parseTitle(bytes.slice(TITLE_HEAD_BYTES, manifestEnd), bytes.length)
  const payload = bytes.subarray(payloadOffset)
  const context = payloadContext(manifest.id, manifest.release)
  const opener = new StreamOpener(vector.hex('payloadKey'), context, payload.subarray(0, HEADER_BYTES))
  let program: Uint8Array | undefined
  const checker = new PackageChecker(manifest.indexDigest, ({ role, size }) =>
    role === 'program' ? (program = new Uint8Array(size)) : undefined
  )
  const take = (plaintext: Uint8Array) => {
    for (let at = 0; at < plaintext.length; at += step) checker.push(plaintext.subarray(at, at + step))
  }
  for (let at = HEADER_BYTES; at < payload.length; at += step)
    take(opener.push(payload.subarray(at, at + step)))
  take(opener.end())
  checker.end()
  return program!
}

// ---------------------------------------------------------------- derived values, a second time

type Field = Uint8Array | string | number

const u32 = (value: number): Uint8Array => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}
const prefixed = (bytes: Uint8Array): Uint8Array => Buffer.concat([u32(bytes.length), bytes])

/** §2.1 */
function enc(label: string, ...fields: readonly Field[]): Uint8Array {
  const bytesOf = (field: Field) =>
    typeof field === 'string' ? Buffer.from(field) : typeof field === 'number' ? u32(field) : field
  return Buffer.concat([
    Buffer.from(`coffer/v1/${label}\0`),
    ...fields.map(field => prefixed(bytesOf(field)))
  ])
}

const sha256 = (bytes: Uint8Array): Uint8Array => createHash('sha256').update(bytes).digest()
/** HKDF-Extract with SHA-512. */
const extract = (salt: Uint8Array, material: Uint8Array): Uint8Array =>
  createHmac('sha512', salt).update(material).digest()
/** HKDF-Expand with SHA-512 to 32 bytes: half of the first block. */
const expand = (key: Uint8Array, info: Uint8Array): Uint8Array =>
  createHmac('sha512', key).update(info).update(Buffer.of(1)).digest().subarray(0, 32)
/** RFC 3394. */
function wrap(wrapping: Uint8Array, key: Uint8Array): Uint8Array {
  const cipher = createCipheriv('id-aes256-wrap', wrapping, Buffer.alloc(8, 0xa6))
  return Buffer.concat([cipher.update(key), cipher.final()])
}
/** RFC 4493 §2.4, one block after the other. */
function cmac(key: Uint8Array, message: Uint8Array): Uint8Array {
  const encrypt = (block: Uint8Array) =>
    createCipheriv('aes-256-ecb', key, null).setAutoPadding(false).update(block)
  const double = (block: Uint8Array) => {
    const value = BigInt(`0x${Buffer.from(block).toString('hex')}`)
    const doubled = BigInt.asUintN(128, value << 1n) ^ (value >> 127n === 1n ? 0x87n : 0n)
    return Buffer.from(doubled.toString(16).padStart(32, '0'), 'hex')
  }
  const xor = (a: Uint8Array, b: Uint8Array) => Buffer.from(a.map((byte, i) => byte ^ b[i]!))
  const once = double(encrypt(Buffer.alloc(16)))
  const isWhole = message.length > 0 && message.length % 16 === 0
  const padded = isWhole
    ? Buffer.from(message)
    : Buffer.concat([message, Buffer.of(0x80), Buffer.alloc(15 - (message.length % 16))])
  let chain: Uint8Array = Buffer.alloc(16)
  for (let at = 0; at < padded.length; at += 16) {
    const block = padded.subarray(at, at + 16)
    const last = at + 16 === padded.length
    chain = encrypt(xor(chain, last ? xor(block, isWhole ? once : double(once)) : block))
  }
  return chain
}

/** The fields that every key of a grant is bound to. */
const binding = (v: Vector) => [v.hex('centerId'), v.text('titleId'), v.hex('mediumId'), v.hex('grantHash')]

/** A record's body: between its header and its attachments. */
const bodyOf = (frame: Uint8Array) => frame.slice(20, 20 + Buffer.from(frame).readUInt32BE(8))

/** docs/spec.md §4, one line each. */
const DERIVED: Record<string, (v: Vector) => Uint8Array> = {
  'center-id': v => sha256(enc('center-id', v.hex('root'))),
  'user-id': v => sha256(enc('user-id', v.hex('signKey'), v.hex('sealKey'))),
  'user-sign': v => expand(v.hex('seed'), enc('user-sign')),
  'user-seal': v => expand(v.hex('seed'), enc('user-seal')),
  'user-marks': v => expand(v.hex('seed'), enc('user-marks')),
  marks: v => expand(v.hex('markSecret'), enc('marks', v.hex('centerId'), v.hex('mediumId'), v.hex('marks'))),
  'vault-key': v => wrap(expand(v.hex('vaultKey'), enc('vault-key', v.text('name'))), v.hex('key')),
  'user-save': v => expand(v.hex('seed'), enc('user-save')),
  'save-root': v => expand(v.hex('saveSecret'), enc('save-root', v.hex('centerId'), v.hex('mediumId'))),
  'medium-id': v =>
    sha256(
      enc(
        'medium-id',
        v.hex('nonce'),
        v.text('mediumKind'),
        ...v.factors.map(({ name, value }) => `${name}=${value}`)
      )
    ),
  'medium-factor': v =>
    sha256(enc('medium-factor', v.hex('nonce'), v.text('name'), v.text('factor'))).subarray(0, 8),
  'request-body': v => sha256(enc('request-body', bodyOf(v.hex('request')))),
  'grant-body': v => sha256(enc('grant-body', v.hex('body'))),
  'certification-key': v =>
    expand(
      v.hex('certificationMaster'),
      enc('certification-key', v.hex('centerId'), v.number('epoch'), v.hex('userId'), v.hex('mediumId'))
    ),
  certificate: v => cmac(v.hex('certificationKey'), enc('certificate', ...binding(v))),
  'title-key': v =>
    wrap(
      expand(v.hex('certificationKey'), enc('title-key', ...binding(v), v.hex('certificate'))),
      v.hex('titleKey')
    ),
  'medium-key': v =>
    expand(v.hex('masterKey'), enc('medium-key', v.hex('centerId'), v.number('epoch'), v.hex('mediumId'))),
  'master-medium-key': v =>
    expand(
      v.hex('masterKey'),
      enc('master-medium-key', v.hex('centerId'), v.number('epoch'), v.text('titleId'), v.number('release'))
    ),
  'medium-binding': v =>
    extract(
      enc('medium-binding', ...binding(v)),
      Buffer.concat([prefixed(v.hex('mediumId')), prefixed(v.hex('bindingSecret'))])
    ),
  'wrap-medium-key': v => wrap(expand(v.hex('bindingKey'), enc('wrap-medium-key')), v.hex('key')),
  'wrap-master-medium-key': v =>
    wrap(expand(v.hex('bindingKey'), enc('wrap-master-medium-key')), v.hex('key')),
  'stored-title-key': v =>
    wrap(
      expand(v.hex('storageKey'), enc('stored-title-key', v.text('titleId'), v.number('release'))),
      v.hex('titleKey')
    ),
  payload: v => enc('payload', v.text('titleId'), v.number('release')),
  save: v => expand(v.hex('saveRoot'), enc('save', v.text('titleId'), v.text('slot'))),
  'exported-saves': v =>
    expand(
      v.hex('saveSecret'),
      enc('exported-saves', v.hex('centerId'), v.text('titleId'), v.hex('publisher'))
    )
}

// ---------------------------------------------------------------- the tests

const equal = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0

for (const vector of vectors) {
  const kind = vector.text('kind')
  test(`${vector.name}: ${vector.text('comment')}`, () => {
    if (kind.startsWith('derive-')) {
      const value = DERIVED[kind.slice('derive-'.length)]!(vector)
      assert.is(Buffer.from(value).toString('hex'), Buffer.from(vector.bytes).toString('hex'))
      return
    }
    assert.is(outcomeOf(READERS[kind]!, vector), vector.text('expect'))
  })
}

function outcomeOf(read: Reader, vector: Vector): string {
  try {
    return read(vector) === false ? 'foreign' : 'opens'
  } catch (error) {
    if (error instanceof CofferError) return error.code
    throw error
  }
}

test('every kind of record has a vector that opens and one that does not, and every derived value one', () => {
  const kinds = (opens: boolean) =>
    new Set(vectors.filter(v => (v.text('expect') === 'opens') === opens).map(v => v.text('kind')))
  const records = Object.keys(READERS).sort()
  assert.equal(
    [...kinds(true)].sort(),
    [...records, ...Object.keys(DERIVED).map(name => `derive-${name}`)].sort()
  )
  assert.equal([...kinds(false)].sort(), records)
})

test('what is written today is what was committed', () => {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [join(ROOT, 'build/scripts/vectors.js'), '--check'],
    {
      encoding: 'utf8'
    }
  )
  assert.is(
    status,
    0,
    `${stdout}${stderr}\nA format changed: mean it, say so in docs/spec.md, and run "npm run vectors".`
  )
})

test.run()
