/** All hostile programs, family by family; family.ts says how they are written. */
import type { Endings, Family } from './family.js'
import { consoleBombs } from './programs/console-bombs.js'
import { constructorChains } from './programs/constructor-chains.js'
import { deepRecursion } from './programs/deep-recursion.js'
import { errorHooks } from './programs/error-hooks.js'
import { floodsOfHostCalls } from './programs/floods-of-host-calls.js'
import { floodsOfJobs } from './programs/floods-of-jobs.js'
import { floodsOfOutput } from './programs/floods-of-output.js'
import { hostileHosts } from './programs/hostile-hosts.js'
import { importTricks } from './programs/import-tricks.js'
import { memoryBombs } from './programs/memory-bombs.js'
import { nativeLoops } from './programs/native-loops.js'
import { reEntrancy } from './programs/re-entrancy.js'
import { regularExpressions } from './programs/regular-expressions.js'
import { tamperingWithTheRuntime } from './programs/tampering-with-the-runtime.js'
import { thenables } from './programs/thenables.js'
import { useAfterTheEnd } from './programs/use-after-the-end.js'
import { valuesOnTheirWayOut } from './programs/values-on-their-way-out.js'

export interface Hostile {
  readonly family: string
  readonly name: string
  readonly source: string
  readonly ends: Endings
}

const FAMILIES: Readonly<Record<string, Family>> = {
  'constructor chains': constructorChains,
  'error hooks': errorHooks,
  thenables: thenables,
  'values on their way out': valuesOnTheirWayOut,
  'import tricks': importTricks,
  'native loops': nativeLoops,
  'regular expressions': regularExpressions,
  'memory bombs': memoryBombs,
  'floods of jobs': floodsOfJobs,
  'deep recursion': deepRecursion,
  'floods of host calls': floodsOfHostCalls,
  're-entrancy': reEntrancy,
  'use after the end': useAfterTheEnd,
  'floods of output': floodsOfOutput,
  'console bombs': consoleBombs,
  'tampering with the runtime': tamperingWithTheRuntime,
  'hostile hosts': hostileHosts
}

export const PROGRAMS: readonly Hostile[] = Object.entries(FAMILIES).flatMap(([family, programs]) =>
  Object.entries(programs).map(([name, [ends, source]]) => ({ family, name, source, ends }))
)
