/**
 * One suite for every way to run a guest: what a title or a host may rely on holds on all of them, and what must not
 * get out gets out of none. Each way has a test file of its own, so that they run side by side; each subject has a file
 * in conformance/.
 */
import { type LaunchOptions, launch as launchSource } from '../../sandbox/index.js'
import { capabilities } from './conformance/capabilities.js'
import { ending } from './conformance/ending.js'
import { hosts } from './conformance/hosts.js'
import { limits } from './conformance/limits.js'
import { programs } from './conformance/programs.js'
import { softLimits } from './conformance/soft-limits.js'
import { streams } from './conformance/streams.js'
import { uncaught } from './conformance/uncaught.js'
import { values } from './conformance/values.js'
import { world } from './conformance/world.js'
import { type Launch, wayOf } from './conformance/way.js'

/** Run the whole suite on guests that are launched like this. */
export function conform(name: string, how: LaunchOptions, launch: Launch = launchSource): void {
  const way = wayOf(name, how, launch)
  programs(way)
  values(way)
  streams(way)
  world(way)
  uncaught(way)
  limits(way)
  ending(way)
  softLimits(way)
  capabilities(way)
  hosts(way)
  way.test.run()
}
