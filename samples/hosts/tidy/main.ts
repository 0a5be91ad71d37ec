#!/usr/bin/env node
/**
 * Tidy: a command-line app whose plugins compete. Each is a licensed title that says how well it understands a file;
 * the one that bids highest formats it.
 *
 *   node build/samples/hosts/tidy/main.js <medium> <file>
 *
 * The app takes whatever plugins are on the medium, bought or not: one that does not open, fails or takes too long does
 * not bid, and harms neither the app nor the others.
 */
import { readFile } from 'node:fs/promises'
import { CofferError, openMedium, type Medium, type TypedGuest } from 'coffer'

/** What a plugin of this app exports. */
interface Tidier {
  bid(text: string): number
  format(text: string): string
}

const PLUGINS = /^org\.example\.tidy-/
const LIMITS = { memoryBytes: 16 * 1024 * 1024, cpuMs: 5000 }

interface Bid {
  readonly id: string
  readonly plugin: TypedGuest<Tidier>
  readonly amount: number
}

async function tidy(mediumPath: string, path: string): Promise<string> {
  const text = await readFile(path, 'utf8')
  const medium = await openMedium(mediumPath)
  const ids = (await medium.titles()).map(({ id }) => id).filter(id => PLUGINS.test(id))
  const bids = await Promise.all(ids.map(id => ask(medium, id, text)))
  try {
    const [best] = bids
      .filter(bid => bid !== undefined && bid.amount > 0)
      .sort((a, b) => b!.amount - a!.amount)
    if (best === undefined) throw new Error('no plugin understands this file')
    console.error(`tidy: ${best.id}, with ${best.amount.toFixed(2)}`)
    const formatted = await best.plugin.api.format(text)
    if (typeof formatted !== 'string') throw new TypeError(`${best.id} returned no text`)
    return formatted
  } finally {
    for (const bid of bids) await bid?.plugin.dispose()
  }
}

/** Ask one plugin for its bid. It stays, to format; undefined for one that cannot be asked. */
async function ask(medium: Medium, id: string, text: string): Promise<Bid | undefined> {
  let plugin: TypedGuest<Tidier> | undefined
  try {
    plugin = await medium.launch<Tidier>(id, { limits: LIMITS })
    const amount = await plugin.api.bid(text)
    // What a guest returns is input from outside: a bid is a number from 0 to 1, whatever the types say.
    if (typeof amount !== 'number' || !(amount >= 0 && amount <= 1))
      throw new TypeError('its bid is no number')
    return { id, plugin, amount }
  } catch (error) {
    console.error(`tidy: ${id} does not bid: ${error instanceof Error ? error.message : String(error)}`)
    await plugin?.dispose()
    return undefined
  }
}

const [mediumPath, path, ...rest] = process.argv.slice(2)
if (mediumPath === undefined || path === undefined || rest.length > 0) {
  console.error('usage: tidy <medium> <file>')
  process.exitCode = 64
} else {
  try {
    process.stdout.write(await tidy(mediumPath, path))
  } catch (error) {
    console.error(`tidy: ${error instanceof Error ? error.message : String(error)}`)
    process.exitCode = error instanceof CofferError ? error.exitCode : 1
  }
}
