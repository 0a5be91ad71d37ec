/** The rules: what a command does, and what a turn brings with it. */
import RNG from 'rot-js/lib/rng.js'
import { heroAttacks, hurtHero } from './combat.js'
import { canTake, nearestInSight, pickUp, useItem } from './items.js'
import { FLOOR_NAMES, makeLevel, sendWanderer } from './level.js'
import {
  CLOSED_DOOR,
  COLD_BRAZIER,
  HEARTH,
  LAST_FLOOR,
  OPEN_DOOR,
  STAIRS,
  canStand,
  lightRadius,
  monsterAt,
  neighbour,
  say,
  type Game,
  type Level,
  type Step
} from './model.js'
import { monstersAct } from './monsters.js'
import { distances, frontier, stepDown } from './paths.js'
import { kindle, look } from './sight.js'

export type Command =
  | { readonly do: 'step'; readonly step: Step }
  | { readonly do: 'wait' | 'rest' | 'explore' | 'descend' | 'fight' }
  | { readonly do: 'use'; readonly place: number }

const START_WAX = 300
const START_HEALTH = 20
const BRAZIER_WAX = 30
const HEARTH_WAX = 50
const MENDS_EVERY_TURNS = 14
const DARK_HURTS_EVERY_TURNS = 4
const WANDERER_EVERY_TURNS = 80

/** @param seed - 1 to 2^32 - 1; the same seed and the same commands make the same game. */
export function newGame(seed: number): Game {
  RNG.setSeed(seed)
  const { level, start } = makeLevel(1)
  const hero = {
    at: start,
    health: START_HEALTH,
    mostHealth: START_HEALTH,
    wax: START_WAX,
    weapon: null,
    armour: null,
    pack: ['salve'],
    coins: 0,
    experience: 0,
    rank: 1,
    braziers: 0
  }
  const game: Game = { seed, turn: 0, hero, level, messages: [], ending: null }
  say(game, `You climb down into ${FLOOR_NAMES[0]}. Press ? for help.`)
  look(game)
  return game
}

/**
 * Carry out one turn of a command.
 *
 * @returns whether the command wants another turn of the same: exploring, resting and travelling go on until
 *   something is said or something comes into sight.
 */
export function perform(game: Game, command: Command): boolean {
  const lastSaid = game.messages.at(-1)
  if (!heroActs(game, command)) return false
  if (game.ending === null) passTime(game)
  const repeats = command.do === 'explore' || command.do === 'rest' || command.do === 'descend'
  return repeats && game.ending === null && game.messages.at(-1) === lastSaid && !enemyInSight(game.level)
}

const enemyInSight = (level: Level): boolean => level.monsters.some(monster => level.visible[monster.at])

/** @returns whether that took the turn. */
function heroActs(game: Game, command: Command): boolean {
  switch (command.do) {
    case 'step':
      return stepOrStrike(game, command.step)
    case 'wait':
      return true
    case 'use':
      return useItem(game, command.place)
    case 'rest':
      return isCalm(game) && (game.hero.health < game.hero.mostHealth || refuse(game, 'You need no rest.'))
    case 'fight':
      return fightStep(game)
    case 'explore':
      return isCalm(game) && exploreStep(game)
    case 'descend':
      return descendStep(game)
  }
}

function refuse(game: Game, why: string): false {
  say(game, why)
  return false
}

const isCalm = (game: Game): boolean =>
  !enemyInSight(game.level) || refuse(game, 'Not with something so close.')

function stepOrStrike(game: Game, step: Step): boolean {
  const { hero, level } = game
  const to = neighbour(hero.at, step)
  const monster = monsterAt(level, to)
  if (monster !== undefined) {
    heroAttacks(game, monster)
    return true
  }
  const tile = level.tiles[to]
  if (tile === COLD_BRAZIER) return lightBrazier(game, to)
  if (tile === HEARTH) return lightHearth(game)
  if (!canStand(level, to)) return false
  hero.at = to
  if (tile === CLOSED_DOOR) level.tiles[to] = OPEN_DOOR
  pickUp(game)
  return true
}

