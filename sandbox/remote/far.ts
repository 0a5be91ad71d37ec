/**
 * The far side of a guest in a thread or process of its own: the session beside its engine, and what it says to the
 * near side.
 *
 * @see docs/spec.md §7.4
 */
import type { CofferError } from '../../formats/errors.js'
import type { Grant } from '../capabilities.js'
import type { Argument, Engine, Limits, Program, Usage, Value } from '../guest.js'
import { WIRE } from '../host-wire.js'
import { softMarks } from '../limits.js'
import type { MachineFactory } from '../machine.js'
import { type ModuleGrant, readError } from '../protocol.js'
import { Session, type SessionPowers } from '../session.js'
import { GuestStream } from '../stream.js'
import { START } from '../waiting.js'
import { Reader, Writer } from '../wire.js'
import { endedFrame, FROM_FAR, LIMIT_NAMES, TO_FAR, writeFailure } from './frames.js'

export interface FarChannel {
  post(frame: Uint8Array): void
  /** Post a frame and wait for its answer, doing nothing else. */
  ask(frame: Uint8Array): Uint8Array
  /** End this side. @param memoryBytes - What the guest's memory had grown by. */
  close(memoryBytes: number): void
}

/** What the far side's owner sets up for its one guest. */
export interface FarEngine {
  readonly engine: Engine
  /** Of a far side that serves guest after guest: their program, whose bytes stay as they are. */
  readonly program?: Program | undefined
  /** The factory, when the limits are known, and where each is nearly used up; may take its time. */
  prepare(limits: Limits, soft: Limits): Promise<MachineFactory> | MachineFactory
  readonly watch?: SessionPowers['watch']
}

/**
 * Serve one guest.
 *
 * @returns The receiver for the frames that arrive.
 */
