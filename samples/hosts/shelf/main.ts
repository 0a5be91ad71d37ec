#!/usr/bin/env node
/**
 * Shelf: an HTTP server that shows a folder of Markdown files, each rendered by the licensed title org.example.markdown.
 *
 *   node build/samples/hosts/shelf/main.js <medium> <folder> [port]
 *
 * Each request has a guest of its own, fresh from a pool: what one page makes of the plugin, no other page meets. The
 * plugin is rechecked against the medium every time, so that a stick which is pulled out stops the server from rendering.
 */
import { readdir, readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { CofferError, GuestError, openMedium, type Pool } from 'coffer'

/** What the plugin exports; see samples/titles/markdown. */
interface Renderer {
  render(markdown: string, options: { page: boolean; title?: string }): string
}

const PLUGIN = 'org.example.markdown'
const LIMITS = { memoryBytes: 64 * 1024 * 1024, cpuMs: 10_000 }

/** Pages that are rendered at once, enough for one machine; and readers who are served or wait for that. */
const MAX_AT_ONCE = 4
const MAX_READERS = 8

async function page(
  pool: Pool<Renderer>,
  folder: string,
  name: string,
  signal: AbortSignal
): Promise<string> {
  const markdown = name === '' ? await contents(folder) : await readFile(join(folder, `${name}.md`), 'utf8')
  await using plugin = await pool.take({ signal })
  signal.addEventListener('abort', () => void plugin.dispose())
  const html = await plugin.api.render(markdown, { page: true, title: name || 'Shelf' })
  // What a guest returns is input from outside, like any other.
  if (typeof html !== 'string') throw new TypeError(`the plugin returned ${typeof html} instead of a text`)
  return html
}

async function contents(folder: string): Promise<string> {
  const names = (await readdir(folder))
    .filter(name => /^[\w-]+\.md$/.test(name))
    .map(name => name.slice(0, -3))
  return ['# Shelf', '', ...names.sort().map(name => `- [${name}](/${name})`)].join('\n')
}

/** What went wrong, as a status and a line for the reader; the rest is the keeper's business. */
function answerTo(error: unknown): [status: number, line: string] {
  console.error(`shelf: ${error instanceof Error ? error.message : String(error)}`)
  if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [404, 'There is no such page.']
  if (error instanceof CofferError && error.code.startsWith('COFFER_LIMIT_'))
    return [503, 'This page takes too long.']
  if (error instanceof GuestError) return [500, 'This page cannot be shown.']
  return [error instanceof CofferError ? 503 : 500, 'Nothing can be shown now.']
}

async function serve(mediumPath: string, folder: string, port: number): Promise<void> {
  const medium = await openMedium(mediumPath)
  const pool = await medium.pool<Renderer>(PLUGIN, { size: MAX_AT_ONCE, limits: LIMITS })
  let readers = 0
  const server = createServer((request, response) => {
    const gone = new AbortController()
    response.once('close', () => gone.abort())
    const [, name] = /^\/([\w-]*)$/.exec(request.url ?? '') ?? []
    const send = (status: number, text: string, type = 'text/plain') =>
      response.writeHead(status, { 'content-type': `${type}; charset=utf-8` }).end(text)
    if (name === undefined) return send(404, 'There is no such page.')
    if (readers === MAX_READERS) return send(503, 'Too many readers at once.')
    readers++
    page(pool, folder, name, gone.signal)
      .then(
        html => send(200, html, 'text/html'),
        error => send(...answerTo(error))
      )
      .finally(() => readers--)
  })
  server.listen(port, '127.0.0.1', () => {
    const address = server.address()
    console.log(`http://127.0.0.1:${typeof address === 'object' ? address?.port : port}/`)
  })
}

const [mediumPath, folder, port = '0', ...rest] = process.argv.slice(2)
if (mediumPath === undefined || folder === undefined || rest.length > 0 || !/^\d+$/.test(port)) {
  console.error('usage: shelf <medium> <folder> [port]')
  process.exitCode = 64
} else {
  await serve(mediumPath, folder, Number(port)).catch(error => {
    console.error(`shelf: ${error instanceof Error ? error.message : String(error)}`)
    process.exitCode = error instanceof CofferError ? error.exitCode : 1
  })
}