/** Wax for health: the trade that the game is about. */
function lightBrazier(game: Game, at: number): boolean {
  const { hero, level } = game
  if (hero.wax <= BRAZIER_WAX) return refuse(game, 'Your candle is too short to share its flame.')
  hero.wax -= BRAZIER_WAX
  hero.braziers++
  hero.health = hero.mostHealth
  kindle(level, at)
  say(game, 'The brazier catches. Its warmth makes you whole.', 'good')
  return true
}

function lightHearth(game: Game): boolean {
  const { hero, level } = game
  if (level.monsters.some(({ kind }) => kind === 'damp')) {
    return refuse(game, 'No spark takes while the Damp is here.')
  }
  if (hero.wax <= HEARTH_WAX) return refuse(game, 'The Hearth wants more flame than you have left.')
  say(game, 'The Hearth roars up. Far above, the windows of the village turn gold.', 'good')
  game.ending = { won: true, cause: 'lit the Hearth' }
  return true
}

/** One step towards the nearest monster in sight, or a blow at it. */
function fightStep(game: Game): boolean {
  const target = nearestInSight(game)
  if (target === undefined) return refuse(game, 'There is nothing to fight.')
  const step = stepDown(distances(game.level, [target.at]), game.hero.at)
  return step !== null && stepOrStrike(game, step)
}

function exploreStep(game: Game): boolean {
  const { hero, level } = game
  const wanted = level.items.filter(item => level.seen[item.at] && canTake(game, item)).map(item => item.at)
  if (wanted.includes(hero.at)) {
    // It was left behind when the pack was full.
    pickUp(game)
    return true
  }
  return (
    travelStep(game, [...wanted, ...frontier(level)]) ||
    refuse(game, 'Nothing is left to find here. Press > to go on.')
  )
}

function descendStep(game: Game): boolean {
  const { hero, level } = game
  if (level.tiles[hero.at] === STAIRS) {
    descend(game)
    return true
  }
  const isLast = level.floor === LAST_FLOOR
  const at = level.tiles.indexOf(isLast ? HEARTH : STAIRS)
  if (!level.seen[at]) return refuse(game, `You have not found the ${isLast ? 'Hearth' : 'stairs'} yet.`)
  return isCalm(game) && travelStep(game, [at])
}

function travelStep(game: Game, goals: readonly number[]): boolean {
  const step = stepDown(distances(game.level, goals, true), game.hero.at)
  return step !== null && stepOrStrike(game, step)
}

function descend(game: Game): void {
  const { level, start } = makeLevel(game.level.floor + 1)
  game.level = level
  game.hero.at = start
  say(game, `You climb down into ${FLOOR_NAMES[level.floor - 1]}.`)
}

/** What every turn brings: the candle burns, wounds close, others move. */
function passTime(game: Game): void {
  const { hero, level } = game
  game.turn++
  burn(game)
  if (game.turn % MENDS_EVERY_TURNS === 0 && hero.wax > 0)
    hero.health = Math.min(hero.mostHealth, hero.health + 1)
  look(game)
  monstersAct(game)
  if (game.turn % WANDERER_EVERY_TURNS === 0) sendWanderer(level, hero.at)
  look(game)
}

function burn(game: Game): void {
  const { hero } = game
  if (hero.wax === 0) {
    if (game.turn % DARK_HURTS_EVERY_TURNS === 0) {
      say(game, 'The dark leans on you.', 'bad')
      hurtHero(game, 1, 'lost in the dark')
    }
    return
  }
  const before = lightRadius(hero)
  hero.wax--
  if (hero.wax === 0) say(game, 'Your candle goes out.', 'bad')
  else if (lightRadius(hero) < before) say(game, 'Your candle burns lower; the dark comes closer.', 'bad')
}
