/** A few kilobytes of source map could become gigabytes of lines in the host, at the first error that a title threw. */
import { brotliCompressSync } from 'node:zlib'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { utf8 } from '../../formats/bytes.js'
import { lazyPlaces } from '../../loader/places.js'

const mapOf = (mappings: string, sources: readonly string[] = ['a.ts']) =>
  brotliCompressSync(utf8(JSON.stringify({ sources, mappings })))
const placeOf = (map: Uint8Array) => lazyPlaces(() => map)(1, 1)

test('a source map of more lines, segments or files than are read is as none, and takes no memory', () => {
  assert.is(placeOf(mapOf('AAAA')), 'a.ts:1:1')
  const before = process.memoryUsage().rss
  for (const many of [`AAAA${';'.repeat(7e6)}`, `AAAA${',A'.repeat(3e6)}`, `AAAA${';'.repeat(60e6)}`])
    assert.is(placeOf(mapOf(many)), undefined)
  assert.is(placeOf(mapOf('AAAA', Array(70_000).fill('a.ts'))), undefined)
  const grown = (process.memoryUsage().rss - before) / 2 ** 20
  assert.ok(grown < 400, `${grown.toFixed(0)} MiB, of which most is the test's own text`)
})

test.run()
