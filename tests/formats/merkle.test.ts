/** The log's tree against the definition of RFC 9162 §2.1, written as it stands there, and proofs that must fail. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { hex, utf8 } from '../../formats/bytes.js'
import { Frontier, inclusionPath, leafHash, nodeHash, provesInclusion } from '../../formats/merkle.js'
import { sha256 } from '../../formats/primitives.js'

const leaves = Array.from({ length: 70 }, (_, n) => leafHash(utf8(`entry ${n}`)))

/** MTH(D[n]), word for word. */
function treeHash(part: readonly Uint8Array[]): Uint8Array {
  if (part.length === 0) return sha256()
  if (part.length === 1) return part[0]!
  let k = 1
  while (k * 2 < part.length) k *= 2
  return nodeHash(treeHash(part.slice(0, k)), treeHash(part.slice(k)))
}
const subtree = async (level: number, index: number) =>
  treeHash(leaves.slice(index * 2 ** level, (index + 1) * 2 ** level))

test('the hashes are those that others compute: RFC 6962 test vectors', () => {
  assert.is(hex(new Frontier().root()), 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855')
  assert.is(
    hex(leafHash(new Uint8Array(0))),
    '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d'
  )
})

test('Frontier gives the root at every size, also when it is packed and taken up again', () => {
  let frontier = new Frontier()
  for (let size = 0; size <= leaves.length; size++) {
    assert.equal(frontier.root(), treeHash(leaves.slice(0, size)), `size ${size}`)
    frontier = new Frontier(frontier.size, frontier.bytes())
    if (size < leaves.length) frontier.append(leaves[size]!)
  }
  assert.throws(() => new Frontier(3, new Uint8Array(32)))
})

test('append() tells each subtree that is completed, once', async () => {
  const told = new Map<string, Uint8Array>()
  const frontier = new Frontier()
  for (const leaf of leaves) {
    frontier.append(leaf, (level, index, root) => {
      assert.not.ok(told.has(`${level} ${index}`))
      told.set(`${level} ${index}`, root)
    })
  }
  for (const level of [0, 1, 3, 6]) {
    const complete = Math.floor(leaves.length / 2 ** level)
    for (let index = 0; index < complete; index++)
      assert.equal(told.get(`${level} ${index}`), await subtree(level, index))
    assert.not.ok(told.has(`${level} ${complete}`))
  }
})

test('inclusionPath() proves every entry at every size, and nothing else', async () => {
  for (let size = 1; size <= leaves.length; size += size < 20 ? 1 : 7) {
    const root = treeHash(leaves.slice(0, size))
    for (let index = 0; index < size; index++) {
      const path = await inclusionPath(index, size, subtree)
      const proves = (change: { leaf?: Uint8Array; at?: number; of?: number; by?: Uint8Array[] }) =>
        provesInclusion(
          change.leaf ?? leaves[index]!,
          change.at ?? index,
          change.of ?? size,
          change.by ?? path,
          root
        )
      assert.ok(proves({}), `${index} of ${size}`)
      assert.not.ok(proves({ leaf: leafHash(utf8('another')) }))
      if (size > 1) assert.not.ok(proves({ at: (index + 1) % size }))
      assert.not.ok(proves({ at: size }))
      assert.not.ok(proves({ at: -1 }))
      assert.not.ok(proves({ by: [...path, root] }))
      if (path.length > 0) assert.not.ok(proves({ by: path.slice(1) }))
      if (path.length > 0) assert.not.ok(proves({ by: path.slice(0, -1) }))
    }
  }
})

test.run()
