/**
 * A process that copies or runs one title, so that a test can kill it or look over its shoulder:
 *
 *     node library-child.js copy <home> <master> <medium> <title> [n]
 *     node library-child.js run <home> <medium> <title>
 *     node library-child.js call <home> <medium> <title> [n] <export> [again]    with saves granted; `again`: time and
 *                                                                                again, until its standard input ends
 *
 * It has the library as it is shipped, which is there in half of the time that all its modules take by themselves. It
 * says "ready" on its standard output when that is so and the work begins. With `n` it is killed, as by
 * kill -9, in the place of its nth rename, link or removal of a file.
 */
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { fileURLToPath } from 'node:url'
import type * as Copier from '../../loader/copier/index.js'
import type * as Loader from '../../loader/index.js'

const shipped = <Module>(name: string): Promise<Module> =>
  import(fileURLToPath(new URL(`../../../dist/${name}.js`, import.meta.url))) as Promise<Module>
const { copy, Home } = await shipped<typeof Copier>('copier')
const { openMedium } = await shipped<typeof Loader>('index')

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
  const [medium, title, , name, again] = rest as [string, string, string, string, string?]
  let goesOn = again === 'again'
  if (goesOn) process.stdin.resume().once('end', () => (goesOn = false))
  const opened = await openMedium(medium, { home })
  await using guest = await opened.launch(title, { capabilities: { save: true } })
  do await guest.call(name)
  while (goesOn)
} else {
  const [medium, title] = rest as [string, string]
  const guest = await (await openMedium(medium, { home })).launch(title)
  process.exitCode = await guest.run([])
  await guest.dispose()
}
