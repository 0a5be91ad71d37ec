/**
 * `npm run bench:sandbox`: what a guest costs, beside other sandboxes in the same minutes.
 *
 *   npm run bench:sandbox              everything
 *   npm run bench:sandbox -- calls     one of: calls, compute, guests, images, threads
 *
 * Peers are installed once, outside this tree (bench/peers.ts); one that cannot be had is left out. What is printed is
 * what docs/benchmarks.md holds.
 */
import { spawnSync } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { benchCalls } from './bench/calls.js'
import { benchCompute } from './bench/compute.js'
import { benchGuests } from './bench/guests.js'
import { benchImages } from './bench/images.js'
import { pin } from './bench/measure.js'
import { PEERS_FOLDER, installPeers, lacking } from './bench/peers.js'
import { benchThreads } from './bench/threads.js'

/** Each section, and whether it keeps to one core. */
const SECTIONS: Readonly<Record<string, { readonly pinned: boolean; run(): Promise<void> | void }>> = {
  calls: { pinned: true, run: benchCalls },
  compute: { pinned: true, run: benchCompute },
  guests: { pinned: true, run: benchGuests },
  // Digests of a large image are made on another core while the next part is opened.
  images: { pinned: false, run: benchImages },
  threads: { pinned: false, run: benchThreads }
}

const words = process.argv.slice(2)
const unknown = words.find(word => SECTIONS[word] === undefined)
if (unknown !== undefined) {
  console.error(`There is no section "${unknown}": ${Object.keys(SECTIONS).join(', ')}`)
  process.exit(64)
}

if (words.length === 1) {
  const section = SECTIONS[words[0]!]!
  if (section.pinned) pin()
  installPeers()
  await section.run()
  process.exit(0)
}

installPeers()
console.log(
  `Node ${process.version}, ${availableParallelism()} cores; medians of turns taken with each peer.`
)
for (const name of ['isolated-vm', 'quickjs-wasi', '@sebastianwessel/quickjs', 'ses'] as const) {
  const reason = lacking(name)
  if (reason !== undefined) console.log(`\nskipped: ${reason} (${PEERS_FOLDER})`)
}
// A process for each, so that none inherits what another has warmed up or left behind.
for (const name of words.length === 0 ? Object.keys(SECTIONS) : words) {
  const { status } = spawnSync(process.execPath, [...process.execArgv, process.argv[1]!, name], {
    stdio: 'inherit'
  })
  if (status !== 0) process.exitCode = 1
}
