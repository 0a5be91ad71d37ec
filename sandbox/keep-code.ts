/**
 * A program of its own: keep what V8 compiles when a guest starts, so that later starts need not. The engine's machine
 * code (quickjs/native.ts) and the code of a SES guest's process (ses/start.cjs) are made by running a small guest, and
 * put beside the engine's files, where they are not there yet. They fit one version of Node, which their names say, so
 * they are made where they are used: by the build, and where coffer was installed by the first `coffer copy`.
 */
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, renameSync, writeFileSync } from 'node:fs'
import { setFlagsFromString } from 'node:v8'
import { KEPT_CODE, SES_CODE } from './kept-code.js'
import { loadQuickjs } from './quickjs/factory.js'
import { NATIVE_CODE, nativeCode } from './quickjs/native.js'
import { startRemote } from './remote/near.js'
import { readResource, resource } from './resources.js'
import { Child } from './ses/launch.js'
import { startSession } from './session.js'

/** What both guests do: a function that was never called is not kept. */
const PROGRAM = {
  source: new TextEncoder().encode(
    `export default args => { console.log('Hello, ' + (args.join(' ').trim() || 'world') + '.'); return 0 }`
  )
}

for (const [name, make] of [
  [SES_CODE, sesCode],
  [NATIVE_CODE, machineCode]
] as const)
  if (KEPT_CODE.includes(name) && !existsSync(resource(name))) write(resource(name), await make())

async function machineCode(): Promise<Uint8Array> {
  // V8 keeps only what its optimizing compiler made: that one compiles here what is called, at once.
  setFlagsFromString('--no-liftoff')
  const wasm = readResource('quickjs.wasm')
  const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest()
  let module: WebAssembly.Module | undefined
  const machine = loadQuickjs({
    wasm,
    image: readResource('quickjs.image'),
    sha256,
    compile: bytes => (module = new WebAssembly.Module(bytes as Uint8Array<ArrayBuffer>))
  })
  const guest = await startSession('quickjs', machine, PROGRAM, {
    capabilities: { assets: { list: () => [], read: () => new Uint8Array(0) } },
    stdout: () => {}
  })
  await guest.run()
  await guest.dispose()
  // The result is refused under other flags than those it was made under, and the first of these switched off the second.
  for (const flag of ['--liftoff', '--wasm-dynamic-tiering']) setFlagsFromString(flag)
  return nativeCode(module!, sha256(wasm))
}

/** A SES guest's process gives its code away when it has run. */
async function sesCode(): Promise<Uint8Array> {
  const child = spawn(
    process.execPath,
    [
      '-e',
      `const { kept } = require(${JSON.stringify(resource('ses-child.cjs'))})
       process.on('message', () => process.send(kept()))`
    ],
    {
      stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe', 'pipe', 'pipe', 'ipc'],
      serialization: 'advanced'
    }
  )
  const guest = await startRemote('ses', PROGRAM, { stdout: () => {} }, (events, limits) =>
    new Child(child, limits).serve(events)
  )
  await guest.run()
  child.ref()
  child.send('give')
  const [code] = (await once(child, 'message')) as [Uint8Array]
  await guest.dispose()
  return code
}

/** In one step: another start may be reading what is there. */
function write(path: string, code: Uint8Array): void {
  writeFileSync(`${path}.${process.pid}`, code)
  renameSync(`${path}.${process.pid}`, path)
}
