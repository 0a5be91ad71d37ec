/** The sample host app as its user starts it: a process of its own, which imports the package by name. */
import { spawnSync } from 'node:child_process'
import { cpSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { soldTitles } from './helpers/sold.js'

const PAPER = fileURLToPath(new URL('../../samples/hosts/paper/main.js', import.meta.url))

/** The plugin, bought. The center is gone before the app starts. */
const { folder, home, medium: stick } = await soldTitles('markdown')
const note = join(folder, 'note.md')
writeFileSync(note, '# A & B\n\nSome `code`.\n')

function paper(...args: readonly string[]) {
  const env = { ...process.env, COFFER_HOME: home.folder }
  const { status, stdout, stderr } = spawnSync(process.execPath, [PAPER, ...args], { env, encoding: 'utf8' })
  return { status, stdout, stderr }
}

test('paper renders a file with the licensed plugin, without the center', () => {
  const { status, stdout, stderr } = paper(stick, note)
  assert.is(stderr, '')
  assert.is(status, 0)
  assert.match(stdout, /^<!doctype html>\n/)
  assert.match(stdout, '<title>A &amp; B</title>')
  assert.match(stdout, '<h1 id="a-b">A &amp; B</h1>\n<p>Some <code>code</code>.</p>\n')
})

test('paper titles a page without headings by its file', () => {
  const plain = join(folder, 'plain.md')
  writeFileSync(plain, 'text')
  assert.match(paper(stick, plain).stdout, '<title>plain.md</title>')
})

test('paper says why a copied medium does not open, and prints no page', () => {
  const other = join(folder, 'other')
  cpSync(stick, other, { recursive: true, preserveTimestamps: true })
  const { status, stdout, stderr } = paper(other, note)
  assert.is(status, 77)
  assert.is(stdout, '')
  assert.match(stderr, /^paper: .+ \(COFFER_[A-Z_]+\)\n.+\n$/)
})

test('paper says what to do without a medium, without a file, without arguments', () => {
  const missing = paper(join(folder, 'nowhere'), note)
  assert.is(missing.status, 66)
  assert.match(missing.stderr, 'COFFER_MEDIUM_MISSING')
  const fileless = paper(stick, join(folder, 'nothing.md'))
  assert.is(fileless.status, 1)
  assert.match(fileless.stderr, 'nothing.md')
  assert.equal(paper(), { status: 64, stdout: '', stderr: 'usage: paper <medium> <file.md>\n' })
})

test.run()
