#!/usr/bin/env node
/**
 * Starts the program, with V8's code cache where it was made by this very Node: half of a short run would otherwise
 * be spent on compiling. Anywhere else, and without the cache, the program only starts slower.
 */
const { createHash } = require('node:crypto')
const { existsSync, readFileSync } = require('node:fs')
const { createRequire } = require('node:module')
const { Script } = require('node:vm')
const { dirname, join } = require('node:path')

const filename = join(__dirname, '../coffer-program.cjs')
const cache = join(__dirname, `../coffer-program.${process.version}-${process.arch}.cache`)
const script = new Script(
  `(function (exports, require, module, __filename, __dirname) {${readFileSync(filename, 'latin1')}\n})`,
  {
    filename,
    cachedData: readCache()
  }
)
/** V8 takes a cache as it is, and one flipped bit can end the process: a damaged one is as none. */
function readCache() {
  const kept = existsSync(cache) ? readFileSync(cache) : Buffer.alloc(0)
  const [data, digest] = [kept.subarray(0, -32), kept.subarray(-32)]
  return createHash('sha256').update(data).digest().equals(digest) ? data : undefined
}

script.runInThisContext()(exports, createRequire(filename), module, filename, dirname(filename))

module.exports = { script, cache }
