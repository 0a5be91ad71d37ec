/**
 * A process that takes a medium's lock again and again, and says so if anyone else has it too:
 *
 *     node lock-child.js hammer <medium> <turns>    prints "done", or "two at once"
 *     node lock-child.js hold <medium>              prints "held" and keeps it until it is killed
 *     node lock-child.js prepare <folder>           prints the medium's id, or a code
 */
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { CofferError } from '../../formats/errors.js'
import { prepare } from '../../loader/copier/prepare.js'
import { isAlive } from '../../loader/pending.js'
import { lockFolders } from '../../loader/lock.js'
import { mediumPaths } from '../../loader/medium/layout.js'

const [what, root, turns] = process.argv.slice(2) as [string, string, string?]
const paths = mediumPaths(root)

if (what === 'hold') {
  lockFolders(paths)
  process.stdout.write('held\n')
  setInterval(() => {}, 1000)
} else if (what === 'prepare') {
  try {
    process.stdout.write(prepare(root).mediumId)
  } catch (error) {
    process.stdout.write((error as CofferError).code)
  }
} else {
  const inside = join(root, 'inside')
  for (let turn = Number(turns); turn > 0;) {
    try {
      using _lock = lockFolders(paths)
      const before = existsSync(inside) ? Number(readFileSync(inside, 'utf8')) : 0
      // One that was killed in here may stand in it, a live one never.
      if (isAlive(before)) throw new Error(`process ${before} is in here too`)
      writeFileSync(inside, String(process.pid))
      if (readFileSync(inside, 'utf8') !== String(process.pid)) throw new Error('another came in')
      rmSync(inside)
      turn--
    } catch (error) {
      if (error instanceof CofferError && error.code === 'COFFER_BUSY') continue
      process.stdout.write(`two at once: ${(error as Error).message}`)
      process.exit(1)
    }
  }
  process.stdout.write('done')
}
