/** A title whose new release came between the reading of its grant and of its sealed file was told to be missing. */
import { cpSync, mkdirSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Home } from '../../loader/home.js'
import { mediumPaths } from '../../loader/medium/layout.js'
import { verifyTitle } from '../../loader/verify.js'
import { closeSites, librarySite, SCHEMES } from '../helpers/library-site.js'
import { rejectsWith } from '../helpers/rejects.js'

const site = await librarySite()
test.after(closeSites)

const PARTS = ['grants', 'titles']

/** Put these grants and titles on a medium, as a copy does: what is new first, what is old goes then. */
function put(from: string, root: string): void {
  for (const part of PARTS) {
    const to = join(mediumPaths(root).folder, part)
    cpSync(join(from, part), to, { recursive: true })
    for (const name of readdirSync(to))
      if (!readdirSync(join(from, part)).includes(name)) rmSync(join(to, name))
  }
}

/** Does something once, when the signature of a grant is looked at: after it was read, before its title is. */
class BusyHome extends Home {
  interrupt: (() => void) | undefined

  override centers() {
    const { interrupt } = this
    this.interrupt = undefined
    interrupt?.()
    return super.centers()
  }
}

for (const [before, after] of SCHEMES.flatMap(one => SCHEMES.map(two => [one, two] as const))) {
  test(`a ${before} title that one of ${after} replaces while it is read runs and verifies as it is now`, async () => {
    const id = `org.replaced.${before}.${after}`
    const release = (number: number) =>
      site.press(id, {
        scheme: number === 1 ? before : after,
        release: number,
        source: `console.log(${number}); export default () => 0`
      })
    const root = site.prepare()
    const states: string[] = []
    for (const number of [1, 2]) {
      await site.copy((await release(number)).master, root, id)
      const state = site.path(`state-${before}-${after}-${number}`)
      mkdirSync(state)
      for (const part of PARTS)
        cpSync(join(mediumPaths(root).folder, part), join(state, part), { recursive: true })
      states.push(state)
    }
    const [old, current] = states as [string, string]
    const home = new BusyHome(site.home.folder)

    put(old, root)
    home.interrupt = () => put(current, root)
    const report = verifyTitle(root, id, home, site.powers)
    assert.equal([report.verdict, report.release, report.scheme], ['ok', 2, after])
    assert.is('certificate' in report, after === 'certificate')
    assert.is('unwrapped' in report, after === 'conversion')

    put(old, root)
    home.interrupt = () => put(current, root)
    assert.is((await site.run(root, id, {}, home)).stdout, '2\n')

    // Where no other grant has come, the title is missing, as before.
    rmSync(join(mediumPaths(root).titles), { recursive: true })
    await rejectsWith('COFFER_TITLE_MISSING', () => site.launch(root, id, {}, home))
  })
}

test.run()
