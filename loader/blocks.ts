/**
 * A payload on its way through memory, a block at a time, that several threads can work on at once
 * (docs/decisions/0034-two-cores.md). Who reads the payload fills slots with sealed blocks; whoever is free takes one,
 * opens it, or seals it under another key where one is given; the reader goes through what came of them in order.
 */
import { wipe } from '../formats/bytes.js'
import { PayloadOpener, PayloadSealer, SALT_BYTES, SEALED_CHUNK_BYTES } from '../formats/cobblestone.js'

const BLOCK_CHUNKS = 16
/** Sixteen sealed chunks: about where reading reaches the speed of the disk (262 400 bytes). */
export const BLOCK_BYTES = BLOCK_CHUNKS * SEALED_CHUNK_BYTES
/** Rounded up to whole pages: the kernel copies fastest to and from where a page begins. */
const ROOM_BYTES = Math.ceil(BLOCK_BYTES / 4096) * 4096
/** A sealed block, and what comes of it. */
const SLOT_BYTES = 2 * ROOM_BYTES
const WASM_PAGE_BYTES = 65536

/** What a slot is in, in this order. */
const EMPTY = 0
const FILLED = 1
const TAKEN = 2
const DONE = 3
const FAILED = 4
/** Taken by a thread that was not heard of since: for good. */
const ABANDONED = 5
type State = typeof EMPTY | typeof FILLED | typeof TAKEN | typeof DONE | typeof FAILED | typeof ABANDONED

/** How long a thread may be at one block, which takes it a millisecond: it has died, or is as good as dead. */
const SILENCE_MS = 1000

/** Words of the control area, before those of each slot. */
const CHANGES = 0
const ENDED = 1
/** Words of a slot, after its state. */
const BLOCK = 1
const SEALED_BYTES = 2
const OPENED_BYTES = 3
const SLOT_WORDS = 4
const CONTROL_BYTES = 4096
/** Word of the control area, behind those of all slots: how many threads have keys for what lies here. */
const INSIDE = CONTROL_BYTES / 4 - 1

/** A key and what it is used with. In memory that threads share, so that it lies in one place and is wiped there. */
export interface BlockCipher {
  readonly key: Uint8Array
  readonly context: Uint8Array
  /** The payload's first 56 bytes. */
  readonly header: Uint8Array
}

/** What a thread needs to help: it crosses as it is, and nothing of it is copied but contexts and headers. */
export interface BlockWork extends BlockMemory {
  readonly opening: BlockCipher
  readonly sealing: BlockCipher | undefined
}

export interface BlockMemory {
  readonly memory: ArrayBufferLike
  readonly slots: number
}

/**
 * @param threads - For one, a small buffer is enough; more share WebAssembly's memory, which is the one that begins on a
 *   page.
 */
export function blockMemory(threads: number): BlockMemory {
  const slots = threads === 1 ? 1 : 2 * threads + 2
  const bytes = CONTROL_BYTES + slots * SLOT_BYTES
  if (threads === 1) return { memory: new ArrayBuffer(bytes), slots }
  const pages = Math.ceil(bytes / WASM_PAGE_BYTES)
  return { memory: new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true }).buffer, slots }
}

/**
 * Have memory ready for another payload. Engines do not count what threads share, and would let it pile up.
 *
 * @returns false where a thread may still work on the one before, under its keys: it keeps this memory, then.
 */
export function cleared({ memory }: BlockMemory): boolean {
  const control = new Int32Array(memory, 0, CONTROL_BYTES / 4)
  if (Atomics.load(control, INSIDE) !== 0) return false
  control.fill(0, 0, INSIDE)
  return true
}

/** What the reader has in the place of a slot that was abandoned, which a thread may still be reading and writing. */
interface OwnSlot {
  readonly sealed: Uint8Array
  readonly room: Uint8Array
  block: number
  sealedBytes: number
}

