import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** Have V8 collect what it can, now. What hangs by what was collected may take another round, and a turn of the event loop. */
export const collectGarbage: () => void = (() => {
  setFlagsFromString('--expose-gc')
  return runInNewContext('gc') as () => void
})()
