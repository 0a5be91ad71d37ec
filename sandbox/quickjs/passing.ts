/** Values of the host's on their way into the guest: made by the engine's own decoder, and let go of. */
import { DRIVE, MAILBOX_BYTES, type Pointer } from './abi.js'
import type { Entry } from './entry.js'
import { engineFailed, type Instance } from './instance.js'
import { writePrimitive } from './values.js'
import { unitsWithin, ValueWriter, writeText } from './writer.js'

export class Passing {
  private readonly entry: Entry
  private readonly writer = new ValueWriter()
  /** Values made for a call, to be let go of after it. */
  private readonly owned: Pointer[] = []

  constructor(entry: Entry) {
    this.entry = entry
  }

  /**
   * Have a value of the host's as one of the guest's at `at`, until {@link letGo}.
   *
   * @throws UnsupportedValue
   */
  put(instance: Instance, at: Pointer, value: unknown): void {
    if (writePrimitive(instance, at, value)) return
    const made = this.make(instance, value)
    this.owned.push(made)
    instance.words[at >> 2] = instance.words[made >> 2]!
    instance.words[(at >> 2) + 1] = instance.words[(made >> 2) + 1]!
  }

  letGo(instance: Instance): void {
    const { context } = this.entry.fields
    for (let made = this.owned.pop(); made !== undefined; made = this.owned.pop())
      instance.engine.QTS_FreeValuePointer(context, made)
  }

  /** Overwrite what the host wrote. */
  wipe(): void {
    this.writer.wipe()
  }

  /** @returns a JSValue from malloc. @throws UnsupportedValue */
  make(instance: Instance, value: unknown): Pointer {
    const made = this.tryMake(instance, value)
    if (made === 0) throw engineFailed('it does not read what the host wrote')
    return made
  }

  /** @returns a JSValue from malloc; 0 with the engine's exception pending, which takes a guest at the end of its stack. */
  tryMake(instance: Instance, value: unknown): Pointer {
    if (typeof value === 'string' && value.length <= MAILBOX_UNITS) {
      const { context, mailbox, mailboxValue } = this.entry.fields
      writeText(instance.units, mailbox, value)
      return this.checked(instance, instance.engine.QTS_bjson_decode(context, mailboxValue))
    }
    // First what runs no trap of a proxy.
    if (ArrayBuffer.isView(value) && value instanceof Uint8Array && value.length > MAILBOX_BYTES)
      return this.tryMakeBytes(instance, value)
    return this.checked(instance, this.decode(instance, ...this.writer.write(value)))
  }

  /** @returns the value; 0 for an exception. */
  private checked(instance: Instance, made: Pointer): Pointer {
    if (!instance.isException(made)) return made
    instance.engine.free(made)
    return 0
  }

  /** Large bytes are copied once. */
  private tryMakeBytes(instance: Instance, value: Uint8Array): Pointer {
    const { engine } = instance
    const { context } = this.entry.fields
    const buffer = instance.newArrayBuffer(context, value)
    const array = this.entry.driveInto(instance, DRIVE.bytes, [buffer])
    if (instance.isException(array)) {
      engine.QTS_FreeValuePointer(context, buffer)
      return 0
    }
    const { words } = instance
    // The block that held the buffer holds the array, and the buffer belongs to that.
    engine.freeInPlace(context, buffer)
    words[buffer >> 2] = words[array >> 2]!
    words[(buffer >> 2) + 1] = words[(array >> 2) + 1]!
    return buffer
  }

  /** @returns a JSValue from malloc, which may be an exception. */
  private decode(instance: Instance, head: Uint8Array, body: Uint8Array): Pointer {
    const { engine } = instance
    const { context, mailbox, mailboxValue } = this.entry.fields
    const length = head.length + body.length
    if (length <= MAILBOX_BYTES) {
      instance.bytes.set(head, mailbox)
      instance.bytes.set(body, mailbox + head.length)
      return engine.QTS_bjson_decode(context, mailboxValue)
    }
    const start = instance.allocate(length)
    instance.bytes.set(head, start)
    instance.bytes.set(body, start + head.length)
    const buffer = engine.QTS_NewArrayBuffer(context, start, length)
    const made = engine.QTS_bjson_decode(context, buffer)
    engine.QTS_FreeValuePointer(context, buffer)
    return made
  }
}

const MAILBOX_UNITS = unitsWithin(MAILBOX_BYTES)