/** The blocks in memory, as one of the threads sees them. */
export class Blocks {
  readonly #memory: ArrayBufferLike
  readonly #slots: number
  readonly #control: Int32Array
  readonly #opener: PayloadOpener
  readonly #sealer: PayloadSealer | undefined
  readonly #own = new Map<number, OwnSlot>()

  /** @throws CofferError COFFER_PAYLOAD_FORGED when the header commits to another key or context. */
  constructor({ memory, slots, opening, sealing }: BlockWork) {
    this.#memory = memory
    this.#slots = slots
    this.#control = new Int32Array(memory, 0, CONTROL_BYTES / 4)
    // Before the keys are read: who comes when all is over finds them wiped, and whoever has them is counted.
    Atomics.add(this.#control, INSIDE, 1)
    try {
      this.#opener = new PayloadOpener(opening.key, opening.context, opening.header)
    } catch (error) {
      Atomics.sub(this.#control, INSIDE, 1)
      throw error
    }
    this.#sealer =
      sealing && new PayloadSealer(sealing.key, sealing.context, sealing.header.subarray(0, SALT_BYTES))
  }

  /** How many blocks there is room for; block n lies in slot n modulo that. */
  get slots(): number {
    return this.#slots
  }

  /** Room for a sealed block. */
  sealed(slot: number, sealedBytes: number): Uint8Array {
    const own = this.#own.get(slot)
    if (own !== undefined) return own.sealed.subarray(0, sealedBytes)
    return new Uint8Array(this.#memory, CONTROL_BYTES + slot * SLOT_BYTES, sealedBytes)
  }

  /** Give out the sealed block that lies in a slot. */
  offer(slot: number, block: number, sealedBytes: number): void {
    const own = this.#own.get(slot)
    if (own !== undefined) {
      own.block = block
      own.sealedBytes = sealedBytes
      return
    }
    const at = wordOf(slot)
    this.#control[at + BLOCK] = block
    this.#control[at + SEALED_BYTES] = sealedBytes
    this.#set(slot, FILLED)
    Atomics.add(this.#control, CHANGES, 1)
    Atomics.notify(this.#control, CHANGES)
  }

  /** Work on the earliest block that nobody has taken. @returns whether there was one. */
  work(): boolean {
    for (;;) {
      let slot = -1
      for (let i = 0; i < this.#slots; i++)
        if (this.#get(i) === FILLED && (slot < 0 || this.#blockOf(i) < this.#blockOf(slot))) slot = i
      if (slot < 0) return false
      if (Atomics.compareExchange(this.#control, wordOf(slot), FILLED, TAKEN) !== FILLED) continue
      this.#settle(slot, this.#opens(slot))
      return true
    }
  }

  /** Work until the reader has ended. */
  help(): void {
    for (;;) {
      const changes = Atomics.load(this.#control, CHANGES)
      if (Atomics.load(this.#control, ENDED) !== 0) return
      if (!this.work()) Atomics.wait(this.#control, CHANGES, changes)
    }
  }

  /**
   * Have the block in a slot finished, helping as long as it takes.
   *
   * @returns its plaintext, or the same sealed again; there until another block is offered in this slot.
   * @throws CofferError COFFER_PAYLOAD_FORGED, whichever thread it was that found it.
   */
  finish(slot: number): Uint8Array {
    for (;;) {
      const own = this.#own.get(slot)
      if (own !== undefined) return this.#openOwn(own)
      const state = this.#get(slot)
      if (state === DONE) return this.#opened(slot)
      if (state === FAILED) {
        this.#open(slot) // which says what is wrong
        return this.#opened(slot)
      }
      if (!this.work() && !this.#waitFor(slot)) this.#replace(slot)
    }
  }

  /** Let the others go, and wipe what blocks were opened to. */
  end(): void {
    Atomics.store(this.#control, ENDED, 1)
    for (let slot = 0; slot < this.#slots; slot++) {
      Atomics.compareExchange(this.#control, wordOf(slot), FILLED, EMPTY)
      // What somebody is at would be written after the wiping.
      this.#waitFor(slot)
    }
    for (let slot = 0; slot < this.#slots; slot++) wipe(this.#room(slot).subarray(0, this.#touched(slot)))
    for (const { room } of this.#own.values()) wipe(room)
    Atomics.add(this.#control, CHANGES, 1)
    Atomics.notify(this.#control, CHANGES)
    this.wipe()
  }

  /** Let go of the keys: the last thing that is done. */
  wipe(): void {
    this.#opener.wipe()
    this.#sealer?.wipe()
    Atomics.sub(this.#control, INSIDE, 1)
  }

  #open(slot: number): void {
    const sealed = this.sealed(slot, this.#control[wordOf(slot) + SEALED_BYTES]!)
    this.#control[wordOf(slot) + OPENED_BYTES] = this.#openInto(this.#room(slot), this.#blockOf(slot), sealed)
  }

  #opens(slot: number): boolean {
    try {
      this.#open(slot)
      return true
    } catch {
      return false
    }
  }

  #openInto(room: Uint8Array, block: number, sealed: Uint8Array): number {
    const firstIndex = block * BLOCK_CHUNKS
    return this.#sealer === undefined
      ? this.#opener.openChunks(firstIndex, sealed, room)
      : this.#opener.resealChunks(firstIndex, sealed, this.#sealer, room)
  }

  /** Say what came of a block that was taken; where nobody waits for it any more, leave nothing of it. */
  #settle(slot: number, isOpen: boolean): void {
    const at = wordOf(slot)
    if (Atomics.compareExchange(this.#control, at, TAKEN, isOpen ? DONE : FAILED) === TAKEN)
      Atomics.notify(this.#control, at)
    else wipe(this.#room(slot))
  }

  /** Wait for whoever is at a block. @returns false once the slot is abandoned. */
  #waitFor(slot: number): boolean {
    const at = wordOf(slot)
    while (this.#get(slot) === TAKEN) {
      if (Atomics.wait(this.#control, at, TAKEN, SILENCE_MS) !== 'timed-out') continue
      Atomics.compareExchange(this.#control, at, TAKEN, ABANDONED)
    }
    return this.#get(slot) !== ABANDONED
  }

  /** Have memory that nobody else sees in the place of an abandoned slot. */
  #replace(slot: number): void {
    const sealedBytes = this.#control[wordOf(slot) + SEALED_BYTES]!
    const sealed = new Uint8Array(ROOM_BYTES)
    sealed.set(this.sealed(slot, sealedBytes))
    const block = this.#blockOf(slot)
    this.#own.set(slot, { sealed, room: new Uint8Array(ROOM_BYTES), block, sealedBytes })
  }

  #openOwn({ sealed, room, block, sealedBytes }: OwnSlot): Uint8Array {
    return room.subarray(0, this.#openInto(room, block, sealed.subarray(0, sealedBytes)))
  }

  #opened(slot: number): Uint8Array {
    return this.#room(slot).subarray(0, this.#control[wordOf(slot) + OPENED_BYTES])
  }

  #room(slot: number): Uint8Array {
    return new Uint8Array(this.#memory, CONTROL_BYTES + slot * SLOT_BYTES + ROOM_BYTES, ROOM_BYTES)
  }

  /** How much of a slot's room was ever written: of a small payload not all, and wiping would make it pages. */
  #touched(slot: number): number {
    const isAgain = this.#blockOf(slot) >= this.#slots
    return isAgain ? ROOM_BYTES : this.#control[wordOf(slot) + SEALED_BYTES]!
  }

  #blockOf(slot: number): number {
    return this.#control[wordOf(slot) + BLOCK]!
  }

  #get(slot: number): State {
    return Atomics.load(this.#control, wordOf(slot)) as State
  }

  #set(slot: number, state: State): void {
    Atomics.store(this.#control, wordOf(slot), state)
    Atomics.notify(this.#control, wordOf(slot))
  }
}

const wordOf = (slot: number): number => 2 + slot * SLOT_WORDS
