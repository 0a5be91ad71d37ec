/**
 * Every record, as its writer makes it and with every fault that a hostile writer could sign: a field missing, unknown,
 * twice, of another type or length. A record is changed here by taking its body apart, changing it, and signing anew.
 */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { concat, u32be, utf8 } from '../../formats/bytes.js'
import { parseFrame, signFrame, type RecordType } from '../../formats/frame.js'
import { deriveKeys, userIdOf } from '../../formats/keys.js'
import { decode, encode, type Packable } from '../../formats/msgpack.js'
import { ed25519PublicKey } from '../../formats/primitives.js'
import { encodeAnswer, openAnswer } from '../../formats/records/answer.js'
import { encodeCheckpoint, openCheckpoint } from '../../formats/records/checkpoint.js'
import {
  encodeGrant,
  encodeGrantBody,
  grantHash,
  openGrant,
  type Grant
} from '../../formats/records/grant.js'
import { encodeIdentity, mediumId, openIdentity } from '../../formats/records/identity.js'
import {
  checkManifest,
  encodeManifest,
  parseManifest,
  type Manifest
} from '../../formats/records/manifest.js'
import { encodeQuote, openQuote } from '../../formats/records/quote.js'
import { encodePublisher, openPublisher } from '../../formats/records/publisher.js'
import {
  encodeRegistration,
  encodeRelease,
  openRegistration,
  openRelease
} from '../../formats/records/release.js'
import { encodeRequest, openRequest } from '../../formats/records/request.js'
import {
  decodeCollection,
  encodeCollection,
  encodeRevocations,
  findRevocation,
  openRevocations
} from '../../formats/records/revocations.js'
import { encodeRoot, openRoots, rootHash, type Center, type Root } from '../../formats/records/root.js'
import { rejectsWith } from '../helpers/rejects.js'

const filled = (byte: number, length = 32) => new Uint8Array(length).fill(byte)
const CENTER_SEED = filled(1)
const NEXT_SEED = filled(2)
const NOW = 1_800_000_000
const user = deriveKeys('user', filled(3))
const publisher = deriveKeys('publisher', filled(4))

const root: Root = {
  created: NOW,
  epoch: 1,
  keys: [ed25519PublicKey(CENTER_SEED)],
  name: 'Shop',
  sequence: 0
}
const rootBytes = encodeRoot(root, CENTER_SEED)
const center: Center = openRoots([rootBytes])
const { centerId } = center

const grant: Grant = {
  bind: ['medium', 'user'],
  centerId,
  epoch: 1,
  expires: NOW + 1,
  features: ['pro'],
  grantId: filled(5, 16),
  issued: NOW,
  kind: 'expiring',
  mediumId: filled(6),
  publisher: publisher.signKey,
  release: 1,
  revocations: 1,
  scheme: 'certificate',
  titleId: 'org.example',
  userId: userIdOf(user)
}
const certificate = {
  certificate: filled(7, 16),
  sealedCertificationKey: filled(8, 80),
  wrappedTitleKey: filled(9, 40)
}
const conversion = { sealedBindingSecret: filled(8, 80), wrappedMediumKey: filled(9, 40) }
const certificateGrant = encodeGrant(encodeGrantBody(grant), certificate, CENTER_SEED)
const publisherBytes = encodePublisher(
  { centerId, issued: NOW, name: 'Press', sealKey: publisher.sealKey, signKey: publisher.signKey },
  CENTER_SEED
)
const manifest: Manifest = {
  centerId,
  engine: 'quickjs',
  engineRequired: false,
  id: 'org.example',
  indexDigest: filled(10),
  limits: { cpuMs: 1, memoryMiB: 2, outputMiB: 3, wallMs: 4 },
  loaderLevel: 1,
  name: 'Example',
  payloadBytes: 100,
  permissions: ['save', 'terminal'],
  pressed: NOW,
  release: 1,
  scheme: 'certificate',
  version: '1.0.0'
}

