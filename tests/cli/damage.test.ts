/** Media that were damaged or tampered with: no byte of them may change unseen, and nothing of the title comes out. */
import {
  chmodSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync
} from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  filesBelow,
  HELLO_OUTPUT,
  jsonOf,
  newSite,
  SCHEMES,
  type Ran,
  type SchemeName,
  type Site
} from '../helpers/site.js'
import { Seeded } from '../helpers/seeded.js'

const CHANGES = 200
/** Damaged or forged, missing, refused. */
const REFUSALS = [65, 66, 77]

let site: Site
test.before(async () => {
  site = await newSite()
})
test.after(() => site.close())

/** Files of a medium, each put back in place: a new file would be another medium. */
async function damageable(scheme: SchemeName) {
  const medium = await site.medium(scheme)
  const files = filesBelow(medium).map(name => {
    const path = join(medium, name)
    chmodSync(path, 0o644)
    return { name, path, bytes: readFileSync(path) }
  })
  assert.equal(
    files.map(({ name }) => name.replace(/^\.coffer\//, '').replace(/\/.*/, '')),
    ['grants', 'identity', 'revocations', 'titles']
  )
  return { medium, files }
}

function assertRefused(ran: Ran, what: string): void {
  assert.ok(REFUSALS.includes(ran.code!), `${what}: ended with ${ran.code ?? ran.signal} ${ran.stdout}`)
  assert.equal(Object.keys(jsonOf(ran)), ['error'], what)
  // With --json a title's output would be here.
  assert.is(ran.stderr, '', what)
}

for (const scheme of SCHEMES) {
  test(`${CHANGES / 2} changes of one byte, over all files: ${scheme}`, async () => {
    const { medium, files } = await damageable(scheme)
    const seeded = new Seeded(`changed bytes, ${scheme}`)
    for (let change = 0; change < CHANGES / 2; change++) {
      const { name, path, bytes } = files[change % files.length]!
      const at = seeded.below(bytes.length)
      const changed = Buffer.from(bytes)
      changed[at]! ^= 1 + seeded.below(255)
      writeFileSync(path, changed)
      const ran = await site.coffer('run', medium, '--json')
      writeFileSync(path, bytes)
      assertRefused(ran, `${name} byte ${at}: ${bytes[at]} became ${changed[at]}`)
    }
    const { code, stdout } = await site.coffer('run', medium)
    assert.equal([code, stdout], [0, HELLO_OUTPUT])
  })

  test(`every file cut short, run on, empty, missing: ${scheme}`, async () => {
    const { medium, files } = await damageable(scheme)
    for (const { name, path, bytes } of files) {
      for (const length of [0, bytes.length >> 1, bytes.length - 1]) {
        truncateSync(path, length)
        assertRefused(await site.coffer('run', medium, '--json'), `${name} cut to ${length}`)
        writeFileSync(path, bytes)
      }
      writeFileSync(path, Buffer.concat([bytes, Buffer.of(0)]))
      assertRefused(await site.coffer('run', medium, '--json'), `${name} with a byte more`)
      writeFileSync(path, bytes)

      renameSync(path, `${path}.away`)
      const ran = await site.coffer('run', medium, '--json')
      renameSync(`${path}.away`, path)
      assertRefused(ran, `${name} missing`)
    }
    assert.is((await site.coffer('run', medium)).code, 0)
  })

  test(`list and verify name what is damaged, and go on: ${scheme}`, async () => {
    const { medium, files } = await damageable(scheme)
    for (const { name, path, bytes } of files.filter(({ name }) => /grants|titles/.test(name))) {
      const changed = Buffer.from(bytes)
      changed[changed.length >> 1]! ^= 1
      // The middle of a title's file may be payload, which listing does not open.
      if (name.includes('titles')) changed[60]! ^= 1
      writeFileSync(path, changed)
      const [listed, verified] = [
        await site.coffer('list', medium, '--json'),
        await site.coffer('verify', medium, '--json')
      ]
      writeFileSync(path, bytes)
      assert.is(listed.code, 65, name)
      assert.equal(
        jsonOf(listed).damaged.map((file: { path: string }) => file.path),
        [path]
      )
      assert.ok(REFUSALS.includes(verified.code!), name)
      assert.match(jsonOf(verified).verdict, /^COFFER_/)
    }
  })
}

test('list tells a grant that leads nowhere, and one whose title is gone, from damage', async () => {
  const medium = await site.copied(site.app('org.example.lost', 'export default () => 0'))
  const grants = join(medium, '.coffer/grants')
  const titles = join(medium, '.coffer/titles')
  rmSync(join(titles, 'org.example.lost-1.title'))
  if (process.platform !== 'win32') symlinkSync('nowhere', join(grants, 'org.example.dangling.grant'))
  const shown = await site.coffer('list', medium)
  assert.is(shown.code, 66, shown.stderr)
  assert.match(shown.stderr, /a grant for org\.example\.lost, but no sealed title/)
  if (process.platform !== 'win32') assert.match(shown.stderr, /a link to a file that is not there/)
  assert.not.match(shown.stderr, 'is damaged')
})

test.run()
