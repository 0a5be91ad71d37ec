/** Compile a program with the real engine without running it: what a publisher wants to know before he seals it. */
import { DEFAULT_LIMITS } from './guest.js'
import { quickjs } from './quickjs/node.js'

const CHECK_LIMITS = { ...DEFAULT_LIMITS, memoryBytes: 200 * 1024 * 1024 }

/**
 * @param source - UTF-8 of one ES module. Copied; the copy is wiped.
 * @param modules - The `coffer:` modules that it may import, with the prefix.
 * @throws CofferError COFFER_PROGRAM_INVALID with line and column of `source`.
 */
export function checkProgram(source: Uint8Array, name: string, modules: readonly string[]): void {
  const machine = quickjs()(
    {
      receive: () => undefined,
      poll: () => {},
      now: () => 0,
      dice: new Uint8Array(8),
      result: () => {},
      callHost: () => undefined
    },
    CHECK_LIMITS
  )
  try {
    machine.compile(source, name, new Map(modules.map(module => [module, []])))
  } finally {
    machine.destroy()
  }
}
