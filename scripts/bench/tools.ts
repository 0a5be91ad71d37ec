/**
 * What titles are measured against: the tools that a person would use instead, started as he would start them, and
 * OpenSSL's own speed. One core is always the same one, where `taskset` is there.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

export const CORE = '1'
export const hasTaskset = spawnSync('taskset', ['-c', CORE, 'true']).status === 0

export const has = (tool: string): boolean =>
  spawnSync(tool, ['--version'], { stdio: 'ignore' }).error === undefined

/** A command as it is started on one core. */
export const onOneCore = (command: string, args: readonly string[]): [string, string[]] =>
  hasTaskset ? ['taskset', ['-c', CORE, command, ...args]] : [command, [...args]]

/** What something took: on the wall, and of processors. On a shared machine the second says more about what needs one core. */
export interface Taken {
  readonly ms: number
  readonly cpuMs: number
}

/** Run a program to its end on one core. */
export function run(
  command: string,
  args: readonly string[],
  { env, cores = 1 }: { env?: NodeJS.ProcessEnv; cores?: 1 | 2 } = {}
): string {
  const [program, given] = cores === 1 ? onOneCore(command, args) : [command, args]
  const { status, stderr } = spawnSync(program, given, {
    encoding: 'utf8',
    stdio: ['ignore', 'ignore', 'pipe'],
    // Node reads this file of certificates at every start, which would drown what is measured.
    env: { ...process.env, NODE_EXTRA_CA_CERTS: '', ...env }
  })
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${status}: ${stderr}`)
  return stderr
}

/** Run a line of shell, all its processes counted. */
export function shell(line: string, cores: 1 | 2 = 1): Taken {
  const said = run('bash', ['-c', `TIMEFORMAT='took %3R %3U %3S'; time { ${line}; }`], { cores })
  const [real, user, system] = /took (\S+) (\S+) (\S+)/.exec(said)!.slice(1).map(Number)
  return { ms: real! * 1e3, cpuMs: (user! + system!) * 1e3 }
}

/** MB per second of processor, of the library that Node's crypto is made of, without Node: one key, one buffer, no tag. */
export function openSslRate(direction: 'decrypt' | 'encrypt' = 'decrypt'): number {
  const args = ['speed', '-seconds', '1', '-bytes', '16384', '-evp', 'aes-256-gcm']
  if (direction === 'decrypt') args.push('-decrypt')
  const { stdout } = spawnSync(...onOneCore('openssl', args), {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore']
  })
  return Number(/([\d.]+)k\s*$/m.exec(stdout)![1]) / 1e3
}

export interface Peer {
  /** Shell commands: what opens the file that was made, and what seals what comes in. */
  readonly open: string
  readonly seal: string
}

/** What age makes of a file, and how a person opens that or seals it for somebody else. */
export function withAge(folder: string, file: string): Peer {
  const keyFile = join(folder, 'age.key')
  const sealed = `${file}.age`
  if (!existsSync(keyFile)) run('age-keygen', ['-o', keyFile])
  const recipient = /public key: (age1\S+)/.exec(readFileSync(keyFile, 'utf8'))![1]!
  run('age', ['-r', recipient, '-o', sealed, file])
  return { open: `age -d -i ${keyFile} ${sealed}`, seal: `age -r ${recipient}` }
}

/** The same with gpg and a passphrase, compression left out: what it cannot compress it would only try to. */
export function withGpg(folder: string, file: string): Peer {
  const gpg = `gpg --homedir ${folder} --batch --quiet --pinentry-mode loopback --passphrase coffer`
  const seal = `${gpg} --cipher-algo AES256 --compress-algo none -c`
  run('sh', ['-c', `${seal} -o ${file}.gpg ${file}`])
  return { open: `${gpg} -d ${file}.gpg`, seal }
}

export function report(what: string, ratio: number, goal: string, detail: string): void {
  console.log(`${what.padEnd(58)} ${ratio.toFixed(2).padStart(6)}   ${`goal ${goal}`.padEnd(17)} ${detail}`)
}

export const skip = (what: string, reason: string): void =>
  console.log(`${what.padEnd(58)} skipped: ${reason}`)
