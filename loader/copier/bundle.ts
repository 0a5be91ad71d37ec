/** Make one ES module of an app (docs/spec.md §9.2): esbuild bundles it, and only `coffer:` imports may remain. */
import type { Message, Metafile } from 'esbuild'
import { relative, resolve, sep } from 'node:path'
import { encodedMappings, originalPositionFor, TraceMap } from '@jridgewell/trace-mapping'
import { CofferError } from '../../formats/errors.js'
import type { App } from './app.js'

export interface Bundle {
  /** One ES module, UTF-8. The caller wipes it. */
  readonly source: Uint8Array
  /** `coffer:` modules that it imports, without the prefix. */
  readonly modules: readonly string[]
  /** Where a place in the bundle comes from, as file:line:column. */
  locate(line: number, column: number): string | undefined
  /** The same for buyers, as a source map without the text of the sources, and without folders above the app's. */
  readonly places: { readonly version: 3; readonly sources: readonly string[]; readonly mappings: string }
}

/** @throws CofferError COFFER_PROGRAM_INVALID with file and line. */
export async function bundleApp(app: App): Promise<Bundle> {
  const { build } = await import('esbuild')
  const result = await build({
    absWorkingDir: process.cwd(),
    entryPoints: [app.entry],
    outfile: 'title.js',
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'browser',
    // A title's world is the web's without a page: what packages have for workers fits it, what they have for Node not.
    mainFields: ['browser', 'module', 'main'],
    conditions: ['worker', 'browser', 'import', 'module', 'default'],
    target: 'es2022',
    external: ['coffer:*'],
    define: { 'process.env.NODE_ENV': '"production"' },
    charset: 'utf8',
    legalComments: 'none',
    sourcemap: 'external',
    metafile: true,
    logLevel: 'silent',
    supported: { 'dynamic-import': true }
  }).catch((error: { errors?: Message[] }) => {
    throw bundlingFailed(error.errors ?? [], error)
  })
  const modules = remainingImports(result.metafile)
  const map = result.outputFiles.find(file => file.path.endsWith('.map'))!
  const code = result.outputFiles.find(file => file.path.endsWith('.js'))!
  const trace = new TraceMap(map.text)
  return {
    source: code.contents,
    modules,
    locate: (line, column) => locate(trace, line, column),
    places: {
      version: 3,
      sources: trace.sources.map(source => (source === null ? '' : publicName(app.folder, pathOf(source)))),
      mappings: encodedMappings(trace)
    }
  }
}

function bundlingFailed(errors: readonly Message[], cause: unknown): CofferError {
  const [first] = errors
  if (first === undefined) {
    return new CofferError('COFFER_PROGRAM_INVALID', 'The app cannot be bundled.', {
      hint: 'Correct the source and press again.',
      cause
    })
  }
  const at =
    first.location === null
      ? ''
      : `${first.location.file}:${first.location.line}:${first.location.column + 1}: `
  const more = errors.length > 1 ? ` (and ${errors.length - 1} more)` : ''
  return new CofferError('COFFER_PROGRAM_INVALID', `${at}${first.text}${more}`, {
    hint: 'Correct the source and press again.'
  })
}

function remainingImports(metafile: Metafile): string[] {
  const imports = Object.values(metafile.outputs).flatMap(output => output.imports)
  const foreign = imports.find(({ path }) => !path.startsWith('coffer:'))
  if (foreign !== undefined) {
    throw new CofferError(
      'COFFER_PROGRAM_INVALID',
      `The app imports "${foreign.path}", which titles cannot have.`,
      {
        expected: 'imports that can be bundled, and coffer: modules',
        found: foreign.path,
        hint: 'Titles run without Node and without a browser; use a package that needs neither.'
      }
    )
  }
  return [...new Set(imports.map(({ path }) => path.slice('coffer:'.length)))]
}

/**
 * In a source map a path is a URL: what is not ASCII, spaces and percent signs stand encoded there. Maps of packages are others', who may
 * have written anything.
 */
function pathOf(source: string): string {
  try {
    return decodeURIComponent(source)
  } catch {
    return source
  }
}

/** A file as buyers may see it: by its place in the app, or in its package. */
function publicName(folder: string, source: string): string {
  // As a package's own map may say, of no place on this machine. A drive has one letter.
  const [scheme] = /^[a-z][a-z0-9+.-]+:\/*/i.exec(source) ?? []
  if (scheme !== undefined) return source.slice(scheme.length)
  const path = relative(folder, resolve(source)).split(sep).join('/')
  const [, inPackage] = /^.*(?:^|\/)node_modules\/(.*)$/.exec(path) ?? []
  return inPackage === undefined ? path.replace(/^(?:\.\.\/)+/, '') : `node_modules/${inPackage}`
}

function locate(trace: TraceMap, line: number, column: number): string | undefined {
  const at = originalPositionFor(trace, { line, column: Math.max(0, column - 1) })
  if (at.source === null) return undefined
  return `${relative(process.cwd(), pathOf(at.source))}:${at.line}:${at.column + 1}`
}
