/** Rules of the house that no compiler checks. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ERROR_CODES } from '../../formats/errors.js'
import { LABELS } from '../../formats/labels.js'
import { projectFiles, read } from '../helpers/tree.js'

const files = projectFiles()
const sources = files.filter(path => /\.(?:ts|mjs)$/.test(path))

const lastLine = (text: string): string => text.trimEnd().split('\n').at(-1)!

test('every test file runs its tests', () => {
  // conform() makes one suite for each engine, and runs it.
  assert.match(read('tests/sandbox/conformance.ts'), '.run()')
  const runs = /(?:\.run\(\)|^conform\(.*\))\s*$/m
  const silent = files.filter(path => path.endsWith('.test.ts') && !runs.test(lastLine(read(path))))
  assert.equal(silent, [])
})

test('docs/errors.md has one heading per code, and no other', () => {
  const headings = [...read('docs/errors.md').matchAll(/^### (COFFER_[A-Z_]+)$/gm)].map(([, code]) => code)
  assert.equal([...headings].sort(), Object.keys(ERROR_CODES).sort())
})

test('every error says what to do next', () => {
  const made = sources
    .filter(path => /^(?:formats|loader|sandbox|center)\//.test(path))
    .flatMap(path => {
      const text = read(path)
      return [...text.matchAll(/new (?:CofferError|Refusal)\(/g)].map(({ index }) => ({
        place: `${path}:${text.slice(0, index).split('\n').length}`,
        call: callAt(text, index)
      }))
    })
  assert.ok(made.length > 250)
  assert.equal(
    made.filter(({ call }) => !/\bhint\b/i.test(call)).map(({ place }) => place),
    []
  )
})

/** From a place in a source to where the brackets that open after it are closed. */
function callAt(text: string, start: number): string {
  let depth = 0
  for (let i = text.indexOf('(', start); i < text.length; i++) {
    if ('([{'.includes(text[i]!)) depth++
    if (')]}'.includes(text[i]!) && --depth === 0) return text.slice(start, i + 1)
  }
  return text.slice(start)
}

test('every error code is used', () => {
  const text = sources
    .filter(path => !/^(?:tests\/|formats\/errors\.ts)/.test(path))
    .map(read)
    .join('\n')
  assert.equal(
    Object.keys(ERROR_CODES).filter(code => !text.includes(`'${code}'`)),
    []
  )
})

test('every label is in the table once, and used', () => {
  assert.is(new Set(LABELS).size, LABELS.length)
  const text = sources
    .filter(path => /^(?:formats|loader|center)\//.test(path) && path !== 'formats/labels.ts')
    .map(read)
    .join('\n')
  const unused = LABELS.filter(
    label =>
      !text.includes(`'${label}'`) &&
      !label.startsWith('signed/') &&
      !/^(?:user|publisher)-(?:sign|seal)$/.test(label) &&
      !label.startsWith('wrap-')
  )
  assert.equal(unused, [])
})

test('nothing but the project speaks in its files', () => {
  // Put together here, so that this file does not name them itself.
  const foreign = [
    ['npm', 'js.org'],
    ['/ro', 'ot/'],
    ['/work', '/main'],
    ['art', 'ifactory'],
    ['nex', 'us.']
  ].map(parts => parts.join(''))
  const text = files.filter(
    path => /\.(?:ts|mjs|md|json|sh|txt)$|^\.ci\//.test(path) && path !== 'tests/house/rules.test.ts'
  )
  const found = text.flatMap(path =>
    foreign.filter(word => read(path).includes(word)).map(word => `${path}: ${word}`)
  )
  assert.equal(found, [])
})

test('every file is of a kind that the project has, and none is what a run or a tool left', () => {
  const kinds = /\.(?:ts|mjs|cjs|md|json|txt|svg|sh)$|^(?:LICENSE|\.ci\/run|\.gitignore|\.npmrc)$/
  assert.equal(
    files.filter(path => !kinds.test(path)),
    []
  )
})

test('package-lock.json names no registry', () => {
  const lock = JSON.parse(read('package-lock.json')) as {
    packages: Record<string, { resolved?: string; version?: string }>
  }
  assert.equal(
    Object.entries(lock.packages).filter(([, { resolved }]) => resolved !== undefined),
    []
  )
})

test('package-lock.json has an entry for every platform, so that npm ci accepts it anywhere', () => {
  const { packages } = JSON.parse(read('package-lock.json')) as {
    packages: Record<string, { optionalDependencies?: Record<string, string> }>
  }
  const named = Object.values(packages).flatMap(entry => Object.keys(entry.optionalDependencies ?? {}))
  assert.ok(named.length > 50)
  assert.equal(
    named.filter(name => packages[`node_modules/${name}`] === undefined),
    []
  )
})

test('dependencies are pinned exactly', () => {
  const { dependencies, devDependencies } = JSON.parse(read('package.json')) as Record<
    string,
    Record<string, string>
  >
  const loose = Object.entries({ ...dependencies, ...devDependencies }).filter(
    ([, version]) => !/^\d+\.\d+\.\d+(?:-[a-z]+\.\d+)?$/.test(version)
  )
  assert.equal(loose, [])
})

test.run()
