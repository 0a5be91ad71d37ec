/** What types promise to hosts and to titles, held by the compiler: whatever is marked as an error has to be one. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runInNewContext } from 'node:vm'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { utf8 } from '../../formats/bytes.js'
import { launch } from '../../sandbox/index.js'
import { read, ROOT } from '../helpers/tree.js'

/** What the compiler says about a project; '' when nothing. */
function compile(project: string): string {
  const words = ['node_modules/typescript/bin/tsc', '-p', project, '--pretty', 'false']
  const { stdout, stderr } = spawnSync(process.execPath, words, { cwd: ROOT, encoding: 'utf8' })
  return stdout + stderr
}

test('a host calls exports by their types, and its functions are held against what it declares', () => {
  assert.is(compile('tests/sandbox/types'), '')
})

test('a title is written against what the app declares', () => {
  assert.is(compile('tests/sandbox/types/title'), '')
})

/** Of the web's globals in a guest: the names that each has beyond those of every object, function or error. */
const WORLD = `
  const COMMON = [Object.prototype, Function.prototype, Error.prototype, Error]
  const common = new Set(COMMON.slice(0, 3).flatMap(Reflect.ownKeys).filter(key => key !== 'toString'))
  const namesOf = object => {
    const names = new Set()
    for (let at = object; at && !COMMON.includes(at); at = Reflect.getPrototypeOf(at))
      for (const key of Reflect.ownKeys(at)) if (typeof key === 'string' && !common.has(key)) names.add(key)
    return [...names]
  }
  export const world = language =>
    Reflect.ownKeys(globalThis)
      .filter(name => typeof name === 'string' && !language.includes(name))
      .flatMap(name => {
        const value = globalThis[name]
        if (typeof value !== 'function') return [[name, namesOf(value)]]
        const isClass = value.prototype && /^[A-Z]/.test(name)
        return isClass ? [[name, namesOf(value)], [name + '.prototype', namesOf(value.prototype)]] : [[name, []]]
      })`

/** Of the language, in one engine or the other; and the global object's own names. */
const LANGUAGE = [
  ...Object.getOwnPropertyNames(runInNewContext('globalThis')),
  ...['Float16Array', 'Iterator', 'InternalError', 'self']
].filter(name => name !== 'console')

test('the types of the web that titles get name what is there on both engines, all of it and nothing else', async () => {
  const file = 'sandbox/guest/globals.d.ts'
  const declared = [...read(file).matchAll(/^declare (?:var|function) (\w+)/gm)].map(([, name]) => name!)
  const folder = mkdtempSync(join(tmpdir(), 'coffer-types-'))
  for (const engine of ['quickjs', 'ses'] as const) {
    await using guest = await launch(utf8(WORLD), { engine })
    const world = (await guest.call('world', LANGUAGE)) as [string, string[]][]
    const globals = world.map(([path]) => path).filter(path => !path.includes('.'))
    assert.equal(globals.sort(), declared.filter(name => name !== 'self').sort())
    const held = world.map(([path, names], n) => {
      const [name, prototype] = path.split('.')
      const type = prototype === undefined ? `typeof ${name}` : `(typeof ${name})['prototype']`
      return `const is${n}: Same<${type}, ${names.map(key => `'${key}'`).join(' | ') || 'never'}> = true`
    })
    const common = "'prototype' | 'name' | 'message' | 'stack' | 'cause' | 'length'"
    writeFileSync(
      join(folder, `${engine}.ts`),
      `type Names<T> = Exclude<Extract<keyof T, string>, ${common}>
       type Same<T, There extends string> = [Exclude<Names<T>, There>, Exclude<There, Names<T> | ${common}>] extends [never, never]
         ? true : { missing: Exclude<Names<T>, There>; untold: Exclude<There, Names<T> | ${common}> }
       ${held.join('\n')}
       export {}`
    )
  }
  writeFileSync(
    join(folder, 'tsconfig.json'),
    JSON.stringify({
      compilerOptions: { strict: true, noEmit: true, lib: ['es2023'], types: [] },
      files: [join(ROOT, file), 'quickjs.ts', 'ses.ts']
    })
  )
  assert.is(compile(folder), '')
  rmSync(folder, { recursive: true })
})

test.run()
