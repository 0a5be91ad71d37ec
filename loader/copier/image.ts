/**
 * The image of a title (docs/spec.md §9.4): its program as it is once it has started, in the world that a launch is
 * expected to grant it.
 */
import { hex, utf8, utf8Decode, wipe } from '../../formats/bytes.js'
import { sha256 } from '../../formats/primitives.js'
import { grantTable } from '../../sandbox/capabilities.js'
import { type Capabilities, DEFAULT_LIMITS } from '../../sandbox/guest.js'
import { aliasOf, makeTitleImage, type NoImage } from '../../sandbox/imaging.js'
import { netScript } from '../../sandbox/net/host.js'
import { quickjs } from '../../sandbox/quickjs/node.js'
import { manifestLimits } from '../launch.js'
import { IMAGE_NAME, type App, type Content } from './app.js'

/**
 * @param source - The bundle.
 * @returns The same bytes for the same bundle and the same build of the engine. The caller wipes them.
 */
export async function imageOf(app: App, source: Uint8Array): Promise<Uint8Array | NoImage> {
  if (app.engine !== 'quickjs') return { reason: 'it is made for SES' }
  const text = utf8Decode(source)
  const imports = await importsOf(text)
  if (imports.has('coffer:license'))
    return { reason: 'it imports coffer:license, which each buyer has another of' }
  const host = imports.get('coffer:host')
  if (host?.whole === true) return { reason: 'it imports all of coffer:host, which each app has another of' }
  // The same for the same program, and nothing that it could hold.
  const mark = hex(sha256(source)).slice(0, 32)
  const byName = host === undefined ? [] : ['coffer:host']
  const linked = utf8(host === undefined ? text : renamed(text, host.places, aliasOf('coffer:host', mark)))
  try {
    return makeTitleImage(quickjs(), linked, {
      name: `${app.id}.js`,
      grants: [true, false].map(interactive =>
        grantTable(expected(interactive, [...(host?.names ?? [])])).modules.filter(([module]) =>
          imports.has(`coffer:${module}`)
        )
      ),
      byName,
      strip: app.code === 'image',
      limits: { ...DEFAULT_LIMITS, ...manifestLimits(app), cpuMs: START_CPU_MS },
      mark
    })
  } finally {
    wipe(linked)
  }
}

/** The start of a title is bounded when it is run, too. */
const START_CPU_MS = 10_000

/** What is granted to whoever asks for it, with functions that a start must not call. */
function expected(interactive: boolean, hostFunctions: readonly string[]): Capabilities {
  const none = () => {
    throw new Error('internal: a function was called while an image was made')
  }
  return {
    terminal: { interactive, size: none, write: none, readKey: none },
    assets: { list: none, read: none },
    save: { list: none, read: none, commit: none, revision: none },
    net: { script: netScript(), connect: () => ({ open: none, read: none, close: none, end() {} }) },
    host: Object.fromEntries(hostFunctions.map(name => [name, none]))
  }
}

interface Import {
  readonly names: Set<string>
  /** As a namespace, in which a program sees what there is. */
  whole: boolean
  /** Where the specifier stands in the text. */
  readonly places: { readonly start: number; readonly end: number }[]
}

/** What stands in import and export declarations; `import()` finds at each time what is granted then. */
async function importsOf(text: string): Promise<ReadonlyMap<string, Import>> {
  const { parse } = await import('acorn')
  const imports = new Map<string, Import>()
  for (const node of parse(text, { ecmaVersion: 'latest', sourceType: 'module', allowHashBang: true }).body) {
    if (!('source' in node) || !node.source) continue
    const module = String(node.source.value)
    if (!imports.has(module)) imports.set(module, { names: new Set(), whole: false, places: [] })
    const found = imports.get(module)!
    found.places.push({ start: node.source.start, end: node.source.end })
    if (!('specifiers' in node)) found.whole = true
    else
      for (const each of node.specifiers) {
        if (each.type === 'ImportNamespaceSpecifier') found.whole = true
        else if (each.type === 'ImportDefaultSpecifier') found.names.add('default')
        else {
          const name = each.type === 'ImportSpecifier' ? each.imported : each.local
          found.names.add(name.type === 'Identifier' ? name.name : String(name.value))
        }
      }
  }
  return imports
}

function renamed(text: string, places: Import['places'], specifier: string): string {
  let out = ''
  let at = 0
  for (const { start, end } of places) {
    out += text.slice(at, start) + JSON.stringify(specifier)
    at = end
  }
  return out + text.slice(at)
}

/** The digest of one is made while the next ones are opened (docs/spec.md 9.4). */
const MOST_PART_BYTES = 1024 * 1024
/** Whoever opens the image waits for the digest of its last part alone, so that is a short one. */
const LEAST_PART_BYTES = 128 * 1024

/** An image as entries, one after the other. */
export function imageParts(bytes: Uint8Array): Content[] {
  const parts: Content[] = []
  for (let at = 0; at < bytes.length;) {
    const half = Math.ceil((bytes.length - at) / 2)
    const end = at + Math.min(Math.max(half, LEAST_PART_BYTES), MOST_PART_BYTES)
    const name = at === 0 ? IMAGE_NAME : `${IMAGE_NAME}.${parts.length + 1}`
    parts.push({ name, role: 'image', bytes: bytes.subarray(at, end) })
    at = end
  }
  return parts
}