/** One sample of each record: its bytes, who signs it, how it is opened (undefined: by a stranger's key). */
const RECORDS: readonly {
  type: RecordType
  name?: string
  seed: Uint8Array
  bytes: Uint8Array
  open: (bytes: Uint8Array) => unknown
  /** Fields that may be absent, by path. */
  optional?: readonly string[]
}[] = [
  { type: 'root', seed: CENTER_SEED, bytes: rootBytes, open: bytes => openRoots([bytes]) },
  {
    type: 'publisher',
    seed: CENTER_SEED,
    bytes: publisherBytes,
    open: bytes => openPublisher(bytes, center)
  },
  {
    type: 'manifest',
    seed: publisher.signSeed,
    bytes: encodeManifest(manifest, publisherBytes, publisher.signSeed),
    open: parseManifest,
    optional: ['limits.cpuMs', 'limits.memoryMiB', 'limits.outputMiB', 'limits.wallMs']
  },
  {
    type: 'identity',
    seed: filled(11),
    bytes: encodeIdentity('folder', [{ name: 'inode', value: '1' }], NOW, filled(11)),
    open: openIdentity
  },
  {
    type: 'request',
    seed: user.signSeed,
    bytes: encodeRequest(
      {
        bind: ['medium', 'user'],
        centerId,
        created: NOW,
        factors: ['inode'],
        kind: 'order',
        mediumId: filled(6),
        mediumKind: 'folder',
        release: 1,
        requestId: filled(12, 16),
        scheme: 'certificate',
        sealKey: user.sealKey,
        signKey: user.signKey,
        titleId: 'org.example'
      },
      user.signSeed
    ),
    open: openRequest
  },
  {
    type: 'grant',
    seed: CENTER_SEED,
    bytes: certificateGrant,
    open: bytes => openGrant(bytes, [center]),
    optional: ['expires']
  },
  {
    type: 'grant',
    name: 'grant of the scheme conversion',
    seed: CENTER_SEED,
    bytes: encodeGrant(encodeGrantBody({ ...grant, scheme: 'conversion' }), conversion, CENTER_SEED),
    open: bytes => openGrant(bytes, [center]),
    optional: ['expires', 'grace', 'sealedBindingSecret']
  },
  {
    type: 'answer',
    seed: CENTER_SEED,
    bytes: encodeAnswer(
      {
        answered: 9,
        centerId,
        chargedMinor: 500,
        currency: 'EUR',
        requestHash: filled(13),
        requestId: filled(12, 16)
      },
      {
        grant: certificateGrant,
        revocations: filled(14, 50),
        roots: [rootBytes],
        wrappedMasterMediumKey: filled(15, 40)
      },
      CENTER_SEED
    ),
    open: bytes => openAnswer(bytes, [center]),
    optional: ['refundedMinor', 'grant', 'wrappedMasterMediumKey']
  },
  {
    type: 'revocations',
    seed: CENTER_SEED,
    bytes: encodeRevocations(
      {
        centerId,
        entries: [{ id: utf8('org.example'), kind: 'title', release: 2 }],
        issued: NOW,
        sequence: 1
      },
      CENTER_SEED
    ),
    open: bytes => openRevocations(bytes, [center]),
    optional: ['entries.0.release']
  },
  {
    type: 'registration',
    seed: publisher.signSeed,
    bytes: encodeRegistration(
      {
        centerId,
        created: NOW,
        name: 'Example',
        release: 1,
        requestId: filled(12, 16),
        scheme: 'certificate',
        signKey: publisher.signKey,
        titleId: 'org.example'
      },
      publisher.signSeed
    ),
    open: openRegistration
  },
  {
    type: 'release',
    seed: CENTER_SEED,
    bytes: encodeRelease(
      {
        centerId,
        release: 1,
        requestHash: filled(13),
        requestId: filled(12, 16),
        scheme: 'certificate',
        titleId: 'org.example'
      },
      { publisher: publisherBytes, sealedReleaseKey: filled(16, 80) },
      CENTER_SEED
    ),
    open: bytes => openRelease(bytes, center)
  },
  {
    type: 'checkpoint',
    seed: CENTER_SEED,
    bytes: encodeCheckpoint({ centerId, issued: NOW, root: filled(17), size: 2 ** 40 }, CENTER_SEED),
    open: bytes => openCheckpoint(bytes, [center])
  },
  {
    type: 'quote',
    seed: CENTER_SEED,
    bytes: encodeQuote(
      {
        centerId,
        chargedMinor: 900,
        currency: 'EUR',
        expires: NOW,
        kind: 'lease',
        quoted: NOW,
        requestHash: filled(13)
      },
      CENTER_SEED
    ),
    open: bytes => openQuote(bytes, [center]),
    optional: ['expires', 'kind']
  }
]

