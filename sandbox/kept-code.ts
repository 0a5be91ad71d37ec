/** What V8 compiles when a guest starts, kept beside the engine's files: which files these are, and making them. */
import { spawn } from 'node:child_process'
import { accessSync, constants, existsSync } from 'node:fs'
import { dirname } from 'node:path'
import { KEEPS_MACHINE_CODE, NATIVE_CODE } from './quickjs/native.js'
import { resource } from './resources.js'

export const SES_CODE = `ses-child-program.${process.version}-${process.arch}.cache`

/** All that this Node can keep. */
export const KEPT_CODE: readonly string[] = KEEPS_MACHINE_CODE ? [SES_CODE, NATIVE_CODE] : [SES_CODE]

const MAKING_MS = 30_000

/**
 * Make what is not kept yet, in a process of its own: a second of computing, once for each version of Node. Nothing
 * happens where it cannot be kept, and nobody hears when it fails: guests then only start slower.
 */
export async function keepCode(): Promise<void> {
  const program = resource('keep-code.js')
  if (!existsSync(program) || KEPT_CODE.every(name => existsSync(resource(name)))) return
  try {
    accessSync(dirname(program), constants.W_OK)
  } catch {
    return
  }
  const child = spawn(process.execPath, [program], {
    env: {},
    stdio: 'ignore',
    windowsHide: true,
    timeout: MAKING_MS,
    killSignal: 'SIGKILL'
  })
  await new Promise(resolve => child.on('close', resolve).on('error', resolve))
}
