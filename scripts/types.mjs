/**
 * Make dist/types/, what a TypeScript program sees of each entry. `npm install` and `npm pack` run it after the build; the
 * ordinary build does without.
 *
 * The compiler declares every module that it has read. Published is what can be reached from the entries' own
 * declarations.
 */
import { spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

process.chdir(dirname(dirname(fileURLToPath(import.meta.url))))

const DECLARED = 'build/types'
const PUBLISHED = 'dist/types'

const compiler = ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.types.json']
const { status } = spawnSync(process.execPath, compiler, { stdio: 'inherit' })
if (status !== 0) process.exit(status ?? 1)

/** What a declaration takes from others, by import, re-export or in place; only the relative ones are ours. */
const REFERENCE = /(?:from |import\()["'](\.[^"']+)\.js["']/g

const reached = new Set()
function reach(path) {
  if (reached.has(path)) return
  reached.add(path)
  for (const [, target] of readFileSync(join(DECLARED, path), 'utf8').matchAll(REFERENCE))
    reach(join(dirname(path), `${target}.d.ts`))
}

const entries = Object.values(JSON.parse(readFileSync('package.json', 'utf8')).exports)
for (const { types } of entries)
  if (types?.startsWith(`./${PUBLISHED}/`)) reach(types.slice(PUBLISHED.length + 3))

if (existsSync(PUBLISHED)) rmSync(PUBLISHED, { recursive: true })
for (const path of reached) {
  mkdirSync(dirname(join(PUBLISHED, path)), { recursive: true })
  copyFileSync(join(DECLARED, path), join(PUBLISHED, path))
}
// Standard output is npm's own, for the name of a package.
console.error(`types: ${reached.size} declarations`)