type Fields = { [name: string]: unknown }
type Part = 'body' | 'attachments'

/** The same record with one of its two maps changed, signed by its own signer. */
function remade(record: (typeof RECORDS)[number], part: Part, packed: Uint8Array): Uint8Array {
  const { body, attachments } = parseFrame(record.type, record.bytes, 1 << 20)
  return part === 'body'
    ? signFrame(record.type, packed, attachments, record.seed)
    : signFrame(record.type, body, packed, record.seed)
}

/** Every map in a value, by path: what has fields that could be missing, unknown or wrong. */
function* maps(value: unknown, path = ''): Generator<[string, Fields]> {
  if (Array.isArray(value)) {
    for (const [index, item] of value.entries())
      yield* maps(item, path === '' ? String(index) : `${path}.${index}`)
  } else if (typeof value === 'object' && value !== null && !(value instanceof Uint8Array)) {
    yield [path, value as Fields]
    for (const [name, item] of Object.entries(value))
      yield* maps(item, path === '' ? name : `${path}.${name}`)
  }
}

/** Values that no field of its type may hold instead. */
function* wrongFor(value: unknown, field: string): Generator<unknown> {
  yield null
  if (value instanceof Uint8Array) {
    yield* ['bytes', 0, [...value.subarray(0, 3)]]
    yield new Uint8Array(0)
  } else if (typeof value === 'string') {
    yield* ['', 'x'.repeat(201), 'a\x1bb', 'a\nb', 'a\u202eb', 1, utf8(value)]
  } else if (typeof value === 'number') {
    yield* [-1, 2 ** 53 - 1, String(value), true]
  } else if (typeof value === 'boolean') {
    yield* [0, 'true']
  } else if (Array.isArray(value)) {
    yield* [{}, 'list', [null], ...(field === 'entries' ? [] : [Array.from({ length: 65 }, () => value[0])])]
  } else {
    yield* [[], 'map', 1]
  }
}

