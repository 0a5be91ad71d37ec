/** Each real title, pressed under each scheme, runs from its medium on each engine, as a buyer types it. */
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { expectSuccess, newSite, ROOT, SCHEMES, type SchemeName } from '../helpers/site.js'

const TITLES = [
  {
    app: 'samples/titles/wick',
    id: 'org.example.wick',
    allow: ['--allow', 'terminal', '--allow', 'save'],
    args: ['--seed', '7', '--keys', 'offfofffia?xmx>>'],
    says: /^map +[0-9a-f]{8}$/m
  },
  {
    app: 'samples/titles/markdown',
    id: 'org.example.markdown',
    allow: [],
    args: ['# Hello', '', '```js', 'const licensed = true', '```'],
    says: /<h1 id="hello">Hello<\/h1>[\s\S]*hljs-keyword/
  }
] as const

const site = await newSite()

test.after(() => site.close())

for (const { app, id, allow, args, says } of TITLES) {
  test(`${id} runs from both schemes and on both engines, and says the same`, async () => {
    const outputs = new Set<string>()
    for (const scheme of SCHEMES) {
      const medium = await pressedAndCopied(app, id, scheme)
      for (const engine of ['quickjs', 'ses']) {
        const ran = await site.coffer('run', medium, id, '--engine', engine, ...allow, '--', ...args)
        outputs.add(expectSuccess(ran).stdout)
      }
    }
    assert.is(outputs.size, 1)
    assert.match([...outputs][0]!, says)
  })
}

async function pressedAndCopied(app: string, id: string, scheme: SchemeName): Promise<string> {
  const master = site.fresh('master')
  const publisher = ['--center', site.url, '--publisher', site.publisherFile]
  expectSuccess(
    await site.coffer('press', join(ROOT, app), '--out', master, ...publisher, '--scheme', scheme)
  )
  const medium = await site.prepared()
  expectSuccess(await site.coffer('copy', master, medium, '--title', id))
  return medium
}

test.run()
