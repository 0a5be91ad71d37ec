import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { temporaryFolder } from './parties.js'

/** A certificate for a name, signed by itself; undefined where there is no openssl to make one with. */
export function selfSigned(name: string): { cert: string; key: string } | undefined {
  const folder = temporaryFolder()
  const made = spawnSync('openssl', [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'],
    ...['-subj', `/CN=${name}`, '-keyout', join(folder, 'key'), '-out', join(folder, 'cert')]
  ])
  if (made.status !== 0) return undefined
  return { cert: readFileSync(join(folder, 'cert'), 'utf8'), key: readFileSync(join(folder, 'key'), 'utf8') }
}
