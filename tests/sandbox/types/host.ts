/** What types of a guest promise to its host; compiled by ../types.test.ts, and nothing here runs. */
import { type Guest, type GuestStream, type HostModule, launch, sync, type Value } from 'coffer/sandbox'
import type { Medium, TypedGuest } from 'coffer'

interface Row {
  readonly id: number
}

interface Renderer {
  size(text: string): number
  load(name: string): Promise<Uint8Array>
  find(text: string, options?: { readonly all?: boolean }): Row | undefined
  wait(ms: number, signal: AbortSignal): Promise<Row>
  either(text: string, signal?: AbortSignal): string | Promise<string>
  rows(count: number, signal?: AbortSignal): AsyncGenerator<Row>
  opened(count: number): Promise<AsyncIterable<string>>
  later?(): Promise<boolean>
  readonly version: string
  parse(text: string): any
  fetched(url: string): Promise<any>
  fails(): never
}

const { signal } = new AbortController()

/** Each way to call, by name and by `api`: arguments and results are what the export says. */
export async function called(guest: TypedGuest<Renderer>): Promise<unknown[]> {
  const size: number = await guest.call('size', 'a')
  const bytes: Uint8Array = await guest.call('load', 'a')
  const found: Row | undefined = await guest.call('find', 'a')
  const all: Row | undefined = await guest.call('find', 'a', { all: true })
  const row: Row = await guest.call('wait', 1, signal)
  const texts: string[] = [await guest.call('either', 'a'), await guest.call('either', 'a', signal)]
  const later: boolean = await guest.call('later')
  const now: number = guest.callSync('size', 'a')
  for await (const { id } of guest.iterate('rows', 1)) id.toFixed()
  for await (const { id } of guest.iterate('rows', 1, signal)) id.toFixed()
  const stream: GuestStream<string> = guest.iterate('opened', 1)

  const parsed: { x: number } = await guest.call('parse', '{}')
  const at: string = guest.callSync('parse', '{}')
  const fetched: { x: number } = await guest.call('fetched', 'a')
  await guest.call('fails')
  const apiParsed: { x: number } = await guest.api.parse('{}')
  const apiFetched: { x: number } = await guest.api.fetched('a')
  void [parsed, at, fetched, apiParsed, apiFetched]

  const apiSize: number = await guest.api.size('a')
  const apiRow: Row = await guest.api.wait(1, signal)
  const apiLater: boolean = await guest.api.later()
  for await (const { id } of guest.api.rows(1)) id.toFixed()
  for await (const text of await guest.api.opened(1)) text.trim()
  return [size, bytes, found, all, row, texts, later, now, stream, apiSize, apiRow, apiLater]
}

export async function refused(guest: TypedGuest<Renderer>): Promise<void> {
  // @ts-expect-error: there is no such export.
  await guest.call('length', 'a')
  // @ts-expect-error: it is no function.
  await guest.call('version')
  // @ts-expect-error: what it takes is text.
  await guest.call('size', 1)
  // @ts-expect-error: it takes one text.
  await guest.call('size', 'a', 'b')
  // @ts-expect-error: it takes no signal.
  await guest.call('size', 'a', signal)
  // @ts-expect-error: it takes a signal.
  await guest.call('wait', 1)
  // @ts-expect-error: there is no such option.
  await guest.call('find', 'a', { none: true })
  // @ts-expect-error: a result comes by a promise.
  guest.call('size', 'a').toFixed()
  // @ts-expect-error: what it gives is a number.
  const text: string = await guest.call('size', 'a')
  // @ts-expect-error: a stream is no value.
  await guest.call('rows', 1)
  // @ts-expect-error: a promise is not there at once.
  guest.callSync('load', 'a')
  // @ts-expect-error: nor is a stream.
  guest.callSync('rows', 1)
  // @ts-expect-error: a value is not gone through.
  guest.iterate('size', 'a')
  // @ts-expect-error: what may be anything is no stream.
  guest.iterate('parse', '{}')
  // @ts-expect-error: nor is a promise of that.
  guest.iterate('fetched', 'a')
  // @ts-expect-error: an item is what the export yields.
  for await (const row of guest.iterate('rows', 1)) row.trim()
  // @ts-expect-error: what it takes is text.
  await guest.api.size(1)
  // @ts-expect-error: there is no such export.
  await guest.api.length('a')
  // @ts-expect-error: a result comes by a promise.
  guest.api.size('a').toFixed()
  // @ts-expect-error: an item is what the export yields.
  for await (const row of guest.api.rows(1)) row.trim()
  // @ts-expect-error: a value is not gone through.
  for await (const item of guest.api.size('a')) void item
  void text
}

/** A guest that nobody has described takes any name, and gives any value. */
export async function undescribed(source: Uint8Array): Promise<Value> {
  const guest = await launch(source)
  const taken: Guest = guest
  for await (const item of guest.iterate('rows', 1, signal)) void (item satisfies Value)
  void (guest.callSync('a', 1) satisfies Value)
  void ((await guest.api['a']?.(1, signal)) satisfies Value)
  return taken.call('whatever', 1, [2], signal)
}

/** Types arrive with whatever starts a guest. */
export async function started(medium: Medium, source: Uint8Array): Promise<number> {
  await using pool = await medium.pool<Renderer>('org.example.renderer', { size: 2 })
  await using taken = await pool.take()
  await using launched = await medium.launch<Renderer>('org.example.renderer')
  const own = await launch<Renderer>(source)
  return (await taken.call('size', 'a')) + (await launched.call('size', 'a')) + own.callSync('size', 'a')
}

type Host = HostModule<typeof import('coffer:host')>

/** Functions of the host are held against what it declares to titles. */
export const granted = {
  lookUp: async (word: string) => word.trim(),
  now: sync(() => Date.now()),
  log: (text: string) => void text.length
} satisfies Host

export const launched = (source: Uint8Array): Promise<TypedGuest> =>
  launch(source, { capabilities: { host: granted } })

// @ts-expect-error: one of them is not there.
export const missing = { lookUp: async (word: string) => word, now: sync(() => 1) } satisfies Host

export const wrong = {
  // @ts-expect-error: it gets a text.
  lookUp: async (word: number) => `${word}`,
  // @ts-expect-error: the title does not await it.
  now: () => 1,
  // @ts-expect-error: the title awaits it.
  log: sync((text: string) => void text)
} satisfies Host

// @ts-expect-error: it is to give a number.
export const other = { lookUp: (word: string) => word, now: sync(() => 'now'), log() {} } satisfies Host
