/** The documents and the code say the same: links, sections, names, tables. */
import { existsSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { program } from '../../center/cli/program.js'
import { fromHex, hex } from '../../formats/bytes.js'
import { enc } from '../../formats/encode.js'
import { ERROR_CODES } from '../../formats/errors.js'
import { RECORD_TYPES } from '../../formats/frame.js'
import { LABELS } from '../../formats/labels.js'
import { sha256 } from '../../formats/primitives.js'
import { COMMANDS } from '../../loader/cli/commands.js'
import { DEFAULT_LIMITS } from '../../sandbox/guest.js'
import { projectFiles, read, ROOT } from '../helpers/tree.js'

const files = projectFiles()
const pages = files.filter(path => path.endsWith('.md'))
const sources = files.filter(path => /\.(?:ts|mjs)$/.test(path) && path !== 'tests/house/docs.test.ts')
const spec = read('docs/spec.md')

/** A page without its code blocks, which link to nothing. */
const prose = (page: string): string => read(page).replace(/^```[\s\S]*?^```$/gm, '')

/** A section of the spec, to the next heading of its level or above. */
function section(number: string): string {
  const level = '#'.repeat(number.split('.').length + 1)
  const start = spec.search(new RegExp(`^${level} ${number.replace('.', '\\.')} `, 'm'))
  assert.ok(start >= 0, `docs/spec.md has no section ${number}`)
  const rest = spec.slice(start + level.length)
  const end = rest.search(new RegExp(`^#{2,${level.length}} `, 'm'))
  return end < 0 ? rest : rest.slice(0, end)
}

/** The cells of a table's rows, head and ruler left out. */
const rows = (text: string): string[][] =>
  [...text.matchAll(/^\|(.*)\|$/gm)]
    .map(([, row]) => row!.split(/(?<!\\)\|/).map(cell => cell.trim()))
    .filter(([first]) => !/^-+$/.test(first!))

/** As hosts of code make an anchor of a heading. */
const anchor = (heading: string): string =>
  heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .replace(/\s/g, '-')

test('every relative link leads to a file, and to a heading in it', () => {
  const broken: string[] = []
  for (const page of pages) {
    for (const [, target] of prose(page).matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(target!)) continue
      const [path = '', heading] = target!.split('#')
      const file = path === '' ? page : normalize(join(dirname(page), path)).replaceAll('\\', '/')
      if (!existsSync(join(ROOT, file))) broken.push(`${page}: ${target}`)
      else if (heading !== undefined && file.endsWith('.md')) {
        const anchors = [...read(file).matchAll(/^#+ (.+)$/gm)].map(([, text]) => anchor(text!))
        if (!anchors.includes(heading)) broken.push(`${page}: ${target}`)
      }
    }
  }
  assert.equal(broken, [])
})

test('every section of the spec that the code names is there', () => {
  const sections = new Set([...spec.matchAll(/^#{2,4} (\d+(?:\.\d+)*) /gm)].map(([, number]) => number!))
  let named = 0
  const missing: string[] = []
  for (const path of sources) {
    for (const [, number] of read(path).matchAll(/(?:docs\/spec\.md |\()§(\d+(?:\.\d+)*)/g)) {
      named++
      if (!sections.has(number!)) missing.push(`${path}: §${number}`)
    }
  }
  assert.equal(missing, [])
  assert.ok(named > 30, `only ${named} references found`)
})

test("the spec's labels are those of formats/labels.ts, in their order", () => {
  const labels = rows(section('2.1')).map(([label]) => label!.replaceAll('`', ''))
  assert.equal(labels.slice(1), [...LABELS])
})

test("the spec's record types are the code's", () => {
  const types = rows(section('2.3')).filter(([, type, signer]) => /^\d+$/.test(type!) && signer !== undefined)
  const records = types.filter(([name]) => !/^\d/.test(name!)).map(([name, type]) => [name, Number(type)])
  assert.equal(Object.fromEntries(records), RECORD_TYPES)
})

test("the spec's exit codes are the code's, and docs/errors.md groups each code under its own", () => {
  const listed = rows(section('10.3')).flatMap(([code]) => (/^\d+$/.test(code!) ? [Number(code)] : []))
  assert.equal([...listed].sort(), [...new Set<number>(Object.values(ERROR_CODES))].sort())
  const grouped: Record<string, number> = {}
  for (const group of read('docs/errors.md').split(/^## /m).slice(1)) {
    const exitCode = Number(/^(\d+)/.exec(group)?.[1])
    for (const [, code] of group.matchAll(/^### (COFFER_[A-Z_]+)$/gm)) grouped[code!] = exitCode
  }
  assert.equal(grouped, { ...ERROR_CODES })
})

test('docs/errors.md says of each code what happened, why, and what to do', () => {
  const parts = /^### (COFFER_[A-Z_]+)\n\n\S[\s\S]*?\n\n- Causes: \S[\s\S]*?\n- Do: \S/
  const entries = read('docs/errors.md')
    .split(/^(?=### )/m)
    .slice(1)
  assert.equal(
    entries.filter(entry => !parts.test(entry)).map(entry => entry.split('\n')[0]),
    []
  )
})

test('every code and command that a document names is there', () => {
  const codes = new Set<string>(Object.keys(ERROR_CODES))
  const settings = new Set([
    'COFFER_HOME',
    'COFFER_DEBUG',
    'COFFER_VAULT_KEY',
    'COFFER_VAULT_PASSPHRASE',
    'COFFER_VAULT_NEW_PASSPHRASE',
    'COFFER_VAULT_PIN',
    'COFFER_CENTER_KEY'
  ])
  const commands = new Set(COMMANDS.map(({ name }) => name))
  const centerCommands = new Set(program(false).commands.map(command => command.name()))
  const unknown: string[] = []
  for (const page of pages) {
    const text = read(page)
    for (const [word] of text.matchAll(/\bCOFFER_[A-Z_]+\*?/g)) {
      const known = word.endsWith('_*')
        ? [...codes].some(code => code.startsWith(word.slice(0, -1)))
        : codes.has(word) || settings.has(word)
      if (!known) unknown.push(`${page}: ${word}`)
    }
    for (const [typed, name] of text.matchAll(/(?:^|[`(]|npx )coffer ([a-z]+)/gm)) {
      if (!commands.has(name!)) unknown.push(`${page}: ${typed}`)
    }
    for (const [typed, name] of text.matchAll(/(?:^|[`(]|npx )coffer-center ([a-z]+)/gm)) {
      if (!centerCommands.has(name!)) unknown.push(`${page}: ${typed}`)
    }
  }
  assert.equal(unknown, [])
})

test("the limits that documents name are the sandbox's own", () => {
  const units: Record<string, number> = { KiB: 1024, MiB: 1024 * 1024 }
  const amount = (text: string): number => {
    if (text === 'none') return Infinity
    const [, digits, unit] = /^([\d ]+?)(?: ([KM]iB))?$/.exec(text)!
    return Number(digits!.replaceAll(' ', '')) * (units[unit!] ?? 1)
  }
  for (const text of [section('7.1'), read('docs/hosts.md').split('## Limits')[1]!.split('\n## ')[0]!]) {
    const limits = rows(text).filter(([name]) => name!.startsWith('`'))
    const named = limits.map(([name, value]) => [name!.replaceAll('`', ''), amount(value!)])
    assert.equal(Object.fromEntries(named), { ...DEFAULT_LIMITS })
  }
})

test("the spec's worked example is that of the golden vectors", () => {
  const example = section('4.6')
  const [mediumText = '', certificateText = ''] = [...example.matchAll(/^```\n([\s\S]*?)^```$/gm)].map(
    ([, block]) =>
      [...block!.matchAll(/^ *([0-9a-f]+(?: [0-9a-f]+)*)(?= {2,}|$)/gm)]
        .map(([, digits]) => digits!.replaceAll(' ', ''))
        .join('')
  )
  const vector = (name: string) => read(`tests/vectors/records/derive-${name}.txt`)
  const field = (name: string, key: string) => new RegExp(`^${key}: (.*)$`, 'm').exec(vector(name))![1]!
  const value = (name: string) => vector(name).split('\n\n')[1]!.replaceAll('\n', '')

  assert.is(hex(sha256(fromHex(mediumText))), value('medium-id'))
  const names = ['centerId', 'mediumId', 'grantHash'].map(key => fromHex(field('certificate', key)))
  const [centerId, mediumId, grantHash] = names as [Uint8Array, Uint8Array, Uint8Array]
  const titleId = field('certificate', 'titleId')
  assert.is(certificateText, hex(enc('certificate', centerId, titleId, mediumId, grantHash)))
  for (const name of ['medium-id', 'certification-key', 'certificate', 'title-key'])
    assert.ok(example.includes(value(name)), name)
})

test("the spec's command line is the table of commands", () => {
  const lines = new Map(
    rows(section('10.1')).map(([line]) => [/^`(\w+)/.exec(line!)?.[1], line!.replaceAll('\\|', '|')])
  )
  const wrong: string[] = []
  for (const { name, options } of COMMANDS) {
    const line = lines.get(name) ?? (/`help`, `version`/.test(section('10.1')) ? name : '')
    const listed = [...line.matchAll(/--([a-z][a-z-]*)/g)].map(([, option]) => option!)
    const wanted = options.map(option => option.name)
    if (line === '' || listed.sort().join() !== wanted.sort().join())
      wrong.push(`${name}: ${listed} | ${wanted}`)
  }
  assert.equal(wrong, [])
})

test("the spec's command line of coffer-center is its program's", () => {
  const lines = new Map(
    rows(section('10.2')).map(([line]) => [/^`([a-z]+)/.exec(line!)?.[1], line!.replaceAll('\\|', '|')])
  )
  const commands = program(false).commands.map(command => ({
    name: command.name(),
    actions: command.commands.map(action => action.name()),
    options: [command, ...command.commands].flatMap(({ options }) => options.map(({ long }) => long!))
  }))
  assert.ok(commands.length > 10)
  assert.equal(
    [...lines.keys()].filter(name => name !== undefined && !commands.some(command => command.name === name)),
    []
  )
  for (const { name, actions, options } of commands) {
    const line = lines.get(name) ?? ''
    const named = [...line.matchAll(/--[a-z][a-z0-9-]+/g)].map(([option]) => option)
    const wanted = options.filter(option => option !== '--json')
    assert.equal([...new Set(named)].sort(), [...new Set(wanted)].sort(), name)
    assert.equal(
      actions.filter(action => !new RegExp(`(?:\\[|\\| )${action}\\b`).test(line)),
      [],
      name
    )
  }
})

test('docs/seed.md names files that exist, and functions that stand in them', () => {
  const wrong: string[] = []
  let functions = 0
  for (const line of read('docs/seed.md').split('\n')) {
    let file: string | undefined
    for (const [, word] of line.matchAll(/`([^`]+)`/g)) {
      if (/^[a-z]+\/[\w/.-]+\.(?:ts|mjs|md)$/.test(word!)) {
        file = word!
        if (!existsSync(join(ROOT, file))) wrong.push(`no file ${file}`)
      } else if (/^\w+\(\)$/.test(word!)) {
        functions++
        const name = word!.slice(0, -2)
        if (file === undefined) wrong.push(`no file is named before ${word}`)
        else if (!new RegExp(`(?<![\\w$])#?${name}\\b`).test(read(file))) wrong.push(`no ${name} in ${file}`)
      }
    }
  }
  assert.equal(wrong, [])
  assert.ok(functions > 30, `only ${functions} functions named`)
})

test('docs/seed.md accounts for every numbered element, figure, step and claim', () => {
  const text = read('docs/seed.md')
  const elements = [
    1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 15, 16, 17, 18, 19, 21, 22, 25, 26, 31, 32, 33, 34
  ]
    .concat([35, 36, 37, 40, 41, 42, 51, 52, 53, 54, 55, 60])
    .map(String)
  const wanted = [
    ...elements,
    ...['1', '2', '3(A)', '3(B)', '4', '5', '6', '7', '8', '9', '10'].map(figure => `FIG. ${figure}`),
    ...[1, 2, 3, 4, 5, 6, 7, 11, 12, 13, 14, 15, 16, 17].map(step => `S${step}`),
    ...[1, 2, 3, 4, 5, 6, 7].map(claim => `Claim ${claim}`)
  ]
  const firsts = new Set(rows(text).map(([first]) => first))
  assert.equal(
    wanted.filter(name => !firsts.has(name)),
    []
  )
})

test("the glossary's names occur in the code", () => {
  const code = sources.filter(path => /^(?:formats|loader|center)\//.test(path)).map(read)
  const names = rows(read('docs/glossary.md')).flatMap(([, cell]) =>
    [...(cell ?? '').matchAll(/`(\w+)`/g)].map(([, name]) => name!)
  )
  assert.ok(names.length > 20, `only ${names.length} names found`)
  const absent = names.filter(name => !code.some(text => new RegExp(`\\b${name}\\b`).test(text)))
  assert.equal(absent, [])
})

test('decisions are numbered one by one', () => {
  const numbers = files.flatMap(path => /^docs\/decisions\/(\d+)/.exec(path)?.[1] ?? []).sort()
  assert.equal(
    numbers.map(Number),
    numbers.map((_, n) => n + 1)
  )
})

test('every decision is one page with the same four parts', () => {
  const wrong = files
    .filter(path => path.startsWith('docs/decisions/'))
    .filter(path => {
      const headings = [...read(path).matchAll(/^## (.+)$/gm)].map(([, heading]) => heading)
      const named = /^docs\/decisions\/\d{4}-[a-z0-9-]+\.md$/.test(path)
      return !named || headings.join(', ') !== 'Question, Options, Choice, Price'
    })
  assert.equal(wrong, [])
})

test('each package that is shipped, inside or beside, stands in its decision, in the version that is installed', () => {
  const { dependencies, devDependencies } = JSON.parse(read('package.json')) as Record<
    string,
    Record<string, string>
  >
  const versions = { ...dependencies, ...devDependencies }
  const explained = rows(read('docs/decisions/0010-dependencies.md')).flatMap(([names, each]) =>
    names!.split(', ').map((name, index) => [name, each!.split(', ')[index]!] as const)
  )
  const [, ...packages] = explained
  assert.equal(
    packages.filter(([name, version]) => versions[name] !== version),
    []
  )
  const names = packages.map(([name]) => name)
  assert.equal(
    Object.keys(dependencies!).filter(name => !names.includes(name)),
    []
  )
})

test.run()
