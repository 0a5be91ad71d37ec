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
  const maps = [
    mapOf(`AAAA${';'.repeat(7e6)}`),
    mapOf(`AAAA${',A'.repeat(3e6)}`),
    mapOf(`AAAA${';'.repeat(20e6)}`),
    mapOf('AAAA', Array(70_000).fill('a.ts'))
  ]
  const before = process.memoryUsage().rss
  for (const map of maps) assert.is(placeOf(map), undefined)
  const grown = (process.memoryUsage().rss - before) / 2 ** 20
  assert.ok(grown < 150, `${grown.toFixed(0)} MiB`)
})

test.run()
