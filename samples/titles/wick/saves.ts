/** One game at a time, and the best that were played: slots `game` and `best`. */
import * as save from 'coffer:save'
import RNG from 'rot-js/lib/rng.js'
import { score, type Game } from './model.js'

const SAVE_VERSION = 1
const BEST_KEPT = 5

/** The game goes on where it was, chance included, so that what is saved and resumed plays as if never left. */
interface SavedGame {
  readonly version: number
  readonly chance: number[]
  readonly game: Game
}

export async function saveGame(game: Game): Promise<void> {
  const saved: SavedGame = { version: SAVE_VERSION, chance: RNG.getState(), game }
  await save.write('game', JSON.stringify(saved))
}

/**
 * Why the medium did not take a save: it is full, or may not be written to.
 *
 * @throws the error itself, where it says nothing of a medium.
 */
export function whyNotSaved(error: unknown): string {
  const { code, message } = error as { code?: unknown; message?: unknown }
  if (typeof code !== 'string' || !code.startsWith('COFFER_')) throw error
  return `The game could not be saved. ${message}`
}

/** @returns the saved game; null when there is none; 'other' when another release of Wick made it. */
export async function resumeGame(): Promise<Game | null | 'other'> {
  const text = await save.readText('game')
  if (text === null) return null
  const saved = JSON.parse(text) as SavedGame
  if (saved.version !== SAVE_VERSION) return 'other'
  RNG.setState(saved.chance)
  return saved.game
}

/** One life: a game that has ended cannot be resumed. */
export const forgetGame = (): Promise<void> => save.remove('game')

export interface Result {
  readonly score: number
  readonly floor: number
  readonly turn: number
  readonly cause: string
}

/** Enter an ended game. @returns the best results, best first, the new one among them if it is good enough. */
export async function recordResult(game: Game): Promise<Result[]> {
  const text = await save.readText('best')
  const results = text === null ? [] : (JSON.parse(text) as Result[])
  results.push({ score: score(game), floor: game.level.floor, turn: game.turn, cause: game.ending!.cause })
  const best = results.sort((a, b) => b.score - a.score).slice(0, BEST_KEPT)
  await save.write('best', JSON.stringify(best))
  return best
}
