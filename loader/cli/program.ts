/** A guest run as a program of this process: its output, its terminal, its exit code, and Ctrl-C. */
import { CofferError, type LimitUse } from '../../formats/errors.js'
import { sizeText } from '../../formats/wording.js'
import {
  GuestError,
  type Guest,
  type Isolation,
  type LaunchOptions,
  type TerminalHost,
  type Usage
} from '../../sandbox/guest.js'
import type { Call } from './command.js'
import { Interrupts } from './interrupt.js'
import type { Terminal } from './terminal.js'
import { isClosed, isTerminal, STDERR, STDIN, STDOUT, write, type OutputStream } from './output.js'

/** Generous for what a person started and watches; a title that needs more asks for it in its manifest. */
export const RUN_CPU_MS = 300_000

export interface Ended {
  readonly exitCode: number
  /** null when it failed before it ran. */
  readonly usage: Usage | null
}

/** What a program gets of the process it runs in. */
export type ProcessOptions = Required<Pick<LaunchOptions, 'stdout' | 'stderr' | 'signal' | 'isolation'>>

/**
 * Start a program, run it to its end, and put everything back.
 *
 * @param start - Launches the guest with these options; `terminal` makes the terminal for a program that may use it.
 */
export async function runProgram(
  call: Call,
  start: (options: ProcessOptions, terminal: () => Promise<TerminalHost>) => Promise<Guest>
): Promise<Ended> {
  // With --json, stdout belongs to the one object.
  const output = call.json ? STDERR : STDOUT
  using interrupts = new Interrupts()
  using stage = new Stage(output, interrupts)
  // Who waits for the one object waits for it after Ctrl-C too.
  const mustHear = call.json || isWatched()
  const isolation = (call.text('isolation') as Isolation | undefined) ?? (mustHear ? 'thread' : 'inline')
  if (isolation === 'thread' || call.text('engine') === 'ses') interrupts.listen()
  try {
    await using guest = await start({ ...stage.options, isolation }, stage.terminal)
    if (guest.engine === 'ses') interrupts.listen()
    else interrupts.listenOnceIdle()
    const exitCode = await guest.run(call.rest)
    return { exitCode, usage: guest.usage() }
  } catch (error) {
    if (error instanceof CofferError && error.limit !== undefined) throw asOption(error, error.limit)
    if (!(error instanceof GuestError)) throw error
    stage.complain(`Uncaught ${error.name}: ${error.message}\n${error.guestStack}`)
    return { exitCode: 1, usage: null }
  }
}

/** What gives a title more of what a limit is of. */
const OPTIONS: Readonly<Record<string, string>> = {
  memoryBytes: '--memory',
  cpuMs: '--cpu',
  wallMs: '--time'
}

/** The sandbox names limits as a host sets them; who typed the command has options. */
function asOption({ code, message, cause }: CofferError, limit: LimitUse): CofferError {
  const option = OPTIONS[limit.name]
  const hint =
    option === undefined
      ? 'Tell its publisher; no option gives it more.'
      : `Give it more with ${option} if you trust it with that.`
  // The option counts in MiB.
  const said =
    limit.name === 'memoryBytes'
      ? `The title was ended: it needed ${sizeText(limit.used)} of memory, and its limit is ${sizeText(limit.value)}.`
      : message
  return new CofferError(code, said, { hint, limit, cause })
}

/** Where a person can press Ctrl-C, the guest must not have this thread, which would not hear it. */
const isWatched = (): boolean => ([STDIN, STDOUT, STDERR] as const).some(stream => isTerminal(stream))

/** Options that both `run` and `dev` take. */
export function limitsOf(call: Call): { memoryBytes?: number; cpuMs?: number; wallMs?: number } {
  const memoryMiB = call.number('memory')
  const cpuMs = call.number('cpu')
  const wallMs = call.number('time')
  return {
    ...(memoryMiB === undefined ? {} : { memoryBytes: memoryMiB * 1024 * 1024 }),
    ...(cpuMs === undefined ? {} : { cpuMs }),
    ...(wallMs === undefined ? {} : { wallMs })
  }
}

class Stage implements Disposable {
  readonly options: Omit<ProcessOptions, 'isolation'>
  readonly #output: OutputStream
  readonly #interrupts: Interrupts
  #terminal: Terminal | undefined
  /** Said on stderr while another page covered it. */
  #held: string[] = []

  constructor(output: OutputStream, interrupts: Interrupts) {
    this.#output = output
    this.#interrupts = interrupts
    this.options = {
      stdout: bytes => {
        write(output, bytes)
        // Nobody reads any more: what only writes would go on for ever.
        if (isClosed(STDOUT)) interrupts.abort()
      },
      stderr: bytes => this.complain(new TextDecoder().decode(bytes)),
      signal: interrupts
    }
  }

  complain(text: string): void {
    if (this.#terminal?.onOtherPage) this.#held.push(text)
    else write(STDERR, text)
  }

  readonly terminal = async (): Promise<TerminalHost> => {
    const { Terminal } = await import('./terminal.js')
    // What a person's terminal was made to show is put back, however this ends.
    if (isWatched()) this.#interrupts.listen()
    return (this.#terminal ??= new Terminal(this.#output, () => this.#interrupts.interrupt()))
  };

  [Symbol.dispose](): void {
    this.#terminal?.[Symbol.dispose]()
    for (const text of this.#held.splice(0)) this.complain(text)
  }
}
