/** The app with competing plugins, as its user starts it. */
import { spawnSync } from 'node:child_process'
import { cpSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { mediumPaths } from '../../loader/medium/layout.js'
import { soldTitles } from './helpers/sold.js'

const TIDY = fileURLToPath(new URL('../../samples/hosts/tidy/main.js', import.meta.url))
const { folder, home, medium } = await soldTitles('tidy-json', 'tidy-csv', 'tidy-ini')

function tidy(text: string, on = medium) {
  const file = join(folder, 'file')
  writeFileSync(file, text)
  const env = { ...process.env, COFFER_HOME: home.folder }
  const { status, stdout, stderr } = spawnSync(process.execPath, [TIDY, on, file], { env, encoding: 'utf8' })
  return { status, stdout, stderr }
}

test('tidy lets the plugin format that bids highest', () => {
  for (const [text, winner, formatted] of [
    [
      '{"b": [1, {"d": 2, "c": 3}], "a": 4}',
      'json',
      '{\n  "a": 4,\n  "b": [\n    1,\n    {\n      "c": 3,\n      "d": 2\n    }\n  ]\n}\n'
    ],
    ['name,city\nAda,London\nGrace,New York\n', 'csv', 'name   city\nAda    London\nGrace  New York\n'],
    ['# a file\nname=Ada\n[place]\ncity =London', 'ini', '# a file\nname = Ada\n[place]\ncity = London\n']
  ] as const) {
    const { status, stdout, stderr } = tidy(text)
    assert.is(status, 0, stderr)
    assert.is(stdout, formatted)
    assert.match(stderr, `tidy: org.example.tidy-${winner}, with`)
  }
})

test('tidy says so where nobody understands a file', () => {
  const { status, stdout, stderr } = tidy('Call me Ishmael.')
  assert.equal([status, stdout], [1, ''])
  assert.match(stderr, 'no plugin understands this file')
})

test('a plugin that was not bought, or is damaged, keeps nobody from bidding', () => {
  const paths = mediumPaths(medium)
  rmSync(paths.grant('org.example.tidy-json'))
  writeFileSync(paths.grant('org.example.tidy-csv'), 'no grant')
  const { status, stdout, stderr } = tidy('name=Ada')
  assert.is(status, 0, stderr)
  assert.is(stdout, 'name = Ada\n')
  for (const id of ['json', 'csv'])
    assert.match(stderr, new RegExp(`org\\.example\\.tidy-${id} does not bid: .+`))
})

test('on another medium no plugin bids', () => {
  const other = join(folder, 'other')
  cpSync(medium, other, { recursive: true, preserveTimestamps: true })
  assert.is(tidy('name=Ada', other).status, 1)
  assert.is(tidy('name=Ada', join(folder, 'nowhere')).status, 66)
})

test.run()
