/** What types of a guest promise, held by the compiler (`npx tsc -p .`); nothing here runs. */
import type { TypedGuest } from '../../sandbox/index.js'

interface Api {
  size(text: string): number
  load(name: string): Promise<Uint8Array>
  rows(count: number): AsyncGenerator<{ readonly id: number }>
  opened(count: number, signal: AbortSignal): Promise<AsyncIterable<string>>
}

export async function typed(guest: TypedGuest<Api>): Promise<void> {
  const size: number = await guest.api.size('a')
  const bytes: Uint8Array = await guest.api.load('a')
  for await (const { id } of guest.api.rows(1)) id.toFixed()
  for await (const text of await guest.api.opened(1, new AbortController().signal)) text.trim()
  // @ts-expect-error: what the export takes is text.
  await guest.api.size(1)
  // @ts-expect-error: there is no such export.
  await guest.api.length('a')
  // @ts-expect-error: a result comes by a promise.
  guest.api.size('a').toFixed()
  // @ts-expect-error: an item is what the export yields.
  for await (const row of guest.api.rows(1)) row.trim()
  // @ts-expect-error: a value is not gone through.
  for await (const item of guest.api.size('a')) void item
  void [size, bytes]
}