for (const record of RECORDS) {
  const name = record.name ?? record.type
  const { body, attachments } = parseFrame(record.type, record.bytes, 1 << 20)
  const parts: readonly [Part, Fields][] = [
    ['body', decode(body) as Fields],
    ['attachments', decode(attachments) as Fields]
  ]

  test(`a ${name} record opens as it was made`, () => {
    const opened = record.open(record.bytes)
    assert.ok(opened)
    for (const [part, fields] of parts)
      assert.equal(remade(record, part, encode(fields as Packable)), record.bytes)
  })

  test(`a ${name} record is refused with any field missing, unknown or wrong, and says which`, async () => {
    for (const [part, fields] of parts) {
      if (part === 'attachments' && Object.keys(fields).length === 0) {
        for (const packed of [encode({ unknown: 1 }), new Uint8Array(0), encode([])])
          await rejectsWith('COFFER_RECORD_DAMAGED', () => record.open(remade(record, part, packed)))
        continue
      }
      const refused = async (change: () => void, undo: () => void, path: string, what: string) => {
        change()
        const bytes = remade(record, part, encode(fields as Packable))
        undo()
        const error = await rejectsWith('COFFER_ENCODING', () => {
          const opened = record.open(bytes)
          throw new Error(`${part} opens with ${path} ${what}: ${JSON.stringify(opened)}`)
        })
        assert.match(error.message, `"${path}`, what)
      }
      for (const [path, map] of Array.from(maps(fields))) {
        const at = (field: string) => (path === '' ? field : `${path}.${field}`)
        await refused(
          () => (map['unknown'] = 1),
          () => delete map['unknown'],
          at('unknown'),
          'added'
        )
        for (const [field, value] of Object.entries(map)) {
          const undo = () => (map[field] = value)
          if (!record.optional?.includes(at(field)))
            await refused(() => delete map[field], undo, at(field), 'missing')
          for (const wrong of wrongFor(value, field))
            await refused(() => (map[field] = wrong), undo, at(field), `as ${JSON.stringify(wrong)}`)
          if (value instanceof Uint8Array && (value.length === 16 || value.length === 32)) {
            for (const length of [value.length - 1, value.length + 1])
              if (path !== 'entries.0')
                await refused(() => (map[field] = filled(1, length)), undo, at(field), `of ${length} bytes`)
          }
        }
      }
    }
    assert.ok(record.open(record.bytes), 'undone')
  })

  test(`a ${name} record without its optional fields opens`, () => {
    for (const [part, fields] of parts) {
      for (const [path, map] of Array.from(maps(fields))) {
        for (const [field, value] of Object.entries(map)) {
          if (!record.optional?.includes(path === '' ? field : `${path}.${field}`)) continue
          delete map[field]
          assert.ok(record.open(remade(record, part, encode(fields as Packable))), field)
          map[field] = value
        }
      }
    }
  })

  test(`a ${name} record is refused with a field twice, fields out of order, or bytes after them`, async () => {
    const [[, fields]] = parts as [[Part, Fields]]
    const packedFields = Object.keys(fields)
      .sort()
      .map(key => concat(encode(key), encode(fields[key] as Packable)))
    const header = (count: number) => new Uint8Array([0x80 + count])
    const whole = concat(header(packedFields.length), ...packedFields)
    assert.equal(whole, new Uint8Array(body))
    const first = packedFields[0]!
    const bad = [
      concat(header(packedFields.length + 1), first, ...packedFields),
      concat(header(packedFields.length), ...packedFields.toReversed()),
      concat(whole, new Uint8Array([0xc0])),
      whole.subarray(0, -1),
      concat(new Uint8Array([0xde, 0, packedFields.length]), ...packedFields),
      concat(new Uint8Array([0xdf]), u32be(0xffffffff), ...packedFields)
    ]
    // Sixteen fields and more need the longer header anyway.
    for (const packed of packedFields.length < 15 ? bad : bad.slice(2, 4))
      await rejectsWith('COFFER_ENCODING', () => record.open(remade(record, 'body', packed)))
  })

  test(`a ${name} record is refused when another signed it, or when it is of another type`, async () => {
    const byAnother = signFrame(record.type, body, attachments, filled(99))
    let opened: unknown
    try {
      opened = record.open(byAnother)
    } catch (error) {
      const { code } = error as { code: string }
      assert.ok(
        ['COFFER_RECORD_FORGED', 'COFFER_PUBLISHER_UNTRUSTED', 'COFFER_CENTER_UNTRUSTED'].includes(code),
        code
      )
      return
    }
    // Anyone may sign a manifest: who must have is asked when its center is known.
    if (record.type === 'manifest')
      await rejectsWith('COFFER_PUBLISHER_UNTRUSTED', () =>
        checkManifest(opened as ReturnType<typeof parseManifest>, center)
      )
    else assert.is(opened, undefined)
    const other = signFrame(record.type === 'root' ? 'grant' : 'root', body, attachments, record.seed)
    await rejectsWith('COFFER_RECORD_DAMAGED', () => record.open(other))
  })
}

// ---------------------------------------------------------------- what single records have of their own

test('a center cannot sign in the name of another center', () => {
  const foreign = { ...center, centerId: filled(77) }
  const [grants, answers, lists] = ['grant', 'answer', 'revocations'].map(
    type => RECORDS.find(record => record.type === type)!.bytes
  )
  assert.is(openGrant(grants!, [foreign]), undefined)
  assert.is(openAnswer(answers!, [foreign]), undefined)
  assert.is(openRevocations(lists!, [foreign]), undefined)
})

test('grantHash() moves with every field of the body', () => {
  const hashes = new Set<string>()
  const changes: Partial<Grant>[] = [
    {},
    { expires: NOW + 2 },
    { release: 2 },
    { features: [] },
    { bind: ['medium'] },
    { titleId: 'org.example2' }
  ]
  for (const change of changes)
    hashes.add(Buffer.from(grantHash(encodeGrantBody({ ...grant, ...change }))).toString('hex'))
  assert.is(hashes.size, changes.length)
})

