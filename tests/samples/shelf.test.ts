/** The server that renders with a licensed plugin, as its keeper starts it. */
import { spawn } from 'node:child_process'
import { mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { soldTitles } from './helpers/sold.js'

const SHELF = fileURLToPath(new URL('../../samples/hosts/shelf/main.js', import.meta.url))
const { folder, home, medium } = await soldTitles('markdown')
const pages = join(folder, 'pages')
mkdirSync(pages)
writeFileSync(join(pages, 'note.md'), '# A & B\n\nSome `code`.\n')
writeFileSync(join(pages, 'odd name.md'), 'not listed')
writeFileSync(join(folder, 'secret.md'), 'not on the shelf')

const server = spawn(process.execPath, [SHELF, medium, pages], {
  env: { ...process.env, COFFER_HOME: home.folder },
  stdio: ['ignore', 'pipe', 'ignore']
})
test.after(() => void server.kill())
const url = await new Promise<string>(resolve =>
  server.stdout.once('data', line => resolve(String(line).trim()))
)

const get = async (path: string) => {
  const response = await fetch(new URL(path, url))
  return { status: response.status, type: response.headers.get('content-type'), text: await response.text() }
}

test('shelf lists its pages and renders each with the plugin', async () => {
  const list = await get('/')
  assert.is(list.status, 200)
  assert.match(list.text, '<a href="/note">note</a>')
  assert.not.match(list.text, 'odd name')
  const note = await get('/note')
  assert.equal([note.status, note.type], [200, 'text/html; charset=utf-8'])
  assert.match(note.text, '<h1 id="a-b">A &amp; B</h1>\n<p>Some <code>code</code>.</p>\n')
})

test('shelf shows nothing but its pages', async () => {
  for (const path of [
    '/none',
    '/../secret',
    '/%2e%2e%2fsecret',
    '/note/',
    '/odd%20name',
    '/note.md',
    '/note?x'
  ])
    assert.is((await get(path)).status, 404, path)
})

test('shelf serves several readers at once, and turns away more than it can', async () => {
  const all = await Promise.all(Array.from({ length: 12 }, () => get('/note')))
  assert.ok(all.some(({ status }) => status === 200))
  assert.ok(all.every(({ status }) => status === 200 || status === 503))
  assert.is((await get('/note')).status, 200)
})

test('without its medium shelf renders nothing, and goes on when it is back', async () => {
  renameSync(medium, `${medium}-away`)
  const away = await get('/note')
  assert.equal([away.status, away.text], [503, 'Nothing can be shown now.'])
  renameSync(`${medium}-away`, medium)
  assert.is((await get('/note')).status, 200)
})

test.run()
