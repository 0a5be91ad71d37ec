/** The sample titles, bundled as pressing bundles them, and runs of them on either engine. */
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { readApp, readAssets, type App } from '../../../loader/copier/app.js'
import { bundleApp } from '../../../loader/copier/bundle.js'
import { manifestLimits } from '../../../loader/launch.js'
import {
  launch,
  type AssetSource,
  type Engine,
  type Guest,
  type LaunchOptions,
  type Limits,
  type SaveStore,
  type TerminalHost
} from '../../../sandbox/index.js'

const ROOT = fileURLToPath(new URL('../../../..', import.meta.url))

/** Path of an app, from the root of the project. */
export const sample = (path: string): string => join(ROOT, path)

export const ENGINES: readonly Engine[] = ['quickjs', 'ses']

export interface TitleSource {
  readonly source: Uint8Array
  readonly assets: AssetSource
  readonly limits: Partial<Limits>
}

/** @param path - An app, as `coffer press` takes it, from the root of the project. */
export async function bundleTitle(path: string): Promise<TitleSource> {
  const app = readApp(sample(path))
  const { source } = await bundleApp(app)
  return { source, assets: assetsOf(app), limits: manifestLimits(app) }
}

function assetsOf(app: App): AssetSource {
  const files = new Map(readAssets(app).map(({ name, bytes }) => [name, bytes]))
  return {
    list: () => [...files].map(([name, { length }]) => ({ path: name, sizeBytes: length })),
    read(name, range = undefined) {
      const bytes = files.get(name)
      if (bytes === undefined) throw new Error(`no asset ${name}`)
      return range === undefined
        ? new Uint8Array(bytes)
        : bytes.slice(range.offsetBytes, range.offsetBytes + range.lengthBytes)
    }
  }
}

/** A store that outlives runs. */
export function saveStore(
  slots = new Map<string, Uint8Array>()
): SaveStore & { readonly slots: typeof slots } {
  return {
    slots,
    list: () => [...slots.keys()],
    read: slot => slots.get(slot)?.slice(),
    commit(changes) {
      for (const { slot, bytes } of changes) {
        if (bytes === undefined) slots.delete(slot)
        else slots.set(slot, bytes.slice())
      }
    },
    revision: () => 0
  }
}

export interface Run {
  readonly exitCode: number
  readonly stdout: string
  readonly stderr: string
  readonly cpuMs: number
  readonly wallMs: number
}

export interface RunOptions {
  readonly args?: readonly string[]
  readonly save?: SaveStore
  readonly terminal?: TerminalHost
}

/** Run a title to its end, with the capabilities it has a use for. */
export async function runTitle(title: TitleSource, engine: Engine, options: RunOptions = {}): Promise<Run> {
  const output = { stdout: '', stderr: '' }
  const collect = (stream: keyof typeof output) => (bytes: Uint8Array) => {
    output[stream] += new TextDecoder().decode(bytes)
  }
  const started = performance.now()
  await using guest = await startTitle(title, engine, {
    capabilities: {
      assets: title.assets,
      ...(options.save && { save: options.save }),
      ...(options.terminal && { terminal: options.terminal })
    },
    stdout: collect('stdout'),
    stderr: collect('stderr')
  })
  const exitCode = await guest.run(options.args ?? [])
  return { exitCode, ...output, cpuMs: guest.usage().cpuMs, wallMs: performance.now() - started }
}

/** Start a title under the limits of its manifest. */
export const startTitle = (title: TitleSource, engine: Engine, options: LaunchOptions = {}): Promise<Guest> =>
  launch(title.source, { engine, limits: title.limits, ...options })
