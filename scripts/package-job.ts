/** A package in a guest: bundled as a title's imports are, and put to a small job whose result is known. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { bundleApp } from '../loader/copier/bundle.js'
import { readApp } from '../loader/copier/app.js'
import { launch } from '../sandbox/index.js'
import type { PackageJob } from './packages-list.js'

const LIMITS = { memoryBytes: 512 * 1024 * 1024, cpuMs: 60_000, wallMs: 120_000 }

/** Write a title that does the job. @param app - A folder of its own, below which the package is found. */
export function writeJob(app: string, { name, job }: PackageJob): void {
  mkdirSync(app, { recursive: true })
  const coffer = { id: 'org.example.package', name, entry: 'main.js' }
  writeFileSync(
    `${app}/package.json`,
    JSON.stringify({ name: 'app', version: '1.0.0', type: 'module', coffer })
  )
  writeFileSync(`${app}/main.js`, `${job}\n`)
}

/** @returns What went wrong. */
export async function doJob(
  app: string,
  { expected }: PackageJob,
  engine: 'quickjs' | 'ses'
): Promise<string | undefined> {
  try {
    const { source } = await bundleApp(readApp(app))
    let output = ''
    const collect = (bytes: Uint8Array) => void (output += new TextDecoder().decode(bytes))
    await using guest = await launch(source, { engine, stdout: collect, stderr: collect, limits: LIMITS })
    await guest.run()
    return output.trim() === expected ? undefined : `said ${JSON.stringify(output.trim().slice(0, 200))}`
  } catch (error) {
    return `${(error as Error).name}: ${(error as Error).message}`.split('\n')[0]!.slice(0, 200)
  }
}
