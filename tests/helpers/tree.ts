/** The project's own files, for tests of the house rules. */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The project's root, wherever the compiled test runs from. */
export const ROOT = fileURLToPath(new URL('../../..', import.meta.url))

/** Every file that belongs to the project, as git sees it, with '/' and relative to the root. */
export function projectFiles(): string[] {
  return execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
    cwd: ROOT,
    encoding: 'utf8'
  })
    .split('\n')
    .filter(path => path !== '' && existsSync(join(ROOT, path)))
}

export const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8')

const IMPORT =
  /^\s*(?:import|export)\b[^'"`;]*?\bfrom\s*['"]([^'"]+)['"]|\bimport\s*\(\s*['"]([^'"]+)['"]|^\s*import\s*['"]([^'"]+)['"]/gm

/** What a module imports, type imports and dynamic ones too; relative paths resolved to the source's own. */
export function importsOf(path: string): string[] {
  // Comments may show an import as an example.
  const text = read(path)
    .replace(/\/\*[\s\S]*?\*\//g, '')
    .replace(/^\s*\/\/.*$/gm, '')
  return [...text.matchAll(IMPORT)].map(([, from, dynamic, bare]) => {
    const specifier = (from ?? dynamic ?? bare)!
    if (!specifier.startsWith('.')) return specifier
    return normalize(join(dirname(path), specifier))
      .replaceAll('\\', '/')
      .replace(/\.js$/, '.ts')
  })
}
