/**
 * Before anything is decrypted: refuse to run inspected or where the process would write its memory down, and close
 * what can be closed from inside. This guards a buyer against others and against accidents; whoever controls the
 * process as its owner can read what he bought (SECURITY.md).
 */
import { closeSync, openSync, writeSync } from 'node:fs'
import { CofferError } from '../../formats/errors.js'

/**
 * Options of Node that neither open the process, nor write down what it does, nor bring other code into it; so does none of
 * them with "no-" in front. Whatever is not here is refused, and with it what later releases bring.
 */
const HARMLESS = new RegExp(
  `^--(?:no-)?(?:${[
    // Memory and speed.
    '(?:max|min)-semi-space-size|max-old-space-size(?:-percentage)?|huge-max-old-generation-size',
    '(?:max|initial)-heap-size|initial-old-space-size|stack-size|v8-pool-size|secure-heap(?:-min)?',
    'expose-gc|jitless|lite-mode|opt|maglev|sparkplug|optimize-for-size|single-threaded(?:-gc)?|use-largepages',
    'disable-wasm-trap-handler|zero-fill-buffers|node-snapshot|worker-snapshot',
    // What it says.
    'warnings|disable-warning|(?:pending-|throw-)?deprecation|enable-source-maps|stack-trace-limit|title',
    'unhandled-rejections|extra-info-on-fatal-exception',
    // Network.
    'dns-result-order|max-http-header-size|use-env-proxy|use-(?:bundled|openssl|system)-ca|tls-cipher-list',
    'tls-(?:min|max)-v1\\.[0-3]|(?:enable-)?network-family-autoselection(?:-attempt-timeout)?',
    'openssl-legacy-provider|(?:enable|force)-fips',
    // Less of Node.
    '(?:experimental-)?permission|allow-(?:addons|child-process|ffi|fs-read|fs-write|net|wasi|worker)',
    'addons|disable-proto|disable-sigusr1|disallow-code-generation-from-strings|force-context-aware|frozen-intrinsics',
    'node-memory-debug|force-node-api-uncaught-exceptions-policy|global-search-paths|insecure-http-parser|verify-base-objects|async-context-frame',
    // Which of the files that are installed a name means.
    'conditions|preserve-symlinks(?:-main)?|experimental-default-type',
    // Modules and globals of its own.
    '(?:experimental-)?(?:detect-module|require-module|strip-types|transform-types|webstorage)',
    'experimental-(?:eventsource|fetch|global-customevent|global-navigator|global-webcrypto|import-meta-resolve)',
    'experimental-(?:repl-await|sqlite|vm-modules|wasm-modules|websocket)'
  ].join('|')})$`
)

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
      try {
        writeSync(filter, '0')
      } finally {
        closeSync(filter)
      }
    }
  } catch {
    // Without /proc there is nothing to filter with; the limits of the system hold.
  }
}

/** The first unsafe option on Node's command line or in NODE_OPTIONS, where a process does not see it otherwise. */
export function unsafeOption(execArgv: readonly string[], nodeOptions = ''): string | undefined {
  if (execArgv.length === 0 && nodeOptions === '') return undefined
  return (
    [...execArgv, ...wordsOf(nodeOptions)]
      .filter(word => word.startsWith('-'))
      // Node takes _ for - in the names of options.
      .map(word => word.split('=')[0]!.replaceAll('_', '-'))
      .find(name => !HARMLESS.test(name))
  )
}

const QUOTED = String.raw`"(?:[^"\\]|\\.)*"?`

/** NODE_OPTIONS as Node reads it: blanks part words, but not between double quotes, where a backslash stands for what follows it. */
const wordsOf = (nodeOptions: string): string[] =>
  (nodeOptions.match(new RegExp(`(?:[^ "]|${QUOTED})+`, 'gs')) ?? []).map(word =>
    word.replace(new RegExp(QUOTED, 'gs'), quoted =>
      quoted.slice(1).replace(/"$/, '').replace(/\\(.)/gs, '$1')
    )
  )

const refuse = (found: string) =>
  new CofferError('COFFER_HOST_UNSAFE', 'Cannot open titles in a process that may be inspected or traced.', {
    expected: 'no options of Node but such as are known to be harmless',
    found,
    hint: 'Leave the option out, also from NODE_OPTIONS, and start the program again.'
  })
