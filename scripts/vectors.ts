/**
 * Golden vectors: one small file for every record, file and derived value, made from fixed inputs, and beside them
 * faulty ones with one fault each. They hold the formats still: tests/formats/golden.test.ts fails when what is made
 * today differs from what was committed.
 *
 *   npm run vectors                          write tests/vectors/records/
 *   node build/scripts/vectors.js --check    compare only; exit code 1 when something differs
 *
 * A vector is text: lines `name: value`, values of bytes in hexadecimal; an empty line; the bytes in hexadecimal, 32 a
 * line, so that a change can be read in a diff and no checkout can change an end of line within them.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import './vectors/roots.js'
import './vectors/manifest.js'
import './vectors/identity.js'
import './vectors/request.js'
import './vectors/returns.js'
import './vectors/grants.js'
import './vectors/receipts.js'
import './vectors/quotes.js'
import './vectors/ended.js'
import './vectors/revocations.js'
import './vectors/release.js'
import './vectors/titles.js'
import './vectors/derived.js'
import { vectors } from './vectors/vector.js'

const FOLDER = fileURLToPath(new URL('../../tests/vectors/records/', import.meta.url))

write()

function write(): void {
  const committed = existsSync(FOLDER) ? readdirSync(FOLDER) : []
  const stale = [
    ...committed.filter(name => !vectors.has(name)),
    ...[...vectors]
      .filter(([name, text]) => !committed.includes(name) || readFileSync(FOLDER + name, 'utf8') !== text)
      .map(([name]) => name)
  ]
  if (process.argv.includes('--check')) {
    for (const name of stale) console.log(`differs: tests/vectors/records/${name}`)
    if (stale.length > 0) process.exitCode = 1
    return
  }
  mkdirSync(FOLDER, { recursive: true })
  for (const name of committed) if (!vectors.has(name)) rmSync(FOLDER + name)
  for (const [name, text] of vectors) writeFileSync(FOLDER + name, text)
  console.log(`${vectors.size} vectors, ${stale.length} of them changed`)
}
