/** The package: what passes is what its index names, byte for byte, in pieces of any size. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { concat, u32be, utf8 } from '../../formats/bytes.js'
import { CofferError } from '../../formats/errors.js'
import { MAX_PACKAGE_INDEX_BYTES } from '../../formats/limits.js'
import { encode, type Packable } from '../../formats/msgpack.js'
import {
  encodePackageHead,
  isEntryName,
  openPackageIndex,
  PackageChecker,
  type PackageEntry,
  packageIndexLength
} from '../../formats/package.js'
import { sha256 } from '../../formats/primitives.js'
import { misuse } from '../helpers/misuse.js'
import { rejectsWith } from '../helpers/rejects.js'
import { Seeded } from '../helpers/seeded.js'

type Content = Parameters<typeof encodePackageHead>[0][number]
const program: Content = { name: 'program.js', role: 'program', bytes: utf8('a program') }
const asset = (name: string, text = name): Content => ({ name, role: 'asset', bytes: utf8(text) })

function packed(contents: readonly Content[]) {
  const { head, indexDigest } = encodePackageHead(contents)
  return { bytes: concat(head, ...contents.map(({ bytes }) => bytes)), indexDigest, headBytes: head.length }
}

/** Push in pieces and end. */
function check(bytes: Uint8Array, indexDigest: Uint8Array, pieceBytes = bytes.length || 1) {
  const { checker, kept } = keeping(indexDigest)
  for (let at = 0; at < bytes.length; at += pieceBytes) checker.push(bytes.subarray(at, at + pieceBytes))
  return { index: checker.end(), kept }
}

/** A checker that keeps all. */
function keeping(indexDigest: Uint8Array, asideBytes?: number) {
  const kept = new Map<string, Uint8Array>()
  const room = ({ name, size }: PackageEntry) => kept.set(name, new Uint8Array(size)).get(name)
  return { checker: new PackageChecker(indexDigest, room, asideBytes), kept }
}

const CONTENTS: readonly (readonly Content[])[] = [
  [program],
  [{ ...program, bytes: new Uint8Array(0) }],
  [asset('empty-first', ''), program],
  [program, asset('empty-last', '')],
  [program, asset('a'), asset('empty-middle', ''), asset('also-empty', ''), asset('b')],
  [
    asset('before', ''),
    asset('x'.repeat(300), 'y'.repeat(5000)),
    program,
    asset('deep/er/name.png', ''),
    asset('z', '')
  ]
]

test('a package passes whole and in pieces of every size, and keeps what was asked for', () => {
  for (const contents of CONTENTS) {
    const { bytes, indexDigest } = packed(contents)
    for (const pieceBytes of [1, 2, 3, 4, 5, 7, 64, 4096, bytes.length]) {
      const { index, kept } = check(bytes, indexDigest, pieceBytes)
      assert.is(index.totalBytes, bytes.length)
      assert.equal(
        [...kept],
        contents.map(({ name, bytes }) => [name, bytes])
      )
    }
  }
})

test('a package that ends anywhere before its end, or goes on after it, does not pass', async () => {
  for (const contents of CONTENTS) {
    const { bytes, indexDigest } = packed(contents)
    for (let length = 0; length < bytes.length; length++) {
      if (length > 600 && length % 97 !== 0) continue
      for (const pieceBytes of [1, bytes.length])
        await rejectsWith('COFFER_PACKAGE_DAMAGED', () =>
          check(bytes.subarray(0, length), indexDigest, pieceBytes)
        )
    }
    for (const pieceBytes of [1, bytes.length + 1])
      await rejectsWith('COFFER_PACKAGE_DAMAGED', () =>
        check(concat(bytes, new Uint8Array(1)), indexDigest, pieceBytes)
      )
  }
})

test('a package with any byte changed does not pass', async () => {
  const random = new Seeded('package')
  for (const contents of CONTENTS) {
    const { bytes, indexDigest } = packed(contents)
    for (let i = 0; i < 100; i++) {
      const changed = bytes.slice()
      changed[random.below(bytes.length)]! ^= 1 + random.below(255)
      const error = await Promise.resolve()
        .then(() => check(changed, indexDigest, 1 + random.below(50)))
        .then(
          () => assert.unreachable('it passed'),
          (error: unknown) => error
        )
      assert.instance(error, CofferError)
      assert.is((error as CofferError).exitCode, 65)
    }
  }
})

test('an index is bounded before anything is allocated for it', async () => {
  assert.is(packageIndexLength(u32be(MAX_PACKAGE_INDEX_BYTES)), MAX_PACKAGE_INDEX_BYTES)
  for (const length of [0, MAX_PACKAGE_INDEX_BYTES + 1, 0xffffffff])
    await rejectsWith('COFFER_PACKAGE_DAMAGED', () => packageIndexLength(u32be(length)))
  await rejectsWith('COFFER_PACKAGE_DAMAGED', () => new PackageChecker(sha256()).push(u32be(0xffffffff)))
})

const entry = (name: string, offset: number, size: number, role = 'asset') => ({
  name,
  offset,
  role,
  sha256: sha256(),
  size
})
const open = (...entries: ReturnType<typeof entry>[]) => {
  const index = encode({ entries } as unknown as Packable)
  return openPackageIndex(index, sha256(index))
}

