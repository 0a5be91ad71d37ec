/** `coffer run`: a title from its medium. Imports as little as it can: this is what people wait for. */
import { CofferError } from '../../../formats/errors.js'
import { asTyped } from '../../../formats/wording.js'
import type { VerifiedGrant } from '../../../formats/records/grant.js'
import type { ParsedManifest } from '../../../formats/records/manifest.js'
import type { Engine } from '../../../sandbox/guest.js'
import { Home } from '../../home.js'
import { manifestLimits } from '../../launch.js'
import { launchTitle } from '../../load.js'
import { measureMedium } from '../../medium/measure.js'
import { POWERS } from '../../powers.js'
import { claimsLicense, gone, listTitles, titleThatSaved } from '../../read.js'
import { timeText } from '../../times.js'
import type { Call, Outcome } from '../command.js'
import { harden } from '../harden.js'
import { printable } from '../../../formats/screen.js'
import { say } from '../output.js'
import { checkAllowed, permitted } from '../permissions.js'
import { limitsOf, RUN_CPU_MS, runProgram } from '../program.js'

export async function execute(call: Call): Promise<Outcome> {
  harden()
  checkAllowed(call.list('allow'))
  const root = call.argument('medium')
  const home = new Home()
  const titleId = call.optional('title') ?? onlyTitle(root, home)
  let release = 0
  const { exitCode, usage } = await runProgram(call, (process, terminal) =>
    launchTitle(root, titleId, home, POWERS, async (manifest: ParsedManifest, grant: VerifiedGrant) => {
      release = manifest.release
      tellGrace(root, grant)
      const { permissions, net } = await permitted(manifest, call, home, process.signal)
      const engine = call.text('engine') as Engine | undefined
      const seed = call.number('seed')
      return {
        ...process,
        ...(engine === undefined ? {} : { engine }),
        ...(seed === undefined ? {} : { seed }),
        limits: { cpuMs: RUN_CPU_MS, ...manifestLimits(manifest), ...limitsOf(call) },
        capabilities: {
          ...(permissions.includes('terminal') ? { terminal: await terminal() } : {}),
          ...(permissions.includes('save') ? { save: true } : {}),
          ...(net === undefined ? {} : { net })
        }
      }
    })
  )
  return { data: { title: titleId, release, exitCode, usage }, text: '', exitCode }
}

/** A lease that has ended and still runs: the person should know before it does not. */
function tellGrace(root: string, { titleId, expires, grace = 0 }: VerifiedGrant): void {
  if (expires === undefined || POWERS.now() < expires) return
  say(`The lease of ${titleId} ended on ${timeText(expires)}, and runs until ${timeText(expires + grace)}.`)
  say(`Renew it with "coffer renew ${printable(asTyped(root))} ${titleId}".`)
}

/** The only title there, or else the only one that this person has a license for. */
function onlyTitle(root: string, home: Home): string {
  const titles = listTitles(root)
  if (titles.length === 1) return titles[0]!.titleId
  measureMedium(root) // says so when this is no medium at all
  if (titles.length === 0) {
    const left = titleThatSaved(root, home.userKeys()?.userId)
    if (left !== undefined) throw gone(root, left)
    throw new CofferError('COFFER_TITLE_MISSING', 'There is no title on this medium.', {
      expected: 'a title that was copied to it',
      found: 'none',
      hint: `Copy one to it with "coffer copy <master> ${asTyped(root)}".`
    })
  }
  const userId = home.userKeys()?.userId
  const own = titles.filter(({ titleId }) => claimsLicense(root, titleId, userId))
  if (own.length === 1) return own[0]!.titleId
  const told = own.length > 0 ? own : titles
  throw new CofferError('COFFER_USAGE', 'There is more than one title on this medium.', {
    expected: 'one of them',
    found: told.map(({ titleId }) => titleId).join(', '),
    hint: `Say which one: coffer run ${asTyped(root)} ${told[0]!.titleId}`
  })
}
