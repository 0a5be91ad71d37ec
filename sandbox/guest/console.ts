/** The console: log, info and debug to stdout; warn, error, trace and assert to stderr. */
import { TO_HOST } from '../protocol.js'
import type { Clock } from './clock.js'
import { installGlobals } from './globals.js'
import { format, inspect } from './inspect.js'
import type { Link } from './link.js'

const STDOUT = 1
const STDERR = 2

export function installConsole(link: Link, clock: Clock): void {
  let margin = ''
  const counts = new Map<string, number>()
  const timers = new Map<string, number>()

  const print = (stream: number, text: string) => {
    const indented = margin === '' ? text : margin + text.replaceAll('\n', `\n${margin}`)
    link
      .begin(TO_HOST.print)
      .value(stream)
      .value(indented + '\n')
    link.send()
  }
  const out = (...args: unknown[]) => print(STDOUT, format(args))
  const error = (...args: unknown[]) => print(STDERR, format(args))
  const time = (label: string, rest: unknown[], keep: boolean) => {
    const started = timers.get(label)
    if (started === undefined)
      return error(`Warning: No such label '${label}' for console.time${keep ? 'Log' : 'End'}()`)
    if (!keep) timers.delete(label)
    out(`${label}: ${durationText(clock.elapsed() - started)}`, ...rest)
  }
  const group = (...args: unknown[]) => {
    if (args.length > 0) out(...args)
    margin += '  '
  }

  const console = {
    log: out,
    info: out,
    debug: out,
    warn: error,
    error,
    trace(...args: unknown[]) {
      const frames = (new Error().stack ?? '')
        .split('\n')
        .filter(line => /^\s*at /.test(line) && !/\(coffer:|\(native|ses-child/.test(line))
      const head = args.length > 0 ? `Trace: ${format(args)}` : 'Trace'
      print(STDERR, [head, ...frames.map(frame => `    ${frame.trim()}`)].join('\n'))
    },
    assert(condition?: unknown, ...args: unknown[]) {
      if (condition) return
      if (typeof args[0] === 'string') args[0] = `Assertion failed: ${args[0]}`
      else args.unshift('Assertion failed')
      error(...args)
    },
    dir: (value: unknown) => print(STDOUT, inspect(value)),
    dirxml: out,
    table: out,
    group,
    groupCollapsed: group,
    groupEnd() {
      margin = margin.slice(2)
    },
    count(label = 'default') {
      const count = (counts.get(`${label}`) ?? 0) + 1
      counts.set(`${label}`, count)
      out(`${label}: ${count}`)
    },
    /** A program's output is no screen of its own. */
    clear() {},
    countReset: (label = 'default') => void counts.delete(`${label}`),
    time: (label = 'default') => void timers.set(`${label}`, clock.elapsed()),
    timeLog: (label = 'default', ...rest: unknown[]) => time(`${label}`, rest, true),
    timeEnd: (label = 'default') => time(`${label}`, [], false)
  }
  installGlobals({ console })
}

const durationText = (ms: number): string =>
  ms >= 1000 ? `${(ms / 1000).toFixed(3)}s` : `${+ms.toFixed(3)}ms`
