/**
 * Wick: carry a flame six floors down and light the Hearth.
 *
 * A sample title that uses what titles have: assets (its tables and its picture), saves (one game at a time), the
 * terminal, or, without one, a script of keys.
 */
import { interactive } from 'coffer:terminal'
import { loadCatalogue, titleArt } from './catalogue.js'
import { packPlace, scriptedKeys, terminalKeys, wishOf, type Keys } from './input.js'
import { say, type Game } from './model.js'
import { parseOptions, USAGE, type Options } from './options.js'
import { forgetGame, recordResult, resumeGame, saveGame, whyNotSaved, type Result } from './saves.js'
import { Screen } from './screen.js'
import { summarize } from './summary.js'
import { newGame, perform, type Command } from './turn.js'
import { drawEnd, drawGame, drawHelp, drawMessagePage, drawPack, drawTitle } from './view.js'

const EXIT_USAGE = 2
const EXIT_OTHER_RELEASE = 3
const EXIT_NOT_SAVED = 4

export default async function main(args: string[]): Promise<number> {
  const options = parseOptions(args)
  if (typeof options === 'string') {
    console.error(`${options}\n\n${USAGE}`)
    return EXIT_USAGE
  }
  if (options.help) {
    console.log(USAGE)
    return 0
  }
  await loadCatalogue()
  const resumed = options.fresh ? null : await resumeGame()
  if (resumed === 'other') {
    console.error('Your saved game was made by another release of Wick. Start a new one with --new.')
    return EXIT_OTHER_RELEASE
  }
  const game = resumed ?? newGame(options.seed ?? randomSeed())
  try {
    await playOn(game, options, resumed !== null)
  } catch (error) {
    console.error(whyNotSaved(error))
    console.log(summarize(game, false))
    return EXIT_NOT_SAVED
  }
  console.log(summarize(game, true))
  return 0
}

const randomSeed = (): number => crypto.getRandomValues(new Uint32Array(1))[0]! || 1

/** Play with a screen where there is one, and without where keys come from a script or output goes to a file. */
async function playOn(game: Game, options: Options, resumed: boolean): Promise<void> {
  if (options.keys !== null || !interactive) {
    await play(game, options.keys === null ? terminalKeys : scriptedKeys(options.keys), () => {})
    await settle(game)
    return
  }
  const screen = new Screen(options.colours)
  screen.open()
  try {
    drawTitle(screen, await titleArt(), resumed)
    await terminalKeys()
    await play(game, terminalKeys, draw => draw(screen))
    const best = await settle(game)
    if (best !== null) {
      drawEnd(screen, game, best)
      await terminalKeys()
    }
  } finally {
    screen.close()
  }
}

/** What the player sees next; nothing where nobody looks. */
type Show = (draw: (screen: Screen) => void) => void

/** Until the game ends, the player leaves, or the keys run out. */
async function play(game: Game, keys: Keys, show: Show): Promise<void> {
  while (game.ending === null) {
    show(screen => drawGame(screen, game))
    const key = await keys()
    if (key === null) return
    const wish = wishOf(key)
    if (wish === 'leave') return
    if (wish === 'help') {
      show(drawHelp)
      await keys()
    } else if (wish === 'messages') {
      show(screen => drawMessagePage(screen, game))
      await keys()
    } else if (wish === 'pack') {
      show(screen => drawPack(screen, game))
      const chosen = await keys()
      const place = chosen === null ? -1 : packPlace(chosen)
      if (place >= 0) await carryOut(game, { do: 'use', place }, show)
    } else if (wish !== undefined) await carryOut(game, wish, show)
  }
}

/** A command with all its turns. A new floor is saved as soon as it is reached; the game goes on where that fails. */
async function carryOut(game: Game, command: Command, show: Show): Promise<void> {
  const { floor } = game.level
  while (perform(game, command)) show(screen => drawGame(screen, game))
  if (game.level.floor !== floor && game.ending === null)
    await saveGame(game).catch(error => say(game, whyNotSaved(error), 'bad'))
}

/** Save a game that goes on; record one that has ended. @returns the best results, null for a game that goes on. */
async function settle(game: Game): Promise<Result[] | null> {
  if (game.ending === null) {
    await saveGame(game)
    return null
  }
  await forgetGame()
  return recordResult(game)
}
