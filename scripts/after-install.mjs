/**
 * npm's own step for a clone after its packages have changed: build, types too. Whoever has built and leaves the development
 * packages out, as on a server, goes on with what is there.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const { devDependencies } = JSON.parse(readFileSync(`${root}/package.json`, 'utf8'))
const missing = Object.keys(devDependencies).filter(name => !existsSync(`${root}/node_modules/${name}`))

if (missing.length === 0) {
  for (const script of ['build.mjs', 'types.mjs']) {
    const { status } = spawnSync(process.execPath, [`scripts/${script}`], { cwd: root, stdio: 'inherit' })
    if (status !== 0) process.exit(status ?? 1)
  }
} else if (!existsSync(`${root}/dist/bin/coffer.cjs`)) {
  console.error('coffer is not built yet, which its development packages do: "npm install" with them, once.')
  process.exit(1)
}
