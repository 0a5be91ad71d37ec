/** What title authors get from `coffer/guest`, as their compiler sees it. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { sample } from './helpers/titles.js'

const folder = mkdtempSync(join(tmpdir(), 'coffer-types-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))

/** What the compiler says about a project; '' when nothing. */
function compile(project: string): string {
  const tsc = sample('node_modules/typescript/bin/tsc')
  const { stdout, stderr } = spawnSync(process.execPath, [tsc, '-p', project, '--pretty', 'false'], {
    cwd: sample('.'),
    encoding: 'utf8'
  })
  return stdout + stderr
}

test('the sample titles compile against the world that titles have', () => {
  assert.is(compile('samples/titles'), '')
})

test('coffer/guest declares what an author has, and nothing else', () => {
  mkdirSync(join(folder, 'node_modules'))
  symlinkSync(sample('.'), join(folder, 'node_modules/coffer'), 'junction')
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
  writeFileSync(
    join(folder, 'host.d.ts'),
    `declare module 'coffer:host' { export function log(text: string): Promise<void> }\n`
  )
  writeFileSync(
    join(folder, 'main.ts'),
    `/// <reference types="coffer/guest" />
import { log } from 'coffer:host'
import { readKey, write } from 'coffer:terminal'
import { read } from 'coffer:assets'
import * as save from 'coffer:save'

export default async function main(args: string[]): Promise<number> {
  const key = await readKey()
  write(new URL('a:b').href + (key?.name ?? ''))
  await save.write('slot', await read('asset'))
  setTimeout(() => console.log(args.length), 1)
  await log(new TextDecoder().decode(crypto.getRandomValues(new Uint8Array(4))))
  // @ts-expect-error
  log(1)
  // @ts-expect-error
  write(null)
  return 0
}
// @ts-expect-error
export const noProcess = process
// @ts-expect-error
export const noFetch = fetch
// @ts-expect-error
export const noDocument = document
// @ts-expect-error
import 'node:fs/promises'
`
  )
  for (const [module, moduleResolution] of [
    ['nodenext', 'nodenext'],
    ['preserve', 'bundler']
  ]) {
    const compilerOptions = {
      lib: ['es2023'],
      target: 'es2022',
      types: [],
      strict: true,
      noEmit: true,
      module,
      moduleResolution
    }
    writeFileSync(
      join(folder, 'tsconfig.json'),
      JSON.stringify({ compilerOptions, files: ['main.ts', 'host.d.ts'] })
    )
    assert.is(compile(folder), '', module)
  }
})

test.run()
