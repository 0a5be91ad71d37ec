/** What a title asks for, and what the person says to that. Asked once per center, title and release, and remembered. */
import { CofferError } from '../../formats/errors.js'
import type { ParsedManifest } from '../../formats/records/manifest.js'
import type { NetGrant, StopSignal } from '../../sandbox/guest.js'
import { parseAllowList } from '../../sandbox/net/allow.js'
import type { Home } from '../home.js'
import { saveQuotaBytes } from '../launch.js'
import type { Call } from './command.js'
import { printable } from '../../formats/screen.js'
import { paint, say } from './output.js'
import { agreedTo, canAsk } from './question.js'

/** What `run` can give, and what it means. */
const OFFERED: ReadonlyMap<string, (manifest: ParsedManifest) => string> = new Map([
  ['terminal', (_manifest: ParsedManifest) => 'read the keys that you press here, and draw on this window'],
  ['save', manifest => `store data on the medium, sealed, at most ${saveQuotaBytes(manifest) >> 20} MiB`],
  ['net', ({ net = [] }) => `exchange data over the network with ${net.join(', ')}`]
])

/** What `run` cannot give. */
const NOT_OFFERED: ReadonlyMap<string, string> = new Map([
  ['host', 'functions of an app that it is a plugin of: launch it from that app']
])

/** A title's own assets are no one else's business. */
const FREE = 'assets'

/** `net=<host>` allows the network as far as that host. */
const nameOf = (allowed: string): string => (allowed.startsWith('net=') ? 'net' : allowed)
const hostsOf = (allowed: readonly string[]): string[] =>
  allowed.filter(one => one.startsWith('net=')).map(one => one.slice('net='.length))

/** @throws CofferError COFFER_USAGE for what `--allow` cannot give. */
export function checkAllowed(allowed: readonly string[]): void {
  const wrong = allowed.find(one => !OFFERED.has(nameOf(one)) && one !== FREE)
  if (wrong !== undefined) {
    throw new CofferError('COFFER_USAGE', `"coffer run" cannot allow "${wrong}".`, {
      expected: [...OFFERED.keys()].join(' or '),
      found: NOT_OFFERED.get(wrong) ?? wrong,
      hint: wrong.includes(',')
        ? `Give --allow once for each: ${wrong
            .split(',')
            .map(one => `--allow ${one}`)
            .join(' ')}.`
        : 'See "coffer run --help".'
    })
  }
  try {
    parseAllowList(hostsOf(allowed))
  } catch (error) {
    throw new CofferError('COFFER_USAGE', `"coffer run" cannot allow this: ${(error as Error).message}.`, {
      expected: 'net=<host>, such as net=api.example.org',
      hint: 'See "coffer run --help".'
    })
  }
}

/** What a title may use now. */
export interface Permitted {
  readonly permissions: readonly string[]
  /** Of the network; undefined: none of it. */
  readonly net: NetGrant | undefined
}

/**
 * What a title may use now: of what it asks for, what was allowed by option, before, or just now by the person.
 *
 * @param signal - Ctrl-C while the person is asked.
 * @throws CofferError COFFER_PERMISSION_NEEDED, COFFER_INTERRUPTED.
 */
export async function permitted(
  manifest: ParsedManifest,
  call: Call,
  home: Home,
  signal: StopSignal
): Promise<Permitted> {
  const wanted = manifest.permissions.filter(permission => permission !== FREE)
  const impossible = wanted.find(permission => !OFFERED.has(permission))
  if (impossible !== undefined) throw cannotOffer(manifest, impossible)
  const allowed = call.list('allow')
  const hosts = hostsOf(allowed)
  const allow = hosts.length > 0 ? hosts : (manifest.net ?? [])
  const all = { permissions: wanted, net: wanted.includes('net') ? { allow } : undefined }
  const unsaid = wanted.filter(permission => !allowed.map(nameOf).includes(permission))
  if (unsaid.length === 0) return all
  const remembered = home.permissions(manifest)
  const missing = unsaid.filter(permission => !remembered.includes(asRemembered(manifest, permission)))
  if (missing.length === 0) return all
  if (call.json || !canAsk()) throw needed(manifest, missing)
  if (!(await ask(manifest, missing, signal))) throw needed(manifest, missing)
  const said = missing.map(permission => asRemembered(manifest, permission))
  home.rememberPermissions(manifest, [...new Set([...remembered, ...said])])
  return all
}

/** Network and saves were allowed as far as was said: a release that is pressed anew for more asks again. */
function asRemembered({ net = [], limits: { saveMiB } }: ParsedManifest, permission: string): string {
  if (permission === 'net') return `net=${net.join(',')}`
  return permission === 'save' && saveMiB !== undefined ? `save=${saveMiB}` : permission
}

function ask(manifest: ParsedManifest, missing: readonly string[], signal: StopSignal): Promise<boolean> {
  say(
    `${paint('bold', `"${printable(manifest.name)}"`)} (${manifest.id}, release ${manifest.release}) asks to`
  )
  for (const permission of missing) say(`  ${permission.padEnd(8)}  ${OFFERED.get(permission)!(manifest)}`)
  return agreedTo('Allow this, now and from now on?', signal, {
    message: 'The title was not started: it was interrupted.',
    hint: 'Start it again when you want it.'
  })
}

const needed = ({ name, permissions }: ParsedManifest, missing: readonly string[]) =>
  new CofferError(
    'COFFER_PERMISSION_NEEDED',
    `"${name}" asks for what it was not allowed: ${missing.join(', ')}.`,
    {
      expected: `permission for ${permissions.filter(permission => permission !== FREE).join(', ')}`,
      found: `none for ${missing.join(', ')}`,
      hint: `If you trust it with that, add ${missing.map(permission => `--allow ${permission}`).join(' ')}.`
    }
  )

const cannotOffer = ({ name }: ParsedManifest, permission: string) =>
  new CofferError(
    'COFFER_PERMISSION_NEEDED',
    `"${name}" asks for "${permission}", which "coffer run" does not offer.`,
    {
      expected: `a title that asks for no more than ${[...OFFERED.keys()].join(', ')}`,
      found: NOT_OFFERED.get(permission) ?? permission,
      hint: 'Ask the seller how the title is meant to be used.'
    }
  )
