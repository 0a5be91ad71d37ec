#!/usr/bin/env node
/**
 * Paper: an app that sells a plugin. It turns a Markdown file into an HTML page with the licensed title
 * org.example.markdown, which is on a medium of its user's.
 *
 *   node build/samples/hosts/paper/main.js <medium> <file.md>  > page.html
 *
 * The plugin is rechecked against the medium and decrypted in memory at every start, and it runs with nothing but
 * what it is handed: a text goes in, a text comes out.
 */
import { readFile } from 'node:fs/promises'
import { basename } from 'node:path'
import { CofferError, openMedium } from 'coffer'

const PLUGIN = 'org.example.markdown'

async function renderFile(mediumPath: string, markdownPath: string): Promise<string> {
  const markdown = await readFile(markdownPath, 'utf8')
  const medium = await openMedium(mediumPath)
  await using plugin = await medium.launch(PLUGIN, {
    limits: { memoryBytes: 64 * 1024 * 1024, cpuMs: 10_000 }
  })
  const headings = await plugin.call('toc', markdown)
  const title = Array.isArray(headings) && headings.length > 0 ? undefined : basename(markdownPath)
  const html = await plugin.call('render', markdown, { page: true, title })
  // What a guest returns is input from outside, like any other.
  if (typeof html !== 'string') throw new TypeError(`The plugin returned ${typeof html} instead of a text.`)
  return html
}

/** Say what went wrong as coffer does: what failed, what to do next, and a code to search for. */
function explain(error: unknown): number {
  if (error instanceof CofferError) {
    console.error(`paper: ${error.message} (${error.code})`)
    if (error.hint !== undefined) console.error(error.hint)
    return error.exitCode
  }
  console.error(`paper: ${error instanceof Error ? error.message : String(error)}`)
  return 1
}

const [mediumPath, markdownPath, ...rest] = process.argv.slice(2)
if (mediumPath === undefined || markdownPath === undefined || rest.length > 0) {
  console.error('usage: paper <medium> <file.md>')
  process.exitCode = 64
} else {
  try {
    process.stdout.write(await renderFile(mediumPath, markdownPath))
  } catch (error) {
    process.exitCode = explain(error)
  }
}
