/** The README's examples run as they stand. */
import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { read, ROOT } from '../helpers/tree.js'

const blocks = (language: string) =>
  [...read('README.md').matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\``, 'gm'))].map(
    ([, text]) => text!
  )

const freePort = (): Promise<number> =>
  new Promise(resolve => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number }
      server.close(() => resolve(port))
    })
  })

test('the commands from nothing to a running title', async () => {
  const script = blocks('sh').find(block => block.includes('coffer-center init'))!
  const folder = mkdtempSync(join(tmpdir(), 'coffer-readme-'))
  try {
    cpSync(join(ROOT, 'samples'), join(folder, 'samples'), { recursive: true })
    symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
    const program = (name: string) => `"${process.execPath}" "${join(ROOT, 'dist/bin', name)}"`
    const runnable = script
      .replaceAll('npx coffer-center', program('coffer-center.cjs'))
      .replaceAll('npx coffer', program('coffer.cjs'))
      .replaceAll('8787', String(await freePort()))
    writeFileSync(join(folder, 'example.sh'), `${runnable}\ncode=$?\nkill %1\nexit $code\n`)
    const { status, stdout, stderr } = spawnSync('bash', ['-m', 'example.sh'], {
      cwd: folder,
      encoding: 'utf8',
      env: { ...process.env, COFFER_HOME: join(folder, 'home') }
    })
    assert.is(status, 77, stderr)
    assert.match(stdout, 'Hello, world.')
    assert.match(stderr, 'COFFER_CERTIFICATE_MISMATCH')
    assert.is(stdout.split('Hello, world.').length, 2, 'it ran once, from its own medium')
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})

test('the two commands are scripts of package.json', () => {
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> }
  const [first] = blocks('sh')
  for (const [, name] of first!.matchAll(/^npm (\w+)/gm)) assert.ok(scripts[name!], `npm ${name}`)
})

test('the example of an app compiles', () => {
  const folder = mkdtempSync(join(ROOT, 'build/readme-'))
  try {
    const examples = blocks('ts').map((block, index) => {
      const path = join(folder, `example-${index}.mts`)
      writeFileSync(path, block)
      return path
    })
    assert.ok(examples.length > 0)
    writeFileSync(
      join(folder, 'tsconfig.json'),
      JSON.stringify({
        extends: join(ROOT, 'tsconfig.json'),
        compilerOptions: { noUnusedLocals: false, paths: { coffer: [join(ROOT, 'loader/index.ts')] } },
        include: [],
        files: [...examples, join(ROOT, 'sandbox/quickjs/webassembly.d.ts')]
      })
    )
    execFileSync(process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', folder], {
      stdio: 'pipe'
    })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})

test.run()
