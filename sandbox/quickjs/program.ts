/** A program's text, and what it is linked with, while the engine compiles it. */
import { utf8 } from '../../formats/bytes.js'
import type { Pointer } from './abi.js'
import type { Instance } from './instance.js'

/**
 * A program on its way into the guest: its text in the engine's memory until it is compiled, and the modules that it
 * is linked with.
 *
 * One import is added to its end. Imports run before the program, so the module behind it marks the moment at which
 * all is compiled and linked and nothing of the program has run: what goes wrong before is an invalid program, what
 * goes wrong after is thrown by it. The added line moves no line or column.
 */
export class Program {
  readonly start: Pointer
  readonly lengthBytes: number
  begun = false
  /** The first import that was not granted. */
  refused: string | undefined
  readonly name: string
  readonly modules: ReadonlyMap<string, readonly string[]>
  private readonly compileOnly: boolean
  /** Name of the module behind the added import: one that the program cannot know, so that it cannot wait for it. */
  private readonly beginName: string

  constructor(
    instance: Instance,
    source: Uint8Array,
    name: string,
    modules: ReadonlyMap<string, readonly string[]>,
    { compileOnly = false, beginName = `coffer:begin/${Math.random().toFixed(DIGITS)}` } = {}
  ) {
    this.name = name
    this.modules = modules
    this.compileOnly = compileOnly
    this.beginName = beginName
    const suffix = utf8(`\nimport ${JSON.stringify(this.beginName)}`)
    this.lengthBytes = source.length + suffix.length
    // The compiler reads one byte past the end, and wants a zero there.
    this.start = instance.allocate(this.lengthBytes + 1)
    instance.bytes.set(source, this.start)
    instance.bytes.set(suffix, this.start + source.length)
    instance.bytes[this.start + this.lengthBytes] = 0
  }

  /** Compiled and linked: wipe the text. */
  begin(instance: Instance): void {
    this.begun = true
    instance.bytes.fill(0, this.start, this.start + this.lengthBytes)
  }

  /** Source of a module that the program, or the one behind its last import, is linked with. */
  linked(name: string): string | undefined {
    if (this.begun) return undefined
    if (name === this.beginName) {
      // Its own import is the last one: all others were found, and linking would be next.
      if (this.compileOnly) throw COMPILED
      return this.beginModule()
    }
    const exports = this.modules.get(name)
    if (exports !== undefined) return linkedModule(name, exports)
    this.refused ??= name
    return undefined
  }

  private beginModule(): string {
    return `import * as namespace from ${JSON.stringify(this.name)};__coffer.begin(namespace)`
  }
}

/** As many for each guest, whose heaps are all alike. */
const DIGITS = 17

/** Thrown through the engine to leave it where a program is compiled and not yet linked. */
export const COMPILED = Symbol('compiled')

/** A module whose exports are those that the SDK made for it. */
export function linkedModule(name: string, exports: readonly string[]): string {
  const constants = exports.map((key, i) => `const x${i}=made[${JSON.stringify(key)}];`)
  const list = exports.map((key, i) => `x${i} as ${JSON.stringify(key)}`)
  const made = `__coffer.modules[${JSON.stringify(name.replace(/^coffer:|\/.*$/g, ''))}]`
  return `const made=${made};${constants.join('')}export{${list.join()}}`
}
