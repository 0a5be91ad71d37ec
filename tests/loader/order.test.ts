/**
 * Leaving a step of the path out does not compile. Each snippet is a function of its own in one generated file; the
 * compiler goes over it once, and must complain on the marked lines, about the named types, and nowhere else.
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'

const root = fileURLToPath(new URL('../../..', import.meta.url))

const PARAMETERS = `
  claimed: ClaimedLicense, home: Home, title: OpenTitle, medium: MeasuredMedium, signed: SignedLicense,
  license: CheckedLicense, key: PayloadKey, manifest: ParsedManifest, bytes: Uint8Array, program: OpenedProgram,
  powers: Powers
`.trim()

/** Statement, and the type that is wanted where the step before was left out; undefined: it compiles. */
const SNIPPETS: readonly (readonly [string, string | undefined])[] = [
  ['authenticate(claimed, home)', undefined],
  ['recheck(signed, manifest, medium, home, 0)', undefined],
  ['unwrapPayloadKey(license)', undefined],
  ['openProgram(title, key)', undefined],
  ['launch({ root: "", license: "", grant: signed.grant, title, program, key }, {}, powers)', undefined],

  // A key that no license gave.
  ['openProgram(title, bytes)', 'PayloadKey'],
  ['openProgram(title, { key: bytes, saveRoot: bytes, [Symbol.dispose]() {} })', 'PayloadKey'],
  ['openProgram(title, license)', 'PayloadKey'],
  // A license that nobody rechecked.
  ['unwrapPayloadKey(signed)', 'CheckedLicense'],
  ['unwrapPayloadKey(signed.grant)', 'CheckedLicense'],
  [
    `unwrapPayloadKey({ grant: signed.grant, manifest, scheme: "conversion" as const, bindingKey: bytes,
      wrappedMediumKey: bytes, binding: { ...signed.grant, mediumId: bytes }, [Symbol.dispose]() {} })`.replace(
      /\s+/g,
      ' '
    ),
    'CheckedLicense'
  ],
  // A grant that nobody authenticated.
  ['recheck(claimed, manifest, medium, home, 0)', 'SignedLicense'],
  [
    'recheck({ grant: signed.grant, center: signed.center, revocations: signed.revocations }, manifest, medium, home, 0)',
    'SignedLicense'
  ],
  // A medium that nobody measured.
  ['recheck(signed, manifest, medium.identity, home, 0)', 'MeasuredMedium'],
  [
    'recheck(signed, manifest, { root: "", context: medium.context, identity: medium.identity, mediumId: signed.grant.mediumId, factors: [] }, home, 0)',
    'MeasuredMedium'
  ],
  // A title chosen before the grant was authenticated.
  ['readTitle("", claimed)', 'VerifiedGrant'],
  // A program that was not opened.
  [
    'launch({ root: "", license: "", grant: signed.grant, title, program: bytes, key }, {}, powers)',
    'OpenedProgram'
  ],
  [
    'launch({ root: "", license: "", grant: signed.grant, title, program, key: bytes }, {}, powers)',
    'PayloadKey'
  ]
]

test('leaving out a step of the path does not compile', () => {
  const folder = mkdtempSync(join(tmpdir(), 'coffer-order-'))
  try {
    const imports = [
      `import { openProgram, type OpenedProgram } from '${root}loader/decrypt.js'`,
      `import type { Home } from '${root}loader/home.js'`,
      `import { launch } from '${root}loader/launch.js'`,
      `import type { MeasuredMedium } from '${root}loader/medium/measure.js'`,
      `import type { Powers } from '${root}loader/powers.js'`,
      `import { readTitle, type ClaimedLicense, type OpenTitle } from '${root}loader/read.js'`,
      `import { authenticate, type SignedLicense } from '${root}loader/authenticate.js'`,
      `import { recheck, type CheckedLicense } from '${root}loader/recheck.js'`,
      `import { unwrapPayloadKey, type PayloadKey } from '${root}loader/unwrap.js'`,
      `import type { ParsedManifest } from '${root}formats/records/manifest.js'`
    ]
    const lines = [...imports, `export const steps = (${PARAMETERS.replace(/\s+/g, ' ')}) => [`]
    const firstLine = lines.length + 1
    for (const [statement] of SNIPPETS) lines.push(`  () => ${statement},`)
    lines.push(']')
    writeFileSync(join(folder, 'steps.ts'), lines.join('\n'))
    writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
    writeFileSync(
      join(folder, 'tsconfig.json'),
      JSON.stringify({
        extends: `${root}tsconfig.json`,
        // Unused parameters of a snippet are no finding.
        compilerOptions: { noUnusedParameters: false, typeRoots: [`${root}node_modules/@types`] },
        include: ['steps.ts'],
        exclude: []
      })
    )
    const complaints = compile(folder)
    SNIPPETS.forEach(([statement, wanted], index) => {
      const found = complaints.get(firstLine + index)
      if (wanted === undefined) assert.is(found, undefined, `${statement}: ${found}`)
      else assert.match(found ?? 'it compiles', new RegExp(`\\b${wanted}\\b`), statement)
      complaints.delete(firstLine + index)
    })
    assert.equal([...complaints], [], 'complaints about other lines')
  } finally {
    rmSync(folder, { recursive: true })
  }
})

/** What the compiler says, by line of steps.ts. */
function compile(folder: string): Map<number, string> {
  let output = ''
  try {
    execFileSync(
      process.execPath,
      [`${root}node_modules/typescript/bin/tsc`, '-p', folder, '--pretty', 'false'],
      {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'pipe']
      }
    )
  } catch (error) {
    output = (error as { stdout: string }).stdout
  }
  const complaints = new Map<number, string>()
  let line = 0
  for (const text of output.split('\n')) {
    const [, file, number] = /^(\S+)\((\d+),\d+\): error /.exec(text) ?? []
    if (file?.endsWith('steps.ts')) line = Number(number)
    // What other files are found to have wrong is for the type check of the whole.
    else if (file !== undefined) line = 0
    if (line > 0 && text !== '') complaints.set(line, `${complaints.get(line) ?? ''}${text}\n`)
  }
  return complaints
}

test.run()
