/** `coffer dev`: an app's source in the same sandbox, without press, center or medium. */
import { CofferError } from '../../../formats/errors.js'
import { launch, type AssetSource, type Engine, type SaveStore } from '../../../sandbox/index.js'
import { readApp, type App } from '../../copier/app.js'
import { packageContents } from '../../copier/press.js'
import { manifestLimits, saveQuotaBytes } from '../../launch.js'
import { checkSaveQuota } from '../../saves.js'
import type { Call, Outcome } from '../command.js'
import { say } from '../output.js'
import { limitsOf, RUN_CPU_MS, runProgram } from '../program.js'

export async function execute(call: Call): Promise<Outcome> {
  const app = readApp(call.argument('app'))
  checkOffered(app)
  const { source, contents, locate } = await packageContents(app, () => {})
  const asks = (permission: string) => app.permissions.includes(permission)
  if (asks('save')) say('What the app saves is kept in memory, and gone when it ends.')
  const { exitCode, usage } = await runProgram(call, async (process, terminal) => {
    const seed = call.number('seed')
    return launch(source, {
      ...process,
      engine: (call.text('engine') as Engine | undefined) ?? app.engine,
      ...(seed === undefined ? {} : { seed }),
      name: `${app.id}.js`,
      locate,
      limits: { cpuMs: RUN_CPU_MS, ...manifestLimits(app), ...limitsOf(call) },
      capabilities: {
        ...(app.assetsFolder === undefined && !asks('assets') ? {} : { assets: assetsOf(contents) }),
        license: { kind: 'perpetual', features: call.list('feature'), expires: null },
        ...(app.net === undefined ? {} : { net: { allow: app.net } }),
        ...(asks('terminal') ? { terminal: await terminal() } : {}),
        ...(asks('save') ? { save: memorySaves(saveQuotaBytes(app)) } : {})
      }
    })
  })
  return { data: { title: app.id, release: app.release, exitCode, usage }, text: '', exitCode }
}

function checkOffered({ name, permissions }: App): void {
  if (!permissions.includes('host')) return
  throw new CofferError(
    'COFFER_PERMISSION_NEEDED',
    `"${name}" asks for "host", which "coffer dev" does not offer.`,
    {
      hint: 'Try it from an app that embeds coffer, with "coffer/sandbox".'
    }
  )
}

function assetsOf(contents: Awaited<ReturnType<typeof packageContents>>['contents']): AssetSource {
  const assets = new Map(
    contents.filter(({ role }) => role === 'asset').map(({ name, bytes }) => [name, bytes])
  )
  return {
    list: () => [...assets].map(([path, { length }]) => ({ path, sizeBytes: length })),
    read(path, range = { offsetBytes: 0, lengthBytes: Infinity }) {
      const bytes = assets.get(path)
      if (bytes === undefined) {
        throw new CofferError('COFFER_FILE_MISSING', 'The app has no such asset.', {
          hint: 'list() of coffer:assets tells those that it has.'
        })
      }
      return bytes.slice(range.offsetBytes, range.offsetBytes + range.lengthBytes)
    }
  }
}

function memorySaves(quotaBytes: number): SaveStore {
  let slots = new Map<string, Uint8Array>()
  return {
    list: () => [...slots.keys()].sort(),
    read: slot => slots.get(slot)?.slice(),
    commit(changes) {
      const next = new Map(slots)
      for (const { slot, bytes } of changes) {
        if (bytes === undefined) next.delete(slot)
        else next.set(slot, bytes.slice())
      }
      checkSaveQuota(
        quotaBytes,
        [...next.values()].map(bytes => bytes.length)
      )
      slots = next
    },
    // Nobody else has them.
    revision: () => 0
  }
}
