/** Whether a guest lives, and how it ends: what every part of its session asks first. */
import type { CofferError } from '../../formats/errors.js'
import { WIRE } from '../host-wire.js'
import type { Machine } from '../machine.js'
import { Writer } from '../wire.js'

export class Life {
  /** Why the guest has ended; undefined while it lives. */
  ended: CofferError | undefined
  /** The guest computes now. What else it is to do waits, and its memory stays until it has stopped. */
  running = false
  /** Undefined before the start, and once its memory is gone. */
  machine: Machine | undefined
  /** For messages to the guest: one at a time. */
  readonly writer = new Writer(WIRE)
  #tell!: (reason: CofferError) => void
  readonly told = new Promise<CofferError>(resolve => (this.#tell = resolve))
  readonly #onEnd: ((reason: CofferError) => void)[] = []
  #memoryBytes = 0

  /** Do this once, when the guest ends. */
  onEnd(work: (reason: CofferError) => void): void {
    this.#onEnd.push(work)
  }

  /** End the guest: everything pending fails with this error. Memory goes once nothing runs in it any more. */
  end(reason: CofferError): void {
    if (this.ended === undefined) {
      this.ended = reason
      this.#tell(reason)
      for (const work of this.#onEnd) work(reason)
    }
    if (!this.running) this.destroy()
  }

  destroy(): void {
    if (this.machine === undefined) return
    this.#memoryBytes = this.machine.memoryBytes()
    this.machine.destroy(this.ended?.code === 'COFFER_GUEST_GONE')
    this.machine = undefined
    this.writer.wipe()
  }

  /** Of a guest that has ended, what it had. */
  memoryBytes(): number {
    if (this.machine !== undefined && this.ended === undefined) this.#memoryBytes = this.machine.memoryBytes()
    return this.#memoryBytes
  }
}
