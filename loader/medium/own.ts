/** The medium that the program itself lies on: `node /media/stick/coffer.mjs run` needs no path. */
import { dirname } from 'node:path'
import { inspectFile } from '../files.js'
import { mediumPaths } from './layout.js'

/** @param program - Path of the program. @returns The medium's folder; undefined where the program lies on none. */
export function ownMedium(program: string | undefined): string | undefined {
  if (program === undefined) return undefined
  const root = dirname(program)
  return inspectFile(mediumPaths(root).identity) === undefined ? undefined : root
}
