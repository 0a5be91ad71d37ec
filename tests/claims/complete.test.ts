/** Whether anything of the seed has no test here: docs/seed.md lists it all, and the titles of tests name it. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { projectFiles, read } from '../helpers/tree.js'

/** The first column of the table under a heading. */
function namesUnder(heading: string): string[] {
  const section = read('docs/seed.md').split(`\n## ${heading}\n`)[1]!.split('\n## ')[0]!
  const [, , ...rows] = section.split('\n').filter(line => line.startsWith('|'))
  return rows.map(row => row.split('|')[1]!.trim())
}

const TITLE = /^ *test\(\s*(?:'((?:\\.|[^'\\])+)'|"((?:\\.|[^"\\])+)"|`([^`]+)`)/gm
const titles = projectFiles()
  .filter(path => /^tests\/claims\/.*\.test\.ts$/.test(path))
  .flatMap(path => [...read(path).matchAll(TITLE)].map(([, ...quoted]) => quoted.find(Boolean)!))

for (const heading of ['Figures', 'Steps', 'Claims']) {
  test(`every one of the ${heading.toLowerCase()} in docs/seed.md has a test that begins with its name`, () => {
    const names = namesUnder(heading)
    assert.ok(names.length >= 7, heading)
    for (const name of names) {
      const shown = titles.some(title => title.toLowerCase().startsWith(`${name.toLowerCase()}: `))
      assert.ok(shown, `no test shows ${name}`)
    }
  })
}

test('every element in docs/seed.md is named by a test, with its number', () => {
  const numbers = namesUnder('Elements')
  assert.is(numbers.length, 38)
  for (const number of numbers) {
    const named = titles.some(title => new RegExp(`\\((?:\\d+, )*${number}(?:, \\d+)*\\)`).test(title))
    assert.ok(named, `no test names element ${number}`)
  }
})

test.run()
