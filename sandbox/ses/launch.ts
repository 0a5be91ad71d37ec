/**
 * SES in a child process of its own: the only boundary that holds against V8's native loops and its buffers outside
 * the heap. The child watches itself from a second thread (watchdog.ts) and kills itself at a limit; this side stands
 * behind that.
 *
 * V8 cannot be asked to stop where it stands, so every limit is the end of the process; and SES needs the program as
 * a string, which stays in the child's memory until it ends.
 */
import { type ChildProcess, spawn, type SpawnOptions } from 'node:child_process'
import type { Socket } from 'node:net'
import type { CofferError } from '../../formats/errors.js'
import { engineFailed, imageUnfit, limitReached } from '../failures.js'
import type { EngineGuest, LaunchOptions, Limits, Program } from '../guest.js'
import { type NearChannel, type NearEvents, startRemote } from '../remote/near.js'
import { processStart } from '../resources.js'
import { MAX_MESSAGE_BYTES } from '../wire.js'
import { FD, FrameSplitter, framed, readVerdicts, rewritingBytes, WATCHED } from './pipes.js'

/** What V8 itself ends with when its heap is full: SIGABRT, or an exit code where there are no signals. */
const V8_ABORTED = 134

/** A heap of V8's that is as good as unbounded. */
const MOST_HEAP_MIB = 2 ** 20

export async function launchSes({ source }: Program, options: LaunchOptions): Promise<EngineGuest> {
  if (source === undefined) throw imageUnfit()
  return startRemote('ses', { source }, options, (events, limits) =>
    startChild(limits, source.length).serve(events)
  )
}

/**
 * @param sourceBytes - Length of the program that it will serve.
 * @throws CofferError COFFER_ENGINE_FAILED where the system says so at once; else the child does, once it serves.
 */
export function startChild(limits: Limits, sourceBytes: number): Child {
  const memoryMiB = Math.min(Math.max(Math.ceil(limits.memoryBytes / 2 ** 20), 1), MOST_HEAP_MIB)
  const { words, env } = processStart('ses-child.cjs', [
    // A young generation in proportion, so that short-lived garbage does not count for much.
    `--max-old-space-size=${memoryMiB + RUNTIME_HEAP_MIB + Math.ceil(rewritingBytes(sourceBytes) / 2 ** 20)}`,
    `--max-semi-space-size=${Math.min(Math.max(memoryMiB >> 4, 1), 16)}`,
    ...permissionFlags()
  ])
  const options: SpawnOptions = {
    // Nothing of this process's environment: it may hold secrets, and NODE_OPTIONS.
    env: {
      ...env,
      TZ: 'UTC',
      ...(process.env['SystemRoot'] === undefined ? {} : { SystemRoot: process.env['SystemRoot'] })
    },
    stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe', 'pipe', 'pipe'],
    // Out of reach of the terminal's Ctrl-C, which is for this process to handle.
    detached: process.platform !== 'win32',
    windowsHide: true
  }
  try {
    const child = spawn(process.execPath, words, options)
    return new Child(child, limits, mostFrameBytes(limits, sourceBytes))
  } catch (cause) {
    throw startsNot(cause)
  }
}

const startsNot = (cause: unknown): CofferError => engineFailed('its process does not start', cause)

/** The longest that a child sends: one value, what it prints at once, or its exports, whose names stand in its source. */
const mostFrameBytes = ({ valueBytes, outputBytes }: Limits, sourceBytes: number): number =>
  Math.min(Math.max(valueBytes, outputBytes, 2 * sourceBytes) + 2 ** 20, MAX_MESSAGE_BYTES)

/** A process that serves one guest. It may wait for it. */
export class Child {
  readonly #process: ChildProcess
  readonly #sockets: readonly Socket[]
  #events: NearEvents | undefined
  #reason: CofferError | undefined
  #untakenBytes = 0
  #ended = false

  /**
   * @param child - A process with the pipes of {@link FD}.
   * @param mostBytes - No frame of the child's is longer.
   */
  constructor(child: ChildProcess, limits: Limits, mostBytes = MAX_MESSAGE_BYTES) {
    this.#process = child
    // First: a process that does not start may have nothing else.
    child.on('error', cause => this.#close(startsNot(cause)))
    // 'close' comes after the last bytes of all pipes.
    child.on('close', (code, signal) => {
      if (signal === 'SIGABRT' || code === V8_ABORTED)
        this.#reason ??= limitReached('memoryBytes', limits, limits.memoryBytes + 1)
      this.#close(this.#reason)
    })
    // No pipes where the system had no descriptors left for them.
    const stdio = (child.stdio ?? []) as readonly unknown[] as readonly Socket[]
    this.#sockets = stdio.slice(FD.commands, FD.verdict + 1)
    const [, frames, , verdict] = this.#sockets
    for (const socket of this.#sockets) socket.on('error', () => {})
    verdict?.on('data', (bytes: Buffer) => {
      for (const { limit, excess, soft } of readVerdicts(bytes)) {
        const name = WATCHED[limit]
        if (name === undefined) continue
        if (soft) this.#events?.pressed(name, excess)
        else this.#reason ??= limitReached(name, limits, limits[name] + excess)
      }
    })
    const splitter = new FrameSplitter(frame => this.#events?.frame(frame), mostBytes)
    frames?.on('data', (chunk: Buffer) => {
      try {
        splitter.push(chunk)
      } catch (cause) {
        this.#events?.closed(engineFailed('it sent what it never sends', cause))
      }
    })
    this.#hold(false)
  }

  isAlive(): boolean {
    return !this.#ended
  }

  serve(events: NearEvents): NearChannel {
    this.#events = events
    const [commands, , answers] = this.#sockets
    return {
      post: frame => void commands?.write(framed(frame)),
      answer: frame => this.#writeCounted(answers, frame),
      settle: frame => this.#writeCounted(commands, frame),
      untakenBytes: () => this.#untakenBytes,
      hold: held => this.#hold(held),
      kill: () => this.kill()
    }
  }

  #writeCounted(socket: Socket | undefined, frame: Uint8Array): void {
    if (socket === undefined) return
    this.#untakenBytes += frame.length
    socket.write(framed(frame), () => (this.#untakenBytes -= frame.length))
  }

  kill(): void {
    if (!this.#ended) this.#process.kill('SIGKILL')
  }

  #hold(held: boolean): void {
    for (const handle of [this.#process, ...this.#sockets]) {
      if (held) handle.ref()
      else handle.unref()
    }
  }

  #close(reason?: CofferError): void {
    this.#ended = true
    this.#events?.closed(reason)
  }
}

/** Heap that the runtime itself needs beside the guest. */
const RUNTIME_HEAP_MIB = 24

/** Node's permission model under its name of the day: reading files is all that the child may do. */
const permissionFlags = (): string[] => {
  const known = (name: string) => process.allowedNodeEnvironmentFlags.has(name)
  const flag = ['--permission', '--experimental-permission'].find(known)
  if (flag === undefined) return []
  // From Node 25 on the pipes to us count as network; the child gives that up once they are open.
  const network = ['--allow-net'].filter(known)
  return [flag, '--allow-fs-read=*', '--allow-worker', ...network, '--no-warnings']
}
