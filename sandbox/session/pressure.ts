/** A limit that is nearly used up: told to the host at once, and to a guest that has asked after what it computes now. */
import type { LimitUse } from '../../formats/errors.js'
import { limitNear } from '../failures.js'
import type { LaunchOptions } from '../guest.js'
import { TO_GUEST, writeError } from '../protocol.js'
import type { Writer } from '../wire.js'
import type { Life } from './life.js'
import type { Meter } from './meter.js'
import type { Turns } from './turns.js'

export class Pressure {
  /** The guest has asked, and so has somebody who waits to be told. */
  #asked = false
  readonly #life: Life
  readonly #meter: Meter
  readonly #turns: Turns
  readonly #options: Pick<LaunchOptions, 'onSoftLimit' | 'seed'>

  constructor(life: Life, meter: Meter, turns: Turns, options: Pick<LaunchOptions, 'onSoftLimit' | 'seed'>) {
    this.#life = life
    this.#meter = meter
    this.#turns = turns
    this.#options = options
  }

  tell(use: LimitUse): void {
    const { onSoftLimit } = this.#options
    try {
      if (onSoftLimit !== undefined) this.#meter.asHost(() => onSoftLimit(use))
    } catch {
      // Nobody is there to hear it.
    }
    if (!this.#asked || this.#life.ended !== undefined) return
    this.#turns.do(() => {
      const { pressure } = this.#meter
      // It may have been a call that is over.
      if (pressure === undefined) return
      const { writer, machine } = this.#life
      machine!.dispatch(writePressure(writer.begin(TO_GUEST.pressed), pressure).message)
    })
  }

  /** The guest asks. @throws CofferError when it is past a limit. */
  answer(): Uint8Array {
    // What a guest with a seed sees is to be the same each time, and this is not.
    const told = this.#options.seed === undefined
    if (told) this.#meter.poll()
    this.#asked ||= told
    const pressure = told ? this.#meter.pressure : undefined
    const answer = this.#life.writer.begin(0).value(pressure !== undefined)
    return (pressure === undefined ? answer : writePressure(answer, pressure)).message.subarray(1)
  }
}

const writePressure = (writer: Writer, use: LimitUse): Writer =>
  writeError(writer, limitNear(use)).value(use.name).value(use.value).value(use.used)
