/**
 * The main thread of a SES guest's process: lock down the realm, then serve one guest in a fresh compartment.
 *
 * What the guest could hold on to of this side is the SDK's two functions, which the SDK keeps to itself, and nothing
 * they throw: this side never throws into the guest, it ends the process.
 */
import './locale.js'
import { Worker } from 'node:worker_threads'
import { Socket } from 'node:net'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { CofferError } from '../../formats/errors.js'
import { programInvalid } from '../failures.js'
import type { Limits } from '../guest.js'
import type { Machine, MachineFactory, MachinePort } from '../machine.js'
import { serveRemote } from '../remote/far.js'
import { endedFrame } from '../remote/frames.js'
import { readResource, threadStart } from '../resources.js'
import { guestCompartment, type Hidden, lockDown } from './compartment.js'
import type { Deadline, Watch } from '../session/meter.js'
import { FD, FrameSplitter, readFrame, rewritingBytes, WATCHED, writeFrame } from './pipes.js'
import { moduleToFunction } from './program.js'
import { AWAKE, CHANGED, COMPUTING, HARD, RESTING, SOFT, TOLD, type Watched } from './watchdog.js'

const watched: Watched = {
  deadlines: new Float64Array(new SharedArrayBuffer(2 * 8)).fill(Infinity),
  memory: new Float64Array(new SharedArrayBuffer(2 * 8)).fill(Infinity),
  computing: new Float64Array(new SharedArrayBuffer(2 * 8)).fill(Infinity),
  flags: new Int32Array(new SharedArrayBuffer((TOLD + WATCHED.length) * 4))
}

export function serveGuest(): void {
  // Started first: it wakes while this thread locks down.
  const { url, argv } = threadStart('ses-watchdog.cjs')
  new Worker(url, { argv, workerData: watched, env: {}, execArgv: [], stdin: false }).unref()
  process.on('SIGINT', () => {})
  const sdk = Buffer.from(readResource('guest-sdk.js')).toString('utf8')
  lockDown()

  const receive = serveRemote(
    {
      engine: 'ses',
      prepare: (limits, soft) => awake(limits, soft, port => new SesMachine(port, sdk, limits, soft)),
      watch
    },
    {
      post: frame => writeFrame(FD.frames, frame),
      ask(frame) {
        writeFrame(FD.frames, frame)
        return readFrame(FD.answers)
      },
      close: () => process.exit(0)
    }
  )
  const splitter = new FrameSplitter(receive)
  const commands = new Socket({ fd: FD.commands, readable: true, writable: false })
  commands.on('data', (chunk: Buffer) => splitter.push(chunk))
  // Whoever started this is gone, and nobody is left to serve.
  commands.on('close', () => process.exit(0))
  dropNetwork()
}

/** What only the opening of {@link Socket} needed, before any program is here. Older Nodes have no such permission. */
function dropNetwork(): void {
  const { permission } = process as { permission?: { drop?(scope: string): void } }
  permission?.drop?.('net')
}

/** Guests begin when the watchdog watches, and the memory they find is not theirs. */
function awake(limits: Limits, soft: Limits, factory: MachineFactory): MachineFactory {
  const { flags } = watched
  Atomics.wait(flags, AWAKE, 0, 10_000)
  if (Atomics.load(flags, AWAKE) !== 1) throw new Error('internal: the watchdog does not wake')
  allowMemory(limits, soft, process.memoryUsage.rss())
  watched.computing[COMPUTING] = limits.cpuMs
  watched.computing[RESTING] = limits.cpuMs + ownMs(limits)
  return factory
}

/** What V8 and this side may compute by themselves while the guest rests: to collect its garbage, for the most part. */
const ownMs = ({ memoryBytes }: Limits): number => 2000 + (4 * memoryBytes) / 2 ** 20

function allowMemory(limits: Limits, soft: Limits, baseBytes: number): void {
  watched.memory[HARD] = baseBytes + limits.memoryBytes
  if (soft.memoryBytes < limits.memoryBytes) watched.memory[SOFT] = baseBytes + soft.memoryBytes
}

const watch: Watch = {
  computes(soft, hard) {
    const { flags } = watched
    for (const { limit } of soft) Atomics.store(flags, TOLD + WATCHED.indexOf(limit), 0)
    const [first] = [...soft].sort((a, b) => a.leftMs - b.leftMs)
    if (first !== undefined) setDeadline(SOFT, first)
    setDeadline(HARD, hard)
    changed()
  },
  rests() {
    watched.deadlines.fill(Infinity)
    changed()
  },
  claim(limit) {
    const place = WATCHED.indexOf(limit)
    return place < 0 || Atomics.exchange(watched.flags, TOLD + place, 1) === 0
  }
}

function setDeadline(kind: typeof SOFT | typeof HARD, { limit, leftMs }: Deadline): void {
  Atomics.store(watched.flags, kind, WATCHED.indexOf(limit))
  watched.deadlines[kind] = Date.now() + leftMs
}

function changed(): void {
  Atomics.add(watched.flags, CHANGED, 1)
  Atomics.notify(watched.flags, CHANGED)
}

