/** Start a program where its options say. Each way to run one is loaded when it is first asked for. */
import { fillRandom } from './chance.js'
import { withInlineDefaults } from './limits.js'
import { checkOptions } from './options.js'
import type { Engine, EngineGuest, Isolation, LaunchOptions, Program } from './guest.js'

const ENGINES: readonly Engine[] = ['quickjs', 'ses']
const ISOLATIONS: readonly Isolation[] = ['inline', 'thread']

/** Callers without a compiler: a way to run that is misspelt must not become the default one. */
export function wayOf({ engine = 'quickjs', isolation = 'inline' }: LaunchOptions): Engine | 'thread' {
  if (!ENGINES.includes(engine)) throw new TypeError(`launch: no such engine: ${String(engine)}`)
  if (!ISOLATIONS.includes(isolation)) throw new TypeError(`launch: no such isolation: ${String(isolation)}`)
  return engine === 'quickjs' && isolation === 'thread' ? 'thread' : engine
}

/**
 * @param program - With an image only where it comes out of a verified title. The caller wipes it afterwards.
 * @throws as `launch` of index.ts.
 */
export async function launchProgram(program: Program, options: LaunchOptions): Promise<EngineGuest> {
  checkOptions(options)
  const way = wayOf(options)
  options = await withClient(options)
  if (way === 'ses') return (await import('./ses/launch.js')).launchSes(program, options)
  if (way === 'thread') return (await import('./thread/launch.js')).launchThread(program, options)
  const [{ startSession }, { quickjs }] = await Promise.all([
    import('./session.js'),
    import('./quickjs/node.js')
  ])
  const limits = withInlineDefaults(options.limits)
  return startSession('quickjs', quickjs(), program, { ...options, limits }, { random: fillRandom })
}

/** The client that a grant of the network stands for. */
export async function withClient(options: LaunchOptions): Promise<LaunchOptions> {
  const { capabilities } = options
  if (capabilities?.net === undefined || 'connect' in capabilities.net) return options
  const { netHost } = await import('./net/host.js')
  return { ...options, capabilities: { ...capabilities, net: netHost(capabilities.net) } }
}
