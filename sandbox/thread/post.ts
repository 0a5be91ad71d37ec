/** How a frame leaves a thread. */
import type { MessagePort, Worker } from 'node:worker_threads'

/** From here on it takes less to hand memory over than to copy it into a message and out again. */
const HANDED_OVER_BYTES = 32 * 1024

/** @param frame - Copied; the caller keeps it. */
export function postFrame(to: MessagePort | Worker, frame: Uint8Array): void {
  const copy = new Uint8Array(frame)
  to.postMessage(copy, copy.length < HANDED_OVER_BYTES ? [] : [copy.buffer])
}
