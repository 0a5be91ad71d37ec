/** `coffer-center` as a person or a script types it: a process each, its exit code, stdout and stderr. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import * as assert from 'uvu/assert'
import { COFFER_CENTER } from '../helpers/site.js'

export const start = (cwd: string, args: readonly string[]) =>
  spawn(process.execPath, [COFFER_CENTER, ...args], {
    cwd,
    // Certificates of other authorities, which Node reads at each start, are of no use here.
    env: { ...process.env, NODE_EXTRA_CA_CERTS: undefined, NO_COLOR: '1' },
    stdio: ['ignore', 'pipe', 'pipe']
  })

export interface Outcome {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Type a line: words as a shell would split them, without quotes. */
export async function type(cwd: string, line: string): Promise<Outcome> {
  const child = start(cwd, line.split(' ').filter(Boolean))
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', chunk => (stdout += chunk))
  child.stderr.on('data', chunk => (stderr += chunk))
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, stdout, stderr }
}

/** Type a line with --json that must succeed. @returns The one object on stdout. */
export async function json(cwd: string, line: string): Promise<Record<string, any>> {
  const { code, stdout, stderr } = await type(cwd, `${line} --json`)
  assert.is(code, 0, `${line}: ${stdout}${stderr}`)
  assert.is(stderr, '', 'nothing but the object')
  assert.is(stdout.trimEnd().split('\n').length, 1)
  return JSON.parse(stdout) as Record<string, unknown>
}

export const seconds = () => Math.floor(Date.now() / 1000)

/** `coffer-center serve` in a process of its own; resolves when it has printed its line. */
export async function serving(cwd: string, line = 'serve shop --port 0') {
  const child = start(cwd, line.split(' '))
  let stderr = ''
  child.stderr.on('data', chunk => (stderr += chunk))
  const lines: string[] = []
  const reader = createInterface(child.stdout)
  reader.on('line', text => lines.push(text))
  await Promise.race([
    once(reader, 'line'),
    once(child, 'close').then(([code]) => {
      throw new Error(`serve ended with ${code}: ${stderr}`)
    })
  ])
  return {
    child,
    url: lines[0]!,
    lines,
    stderr: () => stderr,
    async end(signal: NodeJS.Signals) {
      const closed = once(child, 'close')
      child.kill(signal)
      return (await closed) as [number | null, NodeJS.Signals | null]
    }
  }
}

export const post = async (url: string, path: string, record: Uint8Array): Promise<Uint8Array> => {
  const response = await fetch(`${url}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/vnd.coffer' },
    body: record as Uint8Array<ArrayBuffer>
  })
  const body = new Uint8Array(await response.arrayBuffer())
  assert.is(response.status, 200, new TextDecoder().decode(body))
  return body
}
