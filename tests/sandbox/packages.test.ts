/**
 * Popular packages in the guest world of both engines: those of scripts/packages-list.ts that are installed here, each at a
 * small job. `npm run packages` does the same with all of them.
 */
import { mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { doJob, writeJob } from '../../scripts/package-job.js'
import { PACKAGES } from '../../scripts/packages-list.js'

const installed = PACKAGES.filter(({ name, version }) => {
  try {
    const manifest = readFileSync(join('node_modules', name, 'package.json'), 'utf8')
    return (JSON.parse(manifest) as { version: string }).version === version
  } catch {
    return false
  }
})
const folder = mkdtempSync(join(tmpdir(), 'coffer-packages-'))
symlinkSync(join(process.cwd(), 'node_modules'), join(folder, 'node_modules'), 'junction')
test.after(() => rmSync(folder, { recursive: true }))

test('a dozen of them are here', () => assert.ok(installed.length >= 12, String(installed.length)))

for (const job of installed) {
  const app = join(folder, job.name)
  for (const engine of ['quickjs', 'ses'] as const) {
    test(`${job.name} does its job on ${engine}`, async () => {
      writeJob(app, job)
      const problem = await doJob(app, job, engine)
      assert.is(problem !== undefined, job.fails?.includes(engine) ?? false, problem)
    })
  }
}

test.run()
