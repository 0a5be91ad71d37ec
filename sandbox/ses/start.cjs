/**
 * Starts the program of a SES guest's process, with V8's code cache where it was made by this very Node: a third of the
 * start would otherwise be spent on compiling. Without the cache, the program only starts slower.
 */
const { existsSync, readFileSync } = require('node:fs')
const { join } = require('node:path')
const { setFlagsFromString } = require('node:v8')
const { Script } = require('node:vm')

// The heap is as large as the command line said. V8 refuses caches, Node's own too, that were made under other flags.
for (const flag of ['--max-old-space-size=0', '--max-semi-space-size=0']) setFlagsFromString(flag)

const filename = join(__dirname, 'ses-child-program.cjs')
const cache = join(__dirname, `ses-child-program.${process.version}-${process.arch}.cache`)
const script = new Script(readFileSync(filename, 'latin1'), { filename, cachedData: readCache() })
script.runInThisContext()(exports, require, module, filename, __dirname)

/** V8 takes a cache as it is, and one flipped bit can end the process: a damaged one is as none. */
function readCache() {
  const kept = existsSync(cache) ? readFileSync(cache) : Buffer.alloc(0)
  if (kept.length % 4 !== 0 || kept.length < 8) return undefined
  const words = new Int32Array(kept.buffer, kept.byteOffset, kept.length / 4)
  return checksum(words.subarray(0, -1)) === words[words.length - 1] ? kept.subarray(0, -4) : undefined
}

/** Against damage, not malice: whoever can write the cache can write this file. Node's hashes take as long as all this. */
function checksum(words) {
  let sum = words.length
  for (let i = 0; i < words.length; i++) sum = (Math.imul(sum, 31) + words[i]) | 0
  return sum
}

/** What {@link readCache} finds at the next start: all functions that have been called by now. */
function kept() {
  const code = script.createCachedData()
  const words = new Int32Array(code.length / 4 + 1)
  Buffer.from(words.buffer).set(code)
  words[words.length - 1] = checksum(words.subarray(0, -1))
  return Buffer.from(words.buffer)
}

module.exports = { script, kept }
