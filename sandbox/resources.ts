/**
 * The engine's own files, and the programs that it starts in a thread or process of their own. They lie beside this module
 * in build/, beside the bundle in dist/, under the same names; in the programs that are one file they are inside, and
 * scripts/one-file.ts puts another module with these exports in place of this one.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

export const resource = (name: string): string => join(import.meta.dirname, name)

/** Not as a Buffer, of which each part takes ten times as long to make. */
export function readResource(name: string): Uint8Array {
  const { buffer, byteOffset, length } = readFileSync(resource(name))
  return new Uint8Array(buffer, byteOffset, length)
}

/** Where a thread starts, and the words that it starts with. @param folder - Where its own module lies. */
export const threadStart = (
  name: string,
  folder = import.meta.dirname
): { url: string | URL; argv: string[] } => ({ url: join(folder, name), argv: [] })

/** How Node starts as a process of its own. @param flags - For Node and V8. */
export const processStart = (
  name: string,
  flags: readonly string[]
): { words: readonly string[]; env: Readonly<Record<string, string>> } => ({
  words: [...flags, resource(name)],
  env: {}
})