export function serveRemote(far: FarEngine, channel: FarChannel): (frame: Uint8Array) => void {
  const writer = new Writer(WIRE)
  const waiting = new Map<number, { resolve(value: unknown): void; reject(reason: Error): void }>()
  /** Of signals that a call was given, by the call and the place among its arguments. */
  const controllers = new Map<string, AbortController>()
  let lastRequest = 0
  /** Streams that calls came to, by the number of the call. */
  const streams = new Map<number, GuestStream>()
  let guest: Session | undefined
  /** The near side has no more need of it. */
  let leaving = false

  const writeUsage = (frame: Writer, { cpuMs, memoryBytes, outputBytes }: Usage) =>
    frame.value(cpuMs).value(memoryBytes).value(outputBytes)
  const reportUsage = () => {
    if (guest !== undefined) channel.post(writeUsage(writer.begin(FROM_FAR.usage), guest.usage()).message)
  }
  const answer = (id: number, value: Value) => {
    const frame = writer.begin(FROM_FAR.result).value(id).value(value)
    channel.post(writeUsage(frame, guest!.usage()).message)
  }
  const fail = (id: number, error: unknown) => {
    reportUsage()
    channel.post(writeFailure(writer.begin(FROM_FAR.failed).value(id), error).message)
  }

  /** A granted function, served by the near side. */
  const proxy = (module: string, name: string, kind: Grant['kind']): Grant | undefined => {
    const call = (opcode: number, args: readonly Value[]) =>
      writer.begin(opcode).value(module).value(name).value(args)
    switch (kind) {
      case 'ask':
        return {
          kind,
          run(args) {
            const reader = new Reader(channel.ask(call(FROM_FAR.ask, args).message), WIRE)
            if (reader.boolean()) return reader.value()
            throw reviveHostError(reader)
          }
        }
      case 'tell':
        return { kind, run: args => channel.post(call(FROM_FAR.tell, args).message) }
      case 'request':
        return {
          kind,
          run: args =>
            new Promise((resolve, reject) => {
              const id = (lastRequest = (lastRequest + 1) & 0x7fffffff)
              waiting.set(id, { resolve, reject })
              const frame = writer.begin(FROM_FAR.request).value(id).value(module).value(name).value(args)
              channel.post(frame.message)
            })
        }
      default:
        return undefined
    }
  }

  const start = async (reader: Reader) => {
    const source = reader.value() as Uint8Array | undefined
    const image = reader.value() as Uint8Array | undefined
    const name = reader.text()
    const seed = reader.value() as number | undefined
    const values = reader.list() as number[]
    const softShare = reader.value() as number | undefined
    const limits = Object.fromEntries(LIMIT_NAMES.map((key, i) => [key, values[i]])) as unknown as Limits
    const modules = reader.list() as unknown as ModuleGrant[]
    const kinds = new Map(
      modules.flatMap(([module, exports]) =>
        exports.map(([name, kind]) => [`${module}.${name}`, kind] as const)
      )
    )
    const output = (stream: number) => (bytes: Uint8Array) => {
      channel.post(writer.begin(FROM_FAR.output).value(stream).value(bytes).message)
    }
    try {
      const factory = await far.prepare(limits, softMarks(limits, softShare))
      guest = new Session(
        far.engine,
        {
          name,
          limits,
          stdout: output(1),
          stderr: output(2),
          onSoftLimit({ name, used }) {
            channel.post(writer.begin(FROM_FAR.pressed).value(name).value(used).message)
          },
          ...(seed === undefined ? {} : { seed }),
          ...(softShare === undefined ? {} : { softShare })
        },
        {
          grants: {
            modules,
            find: (module, name) => proxy(module, name, kinds.get(`${module}.${name}`) ?? 'constant'),
            // The near side's to close.
            end() {}
          },
          uncaught: error => channel.post(writeFailure(writer.begin(FROM_FAR.uncaught), error).message),
          ...(far.watch === undefined ? {} : { watch: far.watch })
        }
      )
      await guest.start(factory, far.program ?? { source, image })
    } catch (error) {
      await guest?.dispose()
      return fail(START, error)
    } finally {
      source?.fill(0)
      image?.fill(0)
    }
    reportUsage()
    channel.post(writer.begin(FROM_FAR.ready).value(guest.exports).message)
    // Whoever waits for a call is told by that; and what a call had come to before goes first.
    void guest.ended.then(reason => setTimeout(() => end(reason), 0))
  }

  const end = (reason: CofferError) => {
    if (leaving) return
    reportUsage()
    channel.post(endedFrame(reason))
  }

  // Read before anything waits: a frame that is not as it must be ends this side, and is no rejection of the guest's.
  const call = (reader: Reader) => {
    const id = reader.count()
    const program = reader.boolean()
    const name = reader.text()
    const args: Argument[] = reader.list()
    const places = reader.list() as [place: number, aborted: boolean][]
    for (const [place, aborted] of places) {
      const controller = new AbortController()
      if (aborted) controller.abort()
      args[place] = controller.signal
      controllers.set(`${id}.${place}`, controller)
    }
    return settled(id, program, name, args, places)
  }

  const settled = async (
    id: number,
    program: boolean,
    name: string,
    args: readonly Argument[],
    places: readonly (readonly [place: number, aborted: boolean])[]
  ) => {
    try {
      const outcome = program ? await guest!.run(args as string[]) : await guest!.call(name, ...args)
      if (!(outcome instanceof GuestStream)) return answer(id, outcome)
      streams.set(id, outcome)
      channel.post(writer.begin(FROM_FAR.stream).value(id).message)
    } catch (error) {
      fail(id, error)
    } finally {
      if (!streams.has(id)) for (const [place] of places) controllers.delete(`${id}.${place}`)
    }
  }

  const step = (reader: Reader) => stepped(reader.count(), reader.count(), reader.boolean())

  const stepped = async (id: number, from: number, ending: boolean) => {
    const stream = streams.get(from)
    try {
      const { done, value } = (await (ending ? stream?.return() : stream?.next())) ?? { done: true }
      if (done !== true) return answer(id, value)
      close(from)
      channel.post(writer.begin(FROM_FAR.done).value(id).message)
    } catch (error) {
      close(from)
      fail(id, error)
    }
  }

  const dispose = async () => {
    // Told twice, it would be free twice, the second time of the next guest.
    if (guest === undefined || leaving) return
    leaving = true
    const { memoryBytes } = guest.usage()
    await guest.dispose()
    channel.close(memoryBytes)
  }

  const close = (stream: number) => {
    streams.delete(stream)
    for (const key of controllers.keys()) if (key.startsWith(`${stream}.`)) controllers.delete(key)
  }

  return frame => {
    const reader = new Reader(frame, WIRE)
    switch (reader.byte()) {
      case TO_FAR.start:
        return void start(reader)
      case TO_FAR.call:
        return void call(reader)
      case TO_FAR.step:
        return void step(reader)
      case TO_FAR.settle: {
        const id = reader.count()
        const request = waiting.get(id)
        waiting.delete(id)
        if (reader.boolean()) request?.resolve(reader.value())
        else request?.reject(reviveHostError(reader))
        return
      }
      case TO_FAR.abort:
        return controllers.get(`${reader.count()}.${reader.count()}`)?.abort()
      case TO_FAR.dispose:
        return void dispose()
    }
  }
}

function reviveHostError(reader: Reader): Error {
  const { name, message } = readError(reader)
  const error = new Error(message)
  error.name = name
  return error
}
