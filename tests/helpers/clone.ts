/** Backups of files and whole folders, as a person makes them. */
import { chmodSync, cpSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'

/**
 * Copy a file or folder as `cp -a` does: same names, bytes, modes and times, other files.
 *
 * Node copies the modes of files, and since 22 no longer those of folders.
 *
 * @returns `to`.
 */
export function clone(from: string, to: string): string {
  cpSync(from, to, { recursive: true, preserveTimestamps: true, verbatimSymlinks: true })
  const folders = (below: string): string[] =>
    readdirSync(join(from, below), { withFileTypes: true })
      .filter(entry => entry.isDirectory())
      .flatMap(({ name }) => [join(below, name), ...folders(join(below, name))])
  if (!statSync(from).isDirectory()) return to
  for (const name of ['.', ...folders('.')])
    chmodSync(join(to, name), statSync(join(from, name)).mode & 0o7777)
  return to
}
