#!/usr/bin/env node
/**
 * Starts `coffer` or `coffer-center`, whichever name this file has in dist/bin/, with V8's code cache where it was made by
 * this very Node: half of a short run would otherwise be spent on compiling. Anywhere else, and without the cache, the
 * program only starts slower.
 */
const { hash } = require('node:crypto')
const { existsSync, readFileSync, renameSync, writeFileSync } = require('node:fs')
const { basename, dirname, join } = require('node:path')
const { Script } = require('node:vm')

const command = process.argv[2]
const name = basename(__filename, '.cjs')
const program = name !== 'coffer' ? name : command === 'run' ? 'coffer-run' : 'coffer-program'
const filename = join(__dirname, `../${program}.cjs`)
const cache = join(__dirname, `../${program}.${process.version}-${process.arch}.cache`)
const isKept = existsSync(cache)
const script = new Script(readFileSync(filename, 'latin1'), { filename, cachedData: readCache() })

/** V8 takes a cache as it is, and one flipped bit can end the process: a damaged one is as none. */
function readCache() {
  if (!isKept) return undefined
  const kept = readFileSync(cache)
  const [data, digest] = [kept.subarray(0, -32), kept.subarray(-32)]
  return hash('sha256', data, 'buffer').equals(digest) ? data : undefined
}

// Where coffer was installed none is there yet; these commands call most of what others do.
if (['run', 'copy', 'verify', 'init'].includes(command) && !isKept)
  process.on('exit', code => {
    if (code === 0) keepCache()
  })

/** For the next start, if this folder may be written to. In one step: another start may be reading. */
function keepCache() {
  const data = script.createCachedData()
  try {
    writeFileSync(`${cache}.${process.pid}`, Buffer.concat([data, hash('sha256', data, 'buffer')]))
    renameSync(`${cache}.${process.pid}`, cache)
  } catch {}
}

// What is not inside, such as esbuild, is found from here as from there.
script.runInThisContext()(exports, require, module, filename, dirname(filename))

module.exports = { script }
