/** When this thread learns to give the memory of Node's ciphers back at once (docs/decisions/0033-memory-given-back-at-once.md). */
import { releaseBy, type Transfer } from '../formats/cipher-memory.js'

/** Where it pays for learning it: some 4 ms, against 0.5 to 6 µs for every chunk. */
const RELEASE_BYTES = 8 * 1024 * 1024

let passedBytes = 0
let hasLearnt = 'transfer' in ArrayBuffer.prototype

/** Before a payload is passed: what has been passed before tells how many more there will be. */
export function releaseFor(payloadBytes: number): void {
  passedBytes += payloadBytes
  if (passedBytes >= RELEASE_BYTES) releaseAtOnce()
}

/**
 * Node 20 has `ArrayBuffer.prototype.transfer`, and gives it to contexts that are made while a flag of V8 is set. The flag
 * is put back, since code caches hold for one set of flags.
 */
export function releaseAtOnce(): void {
  if (hasLearnt) return
  hasLearnt = true
  const { setFlagsFromString } = process.getBuiltinModule('node:v8')
  const { runInNewContext } = process.getBuiltinModule('node:vm')
  setFlagsFromString('--harmony-rab-gsab-transfer')
  const transfer = runInNewContext('ArrayBuffer.prototype.transfer') as Transfer | undefined
  setFlagsFromString('--no-harmony-rab-gsab-transfer')
  if (transfer !== undefined) releaseBy(transfer)
}
