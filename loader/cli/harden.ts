/**
 * Before anything is decrypted: refuse to run inspected or where the process would write its memory down, and close
 * what can be closed from inside. This guards a buyer against others and against accidents; whoever controls the
 * process as its owner can read what he bought (SECURITY.md).
 */
import { closeSync, openSync, writeSync } from 'node:fs'
import { CofferError } from '../../formats/errors.js'

/** Options of Node that open the process, write its memory, or load other code into it. */
const UNSAFE = [
  /^--inspect/,
  /^--debug/,
  /^--heapsnapshot/,
  /^--heap-prof/,
  /^--cpu-prof/,
  /^--prof/,
  /^--perf/,
  /^--report/,
  /^--trace/,
  /^--log/,
  /^--print-/,
  /^--diagnostic-dir/,
  /^--abort-on-uncaught-exception/,
  /^--(require|import|loader|experimental-loader)\b/,
  /^-r/
]

/** @throws CofferError COFFER_HOST_UNSAFE */
export function harden(): void {
  const unsafe = unsafeOption(process.execArgv, process.env['NODE_OPTIONS'])
  if (unsafe !== undefined) throw refuse(`the option ${unsafe}`)
  // Node opens its inspector at this signal unless somebody else listens.
  if (process.platform !== 'win32') process.on('SIGUSR1', () => {})
  try {
    // No pages of this process go into a core dump.
    if (process.platform === 'linux') {
      const filter = openSync('/proc/self/coredump_filter', 'w')
      writeSync(filter, '0')
      closeSync(filter)
    }
  } catch {
    // Without /proc there is nothing to filter with; the limits of the system hold.
  }
}

/** The first unsafe option on Node's command line or in NODE_OPTIONS, where a process does not see it otherwise. */
export function unsafeOption(execArgv: readonly string[], nodeOptions = ''): string | undefined {
  if (execArgv.length === 0 && nodeOptions === '') return undefined
  const words = [...execArgv, ...nodeOptions.split(/[\s"']+/)]
  // Node takes _ for - in the names of options.
  return words
    .filter(word => word.startsWith('-'))
    .map(word => word.split('=')[0]!.replaceAll('_', '-'))
    .find(name => UNSAFE.some(pattern => pattern.test(name)))
}

const refuse = (found: string) =>
  new CofferError('COFFER_HOST_UNSAFE', 'Cannot open titles in a process that is inspected or traced.', {
    expected: 'Node without options that trace it, write down its memory or load other code',
    found,
    hint: 'Leave the option out, also from NODE_OPTIONS, and start the program again.'
  })
