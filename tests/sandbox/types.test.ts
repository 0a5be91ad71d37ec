/** What types promise to hosts and to titles, held by the compiler: whatever is marked as an error has to be one. */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'

const root = fileURLToPath(new URL('../../..', import.meta.url))

/** What the compiler says about a project; '' when nothing. */
function compile(project: string): string {
  const words = ['node_modules/typescript/bin/tsc', '-p', project, '--pretty', 'false']
  const { stdout, stderr } = spawnSync(process.execPath, words, { cwd: root, encoding: 'utf8' })
  return stdout + stderr
}

test('a host calls exports by their types, and its functions are held against what it declares', () => {
  assert.is(compile('tests/sandbox/types'), '')
})

test('a title is written against what the app declares', () => {
  assert.is(compile('tests/sandbox/types/title'), '')
})

test.run()
