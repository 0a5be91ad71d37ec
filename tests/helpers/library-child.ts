/**
 * A process that copies or runs one title, so that a test can kill it or look over its shoulder:
 *
 *     node library-child.js copy <home> <master> <medium> <title> [n]
 *     node library-child.js run <home> <medium> <title>
 *     node library-child.js call <home> <medium> <title> [n] <export>    with saves granted
 *
 * It says "ready" on its standard output when its modules are there and the work begins. With `n` it is killed, as by
 * kill -9, in the place of its nth rename, link or removal of a file.
 */
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { copy, Home } from '../../loader/copier/index.js'
import { launchTitle } from '../../loader/load.js'
import { POWERS } from '../../loader/powers.js'

const [what, home, ...rest] = process.argv.slice(2) as [string, string, ...string[]]
const dieAt = Number(rest[what === 'call' ? 2 : 3] ?? 0)
let calls = 0
for (const name of ['renameSync', 'linkSync', 'unlinkSync'] as const) {
  const call = fs[name] as (...args: unknown[]) => void
  Object.assign(fs, {
    [name]: (...args: unknown[]) => {
      if (++calls === dieAt) process.kill(process.pid, 'SIGKILL')
      call(...args)
    }
  })
}
syncBuiltinESMExports()

process.stdout.write('ready\n')
if (what === 'copy') {
  const [master, medium, title] = rest as [string, string, string]
  await copy(master, medium, title, { home: new Home(home) })
} else if (what === 'call') {
  const [medium, title, , name] = rest as [string, string, string, string]
  await using guest = await launchTitle(medium, title, new Home(home), POWERS, {
    capabilities: { save: true }
  })
  await guest.call(name)
} else {
  const [medium, title] = rest as [string, string]
  const guest = await launchTitle(medium, title, new Home(home), POWERS)
  process.exitCode = await guest.run([])
  await guest.dispose()
}
