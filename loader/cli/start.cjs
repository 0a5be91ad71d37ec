#!/usr/bin/env node
/**
 * Starts the program, with V8's code cache where it was made by this very Node: half of a short run would otherwise
 * be spent on compiling. Anywhere else, and without the cache, the program only starts slower.
 */
const { createHash } = require('node:crypto')
const { existsSync, readFileSync } = require('node:fs')
const { dirname, join } = require('node:path')
const { Script } = require('node:vm')

const program = process.argv[2] === 'run' ? 'coffer-run' : 'coffer-program'
const filename = join(__dirname, `../${program}.cjs`)
const cache = join(__dirname, `../${program}.${process.version}-${process.arch}.cache`)
const script = new Script(readFileSync(filename, 'latin1'), { filename, cachedData: readCache() })

/** V8 takes a cache as it is, and one flipped bit can end the process: a damaged one is as none. */
function readCache() {
  const kept = existsSync(cache) ? readFileSync(cache) : Buffer.alloc(0)
  const [data, digest] = [kept.subarray(0, -32), kept.subarray(-32)]
  return createHash('sha256').update(data).digest().equals(digest) ? data : undefined
}

// What is not inside, such as esbuild, is found from here as from there.
script.runInThisContext()(exports, require, module, filename, dirname(filename))

module.exports = { script, cache }