test('the entries of an index follow one another without gap or overlap', async () => {
  const first = entry('p', 0, 5, 'program')
  assert.is(open(first, entry('a', 5, 3)).totalBytes - open(first, entry('a', 5, 2)).totalBytes, 1)
  const bad = [
    [entry('p', 1, 5, 'program')],
    [first, entry('a', 4, 3)],
    [first, entry('a', 6, 3)],
    [first, entry('a', 0, 5)],
    [entry('a', 5, 3), first],
    [first, entry('empty', 4, 0)]
  ]
  for (const entries of bad) await rejectsWith('COFFER_PACKAGE_DAMAGED', () => open(...entries))
  // A sum of sizes beyond what a number holds exactly.
  const huge = 2 ** 48 - 1
  await rejectsWith('COFFER_ENCODING', () => open(first, entry('a', 5, huge), entry('b', huge + 5, 1)))
})

test('an index has one program, one image, in parts that follow one another, one source map, and no name twice', async () => {
  const p = entry('p', 0, 0, 'program')
  await rejectsWith('COFFER_PACKAGE_DAMAGED', () => open(entry('a', 0, 0)))
  await rejectsWith('COFFER_PACKAGE_DAMAGED', () => open(p, entry('q', 0, 0, 'program')))
  const image = (name: string) => entry(name, 0, 0, 'image')
  open(p, image('m'))
  open(p, image('m'), image('n'), image('o'))
  open(image('m'), image('n'))
  await rejectsWith('COFFER_PACKAGE_DAMAGED', () => open(image('m'), p, image('n')))
  const map = (name: string) => entry(name, 0, 0, 'source-map')
  open(p, map('m'))
  await rejectsWith('COFFER_PACKAGE_DAMAGED', () => open(p, map('m'), map('n')))
  await rejectsWith('COFFER_PACKAGE_DAMAGED', () => open(p, entry('p', 0, 0)))
  await rejectsWith('COFFER_PACKAGE_DAMAGED', () => open(p, entry('a', 0, 0), entry('a', 0, 0)))
  await rejectsWith('COFFER_ENCODING', () => open(p, entry('a', 0, 0, 'native')))
  await rejectsWith('COFFER_ENCODING', () => open())
  open(p, entry('A', 0, 0), entry('a', 0, 0))
})

test('digests may be made aside: what does not fit is told at the end, which has to be waited for', async () => {
  const contents = [program, asset('large', 'z'.repeat(5000)), asset('empty', ''), asset('b')]
  const { bytes, indexDigest } = packed(contents)
  for (const pieceBytes of [1, 7, 4096, bytes.length])
    for (const asideBytes of [0, 100, 5000, 5001]) {
      const { checker, kept } = keeping(indexDigest, asideBytes)
      for (let at = 0; at < bytes.length; at += pieceBytes) checker.push(bytes.subarray(at, at + pieceBytes))
      if (asideBytes <= 5000) assert.throws(() => checker.end(), /waited for/)
      assert.is((await checker.endAside()).totalBytes, bytes.length)
      assert.equal(
        [...kept],
        contents.map(({ name, bytes }) => [name, bytes])
      )
    }
  const altered = bytes.slice()
  altered[bytes.length - 1000]! ^= 1
  const { checker } = keeping(indexDigest, 100)
  checker.push(altered)
  await rejectsWith('COFFER_PACKAGE_DAMAGED', () => checker.endAside())
  const short = keeping(indexDigest, 100).checker
  short.push(bytes.subarray(0, -1))
  await rejectsWith('COFFER_PACKAGE_DAMAGED', () => short.endAside())
})

test("an index with another digest than the manifest's is not even decoded", async () => {
  const { bytes, indexDigest } = packed([program])
  const other = indexDigest.slice()
  other[31]! ^= 1
  const error = await rejectsWith('COFFER_PACKAGE_DAMAGED', () => check(bytes, other))
  assert.match(error.message, 'digest')
  await rejectsWith('COFFER_PACKAGE_DAMAGED', () => openPackageIndex(new Uint8Array([0xc1]), indexDigest))
})

test("an entry's name is never a way out of a folder", async () => {
  const good = [
    'a',
    'a/b',
    '.hidden',
    '..a',
    'a..',
    '...',
    'a/.b',
    'ä/日本 語.png',
    'a'.repeat(512),
    'con',
    'C:',
    '-x'
  ]
  const bad = [
    '',
    '/',
    '/a',
    'a/',
    'a//b',
    '.',
    '..',
    '../a',
    'a/..',
    'a/../b',
    './a',
    'a/.',
    'a\\b',
    '..\\a',
    'a\0',
    'a\nb',
    '\x1b',
    'a'.repeat(513)
  ]
  for (const name of good) {
    assert.ok(isEntryName(name), name)
    open(entry('p', 0, 0, 'program'), entry(name, 0, 0))
    encodePackageHead([program, asset(name)])
  }
  for (const name of bad) {
    assert.not.ok(isEntryName(name), JSON.stringify(name))
    await rejectsWith('COFFER_ENCODING', () => open(entry('p', 0, 0, 'program'), entry(name, 0, 0)))
    misuse(TypeError, () => encodePackageHead([program, asset(name)]))
  }
})

test.run()
