/**
 * Flags of V8 that were set for a moment were set back to what they are on Node 20: from 22 on, wasm of the host's own was
 * optimized after a seventh of the work.
 */
import { spawnSync } from 'node:child_process'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { USUAL_FLAGS } from '../../sandbox/quickjs/native.js'

test('flags are set back to what this Node begins with', () => {
  const { stdout } = spawnSync(process.execPath, ['--v8-options'], { encoding: 'utf8' })
  const defaults = new Set([...stdout.matchAll(/default: (\S+)/g)].map(([, flag]) => flag))
  for (const flag of USUAL_FLAGS) assert.ok(defaults.has(flag), flag)
})

test.run()
