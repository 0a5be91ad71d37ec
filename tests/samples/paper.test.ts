/** The sample host app as its user starts it: a process of its own, which imports the package by name. */
import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { createCenter, serve } from '../../center/index.js'
import { parsePublicKeys } from '../../formats/keys.js'
import { CenterClient, Home, copy, createKeyFile, prepare, press } from '../../loader/copier/index.js'
import { POWERS } from '../../loader/powers.js'
import { sample } from './helpers/titles.js'

const PAPER = fileURLToPath(new URL('../../samples/hosts/paper/main.js', import.meta.url))

const folder = mkdtempSync(join(tmpdir(), 'coffer-paper-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
const home = new Home(join(folder, 'home'))
const stick = join(folder, 'stick')
const note = join(folder, 'note.md')

/** Press the plugin, and buy a copy of it. The center is gone before the app starts. */
test.before(async () => {
  const center = await createCenter(join(folder, 'shop'), { name: 'Shop' })
  const { url: centerUrl, close } = await serve(center, { port: 0 })
  try {
    home.pin(await new CenterClient(centerUrl).roots(), centerUrl)
    createKeyFile('user', home.userKeyFile, POWERS)
    const publisherKeyFile = join(folder, 'publisher.key')
    const publicKey = createKeyFile('publisher', publisherKeyFile, POWERS)
    await center.desk.addPublisher(parsePublicKeys('publisher', publicKey), 'Press')
    const master = join(folder, 'master')
    await press(sample('samples/titles/markdown'), { home, out: master, publisherKeyFile, centerUrl })
    prepare(stick)
    await copy(master, stick, 'org.example.markdown', { home })
  } finally {
    await close()
    await center.close()
  }
  writeFileSync(note, '# A & B\n\nSome `code`.\n')
})

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
