#!/usr/bin/env node
/**
 * Starts the program, with V8's code cache where it was made by this very Node: half of a short run would otherwise
 * be spent on compiling. Anywhere else, and without the cache, the program only starts slower.
 */
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
    cachedData: existsSync(cache) ? readFileSync(cache) : undefined
  }
)
script.runInThisContext()(exports, createRequire(filename), module, filename, dirname(filename))

module.exports = { script, cache }