class SesMachine implements Machine {
  readonly #port: MachinePort
  readonly #compartment: Compartment
  readonly #hidden: Hidden
  readonly #limits: Limits
  readonly #soft: Limits
  #baseBytes = process.memoryUsage.rss()

  constructor(port: MachinePort, sdk: string, limits: Limits, soft: Limits) {
    this.#port = port
    this.#limits = limits
    this.#soft = soft
    const { compartment, boot } = guestCompartment(sdk)
    this.#compartment = compartment
    this.#hidden = boot(
      harden({
        send: (message: Uint8Array) => this.#safely(() => this.#port.receive(message)),
        encodeText: (text: string) => encoder.encode(text),
        dice: port.dice
      })
    )
    process.on('unhandledRejection', (reason, promise) => this.#hidden.rejection(promise, reason, false))
    process.on('rejectionHandled', promise => this.#hidden.rejection(promise, undefined, true))
    process.on('uncaughtException', error => die(error))
  }

  evaluate(source: Uint8Array, name: string, modules: ReadonlyMap<string, readonly string[]>): void {
    showFramesOf(name)
    const text = decode(source, name)
    const { globalThis: guestGlobal } = this.#compartment
    const globals = Object.getOwnPropertyNames(guestGlobal).filter(
      global => /^[A-Z]/.test(global) && !FIXED.has(global)
    )
    this.#allowMemory(rewritingBytes(source.length))
    const program = moduleToFunction(text, { name, modules, globals })
    if (source.length > LARGE_BYTES) collectGarbage()
    this.#allowMemory(0)
    let start: (modules: object, meta: object, setNamespace: (namespace: object) => void) => unknown
    try {
      start = this.#compartment.evaluate(`${program}\n//# sourceURL=${name.replace(/\s/g, '_')}`, {
        __rejectSomeDirectEvalExpressions__: false
      } as never) as typeof start
    } catch (cause) {
      throw new CofferError('COFFER_PROGRAM_INVALID', `${name}: ${(cause as Error).message}`, {
        hint: 'Press the title for SES, which rewrites what this engine does not take.'
      })
    }
    const granted: Record<string, object> = { __proto__: null as never }
    for (const specifier of modules.keys())
      granted[specifier] = this.#hidden.modules[specifier.replace('coffer:', '')]!
    let namespace: object = {}
    let evaluation: Promise<unknown>
    try {
      evaluation = Promise.resolve(
        start(harden(granted), Object.create(null), value => (namespace = Object.freeze(value)))
      )
    } catch (error) {
      evaluation = Promise.reject(error)
    }
    this.#hidden.setNamespace(namespace, evaluation)
  }

  dispatch(message: Uint8Array): void {
    this.#hidden.receive(message)
  }

  memoryBytes(): number {
    return Math.max(process.memoryUsage.rss() - this.#baseBytes, 0)
  }

  /** Promise jobs run when this thread has nothing else to do; an immediate comes after the last of them. */
  whenIdle(resume: () => void): void {
    setImmediate(resume)
  }

  /** The process ends with its guest, and its memory with it: in good order if what still runs lets it. */
  destroy(): void {
    setDeadline(HARD, { limit: 'cpuMs', leftMs: LAST_WORDS_MS })
    changed()
    setTimeout(() => process.exit(0), LAST_WORDS_MS / 2)
  }

  /** Count the guest's memory from here. */
  #allowMemory(extraBytes: number): void {
    this.#baseBytes = process.memoryUsage.rss()
    allowMemory(this.#limits, this.#soft, this.#baseBytes + extraBytes)
  }

  #safely<T>(work: () => T): T {
    try {
      return work()
    } catch (error) {
      return die(error)
    }
  }
}

/** Above this, what rewriting a program leaves behind would count for much. */
const LARGE_BYTES = 256 * 1024

/** V8's own collector, which is only found in a context that is made after the flag is set. */
function collectGarbage(): void {
  setFlagsFromString('--expose-gc')
  runInNewContext('gc')()
  setFlagsFromString('--no-expose-gc')
}

/** Say why, and be gone before any more of the guest's code runs. */
function die(error: unknown): never {
  try {
    writeFrame(FD.frames, endedFrame(error))
  } finally {
    process.kill(process.pid, 'SIGKILL')
  }
  for (;;);
}

/** Time to say how the guest ended. */
const LAST_WORDS_MS = 100

const encoder = new TextEncoder()

function decode(source: Uint8Array, name: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(source)
  } catch {
    throw programInvalid(`${name}: the program is not UTF-8.`)
  }
}

/** Stacks show the program's own frames, as QuickJS writes them: no path of this machine, nothing of the SDK. */
function showFramesOf(name: string): void {
  const own = name.replace(/\s/g, '_')
  Object.assign(Error, {
    stackTraceLimit: 30,
    prepareStackTrace(_error: unknown, frames: readonly NodeJS.CallSite[]) {
      let stack = ''
      for (const frame of frames) {
        if (frame.getScriptNameOrSourceURL() !== own) continue
        stack += `    at ${frame.getFunctionName() ?? '<anonymous>'} (${name}:${frame.getLineNumber()}:${frame.getColumnNumber()})\n`
      }
      return stack
    }
  })
}

const FIXED = new Set(['Infinity', 'NaN'])
