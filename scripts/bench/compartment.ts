/** A plain Compartment in a process of its own: runs what it is told to, and answers. */
import { PROGRAMS } from './compute.js'
import { importPeer } from './peers.js'

await importPeer('ses')
lockdown()
// The one thing that the programs use and a Compartment leaves out.
const compartment = new Compartment({ globals: { Float64Array }, __options__: true } as never)
const functions = new Map(
  Object.entries(PROGRAMS).map(([name, program]) => [
    name,
    compartment.evaluate(`(${program})`) as (times: number) => unknown
  ])
)
process.on('message', ({ name, times }: { name: string; times: number }) =>
  process.send!(functions.get(name)!(times))
)
