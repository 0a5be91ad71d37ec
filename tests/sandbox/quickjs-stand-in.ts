/** QuickJS machines with an SDK of a few lines, so that their tests depend on nothing above the machine. */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { CofferError } from '../../formats/errors.js'
import { DEFAULT_LIMITS, type Limits } from '../../sandbox/guest.js'
import type { MachinePort } from '../../sandbox/machine.js'
import { makeImage } from '../../sandbox/quickjs/boot.js'
import { loadQuickjs } from '../../sandbox/quickjs/factory.js'
import type { PressingMachine } from '../../sandbox/quickjs/machine.js'

const built = (name: string) => readFileSync(new URL(`../../engine/${name}`, import.meta.url))
export const wasm = built('quickjs.wasm')
export const bootWasm = built('boot.wasm')
export const wasmHash = createHash('sha256').update(wasm).digest()

/**
 * Messages are Latin-1 text. The host's "name argument" calls an export; the guest's are "say ...", "started ...",
 * "failed ...", "result ...", "threw ...", "rejected ..." and "handled ...".
 */
export const STAND_IN = `(() => {
  const Bytes = Uint8Array, Later = Promise, { keys } = Object, { fromCharCode } = String
  const encode = text => Bytes.from(text, char => char.charCodeAt(0))
  const decode = bytes => fromCharCode(...bytes)
  return native => {
    const send = text => { const answer = native.send(encode(text)); return answer && decode(answer) }
    let exports
    return {
      modules: { host: { say: text => send('say ' + text), size: bytes => native.send(bytes) }, empty: {} },
      receive(message) {
        const [name, ...args] = decode(message).split(' ')
        new Later(done => done(exports[name](...args))).then(
          value => send('result ' + value), error => send('threw ' + error))
      },
      setNamespace(namespace, evaluation) {
        exports = namespace
        evaluation.then(() => send('started ' + keys(namespace)), error => send('failed ' + error))
      },
      rejection(promise, reason, handled) { send((handled ? 'handled ' : 'rejected ') + reason) }
    }
  }
})()`

export const standInImage = makeImage(bootWasm, wasmHash, STAND_IN)
export const makeMachine = loadQuickjs({
  wasm,
  image: standInImage,
  sha256: bytes => createHash('sha256').update(bytes).digest()
})

const MODULES = new Map([
  ['coffer:host', ['say', 'size']],
  ['coffer:empty', []]
])

/** A port that takes what comes, in a world where nothing moves. */
export const PORT: MachinePort = {
  receive: () => undefined,
  poll() {},
  now: () => 1_000_000,
  dice: new Uint8Array(8).fill(1),
  result() {},
  callHost: () => undefined
}

export interface Ran {
  readonly machine: PressingMachine
  /** What the guest sent, as text. */
  readonly said: string[]
  readonly error: unknown
  readonly elapsedMs: number
}

/** Run a program, then send it messages. Ends it after `timeMs` with COFFER_LIMIT_CPU. The caller destroys the machine. */
export function runGuest(
  source: string,
  messages: readonly string[] = [],
  { timeMs = 10_000, limits = {} as Partial<Limits>, port = {} as Partial<MachinePort> } = {}
): Ran {
  const said: string[] = []
  const started = performance.now()
  const machine = makeMachine(
    {
      receive(message) {
        said.push(Buffer.from(message).toString('latin1'))
        return undefined
      },
      poll() {
        if (performance.now() - started > timeMs) throw new CofferError('COFFER_LIMIT_CPU', 'time is up')
      },
      now: PORT.now,
      dice: crypto.getRandomValues(new Uint8Array(8)),
      result: PORT.result,
      callHost: PORT.callHost,
      ...port
    },
    { ...DEFAULT_LIMITS, ...limits }
  )
  let error: unknown
  try {
    machine.evaluate(Buffer.from(source), 'title.js', MODULES)
    for (const message of messages) machine.dispatch(Buffer.from(message, 'latin1'))
  } catch (thrown) {
    error = thrown
  }
  return { machine, said, error, elapsedMs: performance.now() - started }
}
