/**
 * Test vectors that others made. They lie beside the project, at ../shared/vectors, and are no part of it; a test
 * that needs one is skipped, and says so, where they are absent.
 */
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'

const folder = fileURLToPath(new URL('../../../../shared/vectors/', import.meta.url))

/** A test over one of the files, parsed; skipped when it is not there. */
export function outsideTest<Contents>(
  name: string,
  file: string,
  check: (contents: Contents) => void | Promise<void>
): void {
  if (existsSync(folder + file)) {
    test(name, () => check(JSON.parse(readFileSync(folder + file, 'utf8')) as Contents))
  } else {
    console.log(`skip: ${name}: ../shared/vectors/${file} is not there`)
    test.skip(name)
  }
}

/** The shape of Wycheproof's files. */
export interface Wycheproof<Group, Case> {
  readonly testGroups: readonly (Group & {
    readonly tests: readonly (Case & { readonly tcId: number; readonly result: Verdict })[]
  })[]
}
export type Verdict = 'valid' | 'invalid' | 'acceptable'
