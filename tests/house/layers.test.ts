/** Imports point down, type imports too, without cycles; each library is spoken to from one place. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { importsOf, projectFiles } from '../helpers/tree.js'

/** What each folder may import from, itself aside. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  formats: [],
  sandbox: ['formats/errors.ts', 'formats/bytes.ts'],
  loader: ['sandbox', 'formats'],
  center: ['formats'],
  samples: []
}

/** Packages and the modules that may speak to them. */
const ONLY_FROM: readonly (readonly [RegExp, RegExp])[] = [
  [/^msgpackr/, /^formats\/msgpack\.ts$/],
  [/^ses$/, /^sandbox\/ses/],
  [/^(?:quickjs-emscripten|@jitl\/)/, /^scripts\//],
  [/^esbuild$/, /^(?:loader\/copier\/bundle|scripts\/.*)\.ts$/],
  [/^(?:hono|@hono\/)/, /^center\//],
  [/^(?:kysely|@photostructure\/sqlite)$/, /^(?:center\/|scripts\/bench-center\.ts)/],
  [/^(?:pino|prom-client)$/, /^center\/http\/watch\.ts$/],
  [/^structured-headers$/, /^center\/http\/message-signature\.ts$/],
  [/^stripe$/, /^center\/payment\.ts$/],
  [/^nodemailer$/, /^center\/mail\.ts$/],
  [/^pg$/, /^(?:center\/books\/postgres|scripts\/postgres|scripts\/bench-center)\.ts$/],
  [/^node:crypto$/, /^(?:formats\/primitives|loader\/powers|center\/|sandbox\/|scripts\/)/],
  [/^node:fs/, /^(?:loader\/|center\/|sandbox\/|samples\/hosts\/|scripts\/)/],
  [/^coffer(?:\/|$)/, /^samples\//]
]

const modules = projectFiles().filter(
  path => /^(?:formats|sandbox|loader|center|samples|scripts)\/.*\.ts$/.test(path) && !path.endsWith('.d.ts')
)
const under = (path: string, place: string) => path === place || path.startsWith(`${place}/`)

test('every folder imports only what lies below it', () => {
  const wrong: string[] = []
  for (const path of modules) {
    const folder = path.split('/')[0]!
    const allowed = MAY_IMPORT[folder]
    if (allowed === undefined) continue
    for (const target of importsOf(path)) {
      if (!/^(?:formats|sandbox|loader|center|samples|scripts|tests)\//.test(target) || under(target, folder))
        continue
      if (!allowed.some(place => under(target, place))) wrong.push(`${path} imports ${target}`)
    }
  }
  assert.equal(wrong, [])
})

test('formats know no file system, clock, randomness or network', () => {
  const wrong = modules
    .filter(path => under(path, 'formats'))
    .flatMap(path => importsOf(path).map(target => ({ path, target })))
    .filter(
      ({ path, target }) =>
        target.startsWith('node:') && !(target === 'node:crypto' && path === 'formats/primitives.ts')
    )
  assert.equal(wrong, [])
})

test('each library is spoken to from one place', () => {
  const wrong: string[] = []
  for (const path of modules) {
    for (const target of importsOf(path)) {
      for (const [library, place] of ONLY_FROM) {
        if (library.test(target) && !place.test(path)) wrong.push(`${path} imports ${target}`)
      }
    }
  }
  assert.equal(wrong, [])
})

test('no module imports itself, however indirectly', () => {
  const graph = new Map(
    modules.map(path => [path, importsOf(path).filter(target => modules.includes(target))])
  )
  const done = new Set<string>()
  const visit = (path: string, trail: readonly string[]): void => {
    assert.not.ok(
      trail.includes(path),
      `a cycle: ${[...trail.slice(trail.indexOf(path)), path].join(' -> ')}`
    )
    if (done.has(path)) return
    for (const target of graph.get(path) ?? []) visit(target, [...trail, path])
    done.add(path)
  }
  for (const path of modules) visit(path, [])
})

test('the check itself sees imports of every form', () => {
  assert.ok(importsOf('loader/recheck.ts').includes('loader/home.ts'), 'a type import')
  assert.ok(
    importsOf('sandbox/launch.ts').some(target => target.startsWith('sandbox/quickjs/')),
    'a dynamic import'
  )
  assert.ok(modules.length > 50)
})

test.run()
