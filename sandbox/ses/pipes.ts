/**
 * What a process and the child that holds a SES guest agree on, first of all the pipes between them. A frame is its
 * length in 4 bytes, and itself.
 */
import { readSync, writeSync } from 'node:fs'
import { readU32be, u32be } from '../../formats/bytes.js'
import type { LimitName } from '../failures.js'
import { MAX_MESSAGE_BYTES, MalformedMessage } from '../wire.js'

/** File descriptors in the child. */
export const FD = {
  /** Frames to the child. */
  commands: 3,
  /** Frames from the child, written by its main thread. */
  frames: 4,
  /** Frames that the child waits for, doing nothing else. */
  answers: 5,
  /** From the child's watchdog: of a limit that is nearly used up, and before it kills the process. */
  verdict: 6
} as const

/** Limits that the watchdog keeps, by the number they have between the threads and in its verdict. */
export const WATCHED: readonly LimitName[] = ['cpuMs', 'wallMs', 'memoryBytes']

/** A word of the watchdog's: which limit, and by how much it, or where it is nearly used up, was passed. */
export interface Verdict {
  /** Its place among {@link WATCHED}. */
  readonly limit: number
  readonly excess: number
  /** The guest lives on. */
  readonly soft: boolean
}

export function verdict({ limit, excess, soft }: Verdict): Uint8Array {
  const bytes = new Uint8Array(VERDICT_BYTES)
  new DataView(bytes.buffer).setFloat64(1, excess)
  bytes[0] = soft ? limit | SOFT_BIT : limit
  return bytes
}

/** All that stand in these bytes, which a pipe hands on whole. */
export function* readVerdicts(bytes: Uint8Array): Generator<Verdict> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  for (let at = 0; at + VERDICT_BYTES <= bytes.length; at += VERDICT_BYTES) {
    const soft = bytes[at]! >= SOFT_BIT
    yield { limit: bytes[at]! & ~SOFT_BIT, excess: view.getFloat64(at + 1), soft }
  }
}

const VERDICT_BYTES = 9
const SOFT_BIT = 0x80

/** Memory that turning a module into a function takes for a while (24 times its text, measured), and is not the guest's. */
export const rewritingBytes = (sourceBytes: number): number => sourceBytes * 40

export function framed(frame: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(4 + frame.length)
  bytes.set(u32be(frame.length))
  bytes.set(frame, 4)
  return bytes
}

/** Frames out of a stream that is cut anywhere. */
export class FrameSplitter {
  readonly #receive: (frame: Uint8Array) => void
  readonly #mostBytes: number
  /** The beginning of a frame that is not all there yet, and room for more of it. */
  #room = NOTHING
  #begun = 0
  /** How long it is, as far as that is known. */
  #frameBytes = 0

  /** @param mostBytes - No frame is longer. */
  constructor(receive: (frame: Uint8Array) => void, mostBytes = MAX_MESSAGE_BYTES) {
    this.#receive = receive
    this.#mostBytes = mostBytes
  }

  /** @param chunk - Not kept. @throws MalformedMessage for a frame that is too long. */
  push(chunk: Uint8Array): void {
    // In one piece, however small the chunks: kept as they come, each would cost more than it holds.
    const bytes = this.#begun === 0 ? chunk : this.#joined(chunk)
    let at = 0
    for (this.#frameBytes = 4; bytes.length - at >= 4; this.#frameBytes = 4) {
      const length = readU32be(bytes, at)
      if (length > this.#mostBytes) throw new MalformedMessage('frame too long')
      this.#frameBytes = 4 + length
      if (bytes.length - at < this.#frameBytes) break
      at += 4 + length
      this.#receive(bytes.subarray(at - length, at))
    }
    this.#keep(bytes.subarray(at))
  }

  #joined(chunk: Uint8Array): Uint8Array {
    const length = this.#begun + chunk.length
    if (length > this.#room.length)
      this.#move(this.#room.subarray(0, this.#begun), Math.max(length, this.#roomFor(length)))
    this.#room.set(chunk, this.#begun)
    return this.#room.subarray(0, length)
  }

  #keep(rest: Uint8Array): void {
    this.#begun = rest.length
    if (rest.length === 0) this.#room = NOTHING
    else if (rest.buffer !== this.#room.buffer || rest.byteOffset > 0)
      this.#move(rest, this.#roomFor(rest.length))
  }

  /** Not all that a frame says it needs, before most of it is there. */
  #roomFor(bytes: number): number {
    return Math.min(this.#frameBytes, Math.max(2 * bytes, FIRST_BYTES))
  }

  #move(begun: Uint8Array, roomBytes: number): void {
    this.#room = new Uint8Array(roomBytes)
    this.#room.set(begun)
  }
}

const NOTHING = new Uint8Array(0)
const FIRST_BYTES = 1024 * 1024

/** Write all of it, waiting as long as it takes. */
export function writeFrame(fd: number, frame: Uint8Array): void {
  const bytes = framed(frame)
  for (let at = 0; at < bytes.length;) {
    try {
      at += writeSync(fd, bytes, at)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error
      wait(1)
    }
  }
}

/** Read one frame, waiting for it. @throws Error when the other side is gone. */
export function readFrame(fd: number): Uint8Array {
  const length = readU32be(readExactly(fd, 4), 0)
  return readExactly(fd, length)
}

function readExactly(fd: number, count: number): Uint8Array {
  const bytes = new Uint8Array(count)
  for (let at = 0; at < count;) {
    try {
      const got = readSync(fd, bytes, at, count - at, null)
      if (got === 0) throw new Error('the other side is gone')
      at += got
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error
      wait(1)
    }
  }
  return bytes
}

const nothing = new Int32Array(new SharedArrayBuffer(4))
const wait = (ms: number) => Atomics.wait(nothing, 0, 0, ms)