test('mediumId is that of its nonce, kind and factors, in their order and nothing else', () => {
  const identity = openIdentity(encodeIdentity('folder', [], NOW, filled(11)))
  const a = { name: 'inode', value: '1' }
  const b = { name: 'machine', value: '2' }
  const ids = [
    mediumId(identity, [a, b]),
    mediumId(identity, [b, a]),
    mediumId(identity, [a]),
    mediumId(identity, [{ name: 'inode', value: '1machine=2' }]),
    mediumId({ ...identity, kind: 'drive' }, [a, b]),
    mediumId({ ...identity, nonce: filled(1) }, [a, b])
  ].map(id => Buffer.from(id).toString('hex'))
  assert.is(new Set(ids).size, ids.length)
  assert.equal(mediumId({ ...identity, created: 0 }, [a, b]), mediumId(identity, [a, b]))
})

test('openRoots() follows a chain whose every link is signed by a key of the one before', async () => {
  const next: Root = {
    created: NOW + 1,
    epoch: 2,
    keys: [ed25519PublicKey(NEXT_SEED), ed25519PublicKey(CENTER_SEED)],
    name: 'Shop 2',
    previous: rootHash(rootBytes),
    sequence: 1
  }
  const linked = encodeRoot(next, NEXT_SEED, CENTER_SEED)
  const opened = openRoots([rootBytes, linked])
  assert.equal(opened.centerId, centerId)
  assert.equal([opened.name, opened.epoch, opened.sequence], ['Shop 2', 2, 1])

  const refused: readonly (readonly [Uint8Array[], string])[] = [
    [[linked], 'a chain without its first'],
    [[rootBytes, rootBytes], 'the first twice'],
    [[rootBytes, linked, linked], 'the second twice'],
    [[rootBytes, encodeRoot(next, NEXT_SEED)], 'one that only its own key signed'],
    [[rootBytes, encodeRoot(next, CENTER_SEED)], 'one that its own first key did not sign'],
    [[rootBytes, encodeRoot({ ...next, sequence: 2 }, NEXT_SEED, CENTER_SEED)], 'a number left out'],
    [
      [rootBytes, encodeRoot({ ...next, previous: filled(1) }, NEXT_SEED, CENTER_SEED)],
      'another predecessor'
    ],
    [[encodeRoot({ ...root, sequence: 1 }, CENTER_SEED)], 'a first that is not number 0'],
    [[encodeRoot(root, NEXT_SEED)], 'a first that its own key did not sign']
  ]
  for (const [chain, what] of refused) {
    try {
      openRoots(chain)
    } catch (error) {
      assert.is((error as { code: string }).code, 'COFFER_CENTER_UNTRUSTED', what)
      continue
    }
    assert.unreachable(what)
  }
})

test('a revocation takes back what it names and nothing beside it', () => {
  const subject = {
    titleId: 'org.example',
    release: 2,
    userId: filled(1),
    mediumId: filled(2),
    grantId: filled(3, 16),
    publisher: filled(4)
  }
  const found = (
    kind: 'title' | 'user' | 'medium' | 'grant' | 'publisher',
    id: Uint8Array,
    release?: number
  ) =>
    findRevocation(
      {
        centerId,
        entries: [{ id, kind, ...(release === undefined ? {} : { release }) }],
        issued: 0,
        sequence: 1
      },
      subject
    ) !== undefined
  assert.ok(found('title', utf8('org.example')))
  assert.ok(found('title', utf8('org.example'), 2))
  assert.not.ok(found('title', utf8('org.example'), 1))
  assert.not.ok(found('title', utf8('org.exampl')))
  assert.ok(found('user', filled(1)))
  assert.ok(found('medium', filled(2)))
  assert.not.ok(found('user', filled(2)))
  assert.not.ok(found('grant', filled(3)))
  assert.ok(found('grant', filled(3, 16)))
  assert.ok(found('publisher', filled(4)))
})

test('a collection holds lists of up to 64 centers', async () => {
  const lists = Array.from({ length: 64 }, (_, i) => filled(i, 10))
  assert.equal(
    decodeCollection(encodeCollection({ lists })).lists.map(list => list.slice()),
    lists
  )
  await rejectsWith('COFFER_ENCODING', () => decodeCollection(encode({ lists: [...lists, filled(1)] })))
  await rejectsWith('COFFER_ENCODING', () => decodeCollection(encode({ lists: [new Uint8Array(0)] })))
})

test.run()
