/** Writing what the build makes. */
import { mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'

/** Write a file in one step, so that a test or another build that runs meanwhile never sees half of it. */
export function write(path: string, content: Uint8Array | string): void {
  mkdirSync(dirname(path), { recursive: true })
  const partial = `${path}.${process.pid}`
  writeFileSync(partial, content)
  renameSync(partial, path)
}
