/**
 * What a program that has begun needs no more: its own statements, those outside of its functions, and what only they could
 * reach. They run once; yet the engine keeps them with their module for as long as that is there, an eighth of a large title.
 * It does without: a module's variables are kept for its exports beside them, and one that still waits holds its statements
 * by itself.
 */
import { SCRATCH, TAG_OBJECT, UNDEFINED_VALUE, type Pointer } from './abi.js'
import type { ImageFields } from './image.js'
import { engineFailed, type Instance } from './instance.js'
import { CLASS, MODULE } from './layout.js'

const VALUE_BYTES = 8
/** The program, what it was granted, and one that marks its beginning. */
const MOST_MODULES = 1000

/**
 * Let go of the statements of all modules.
 *
 * @param instance - Each of its modules has begun, or failed; no call is under way.
 * @returns of how many modules they were.
 */
export function dropStatements(
  instance: Instance,
  { context, modules, scratch }: Pick<ImageFields, 'context' | 'modules' | 'scratch'>
): number {
  const kept = scratch + SCRATCH.result
  let count = 0
  for (const module of modulesOf(instance, modules)) {
    const statements = module + MODULE.statements
    if (instance.tag(statements) !== TAG_OBJECT) continue
    if (instance.objectClass(statements) !== CLASS.function) continue
    // Nobody is to find what is being let go of.
    instance.bytes.copyWithin(kept, statements, statements + VALUE_BYTES)
    instance.view.setBigUint64(statements, UNDEFINED_VALUE, true)
    instance.engine.freeInPlace(context, kept)
    instance.bytes.fill(0, kept, kept + VALUE_BYTES)
    count++
  }
  return count
}

/** Where each module stands in the engine's list of them. The program has run: what its memory says is bounded. */
function modulesOf({ view }: Instance, head: Pointer): Pointer[] {
  const found: Pointer[] = []
  for (let at = view.getUint32(head + 4, true); at !== head; at = view.getUint32(at + 4, true)) {
    if (found.length === MOST_MODULES) throw engineFailed('its list of modules has no end')
    found.push(at)
  }
  return found
}
