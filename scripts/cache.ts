/**
 * Build step: V8's code cache of the buyer's program, so that a cold `coffer run` does not spend its time compiling.
 *
 * What is worth caching is what a run uses: a title is pressed, copied and run once, and the functions that V8 had
 * compiled by then are kept. The cache fits one version of Node only, and its name says which; it is made anew when
 * the program changes.
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { newShop } from './shop.js'
import { write } from './write.js'

process.chdir(fileURLToPath(new URL('../..', import.meta.url)))

const PROGRAM = 'dist/coffer-program.cjs'
const CACHE = `dist/coffer-program.${process.version}-${process.arch}.cache`
const STAMP = `build/${process.version}-${process.arch}.cache-of`

const hash = createHash('sha256').update(readFileSync(PROGRAM)).digest('hex')
const isFresh = existsSync(CACHE) && existsSync(STAMP) && readFileSync(STAMP, 'utf8') === hash
if (!isFresh) await makeCache()

async function makeCache(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'coffer-cache-'))
  try {
    await using shop = await newShop(folder)
    const medium = await shop.medium(shop.hello)
    const maker = join(folder, 'make.cjs')
    const made = join(folder, 'made.cache')
    writeFileSync(
      maker,
      `const { script } = require(${JSON.stringify(join(process.cwd(), 'dist/bin/coffer.cjs'))})
       process.on('exit', () => require('node:fs').writeFileSync(${JSON.stringify(made)}, script.createCachedData()))`
    )
    const { status, stderr } = spawnSync(process.execPath, [maker, 'run', medium], {
      env: { ...process.env, COFFER_HOME: shop.home.folder },
      encoding: 'utf8',
      stdio: ['ignore', 'ignore', 'pipe']
    })
    if (status !== 0) throw new Error(`the run that fills the code cache ended with ${status}: ${stderr}`)
    write(CACHE, readFileSync(made))
    write(STAMP, hash)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
