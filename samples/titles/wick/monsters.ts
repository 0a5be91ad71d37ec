/** What monsters do with their time. */
import RNG from 'rot-js/lib/rng.js'
import { monsterKind, theMonster, type MonsterKind } from './catalogue.js'
import { monsterAttacks } from './combat.js'
import {
  CLOSED_DOOR,
  OPEN_DOOR,
  STEPS,
  canStand,
  distance,
  lightRadius,
  monsterAt,
  neighbour,
  say,
  type Game,
  type Monster
} from './model.js'
import { distances, stepDown } from './paths.js'

const NOTICES_PERCENT = 40
const THROWS_FROM = 6
const FULL_LIGHT = 8
const STRONG_LIGHT = 6

/** One turn of everybody on the floor but the hero. */
export function monstersAct(game: Game): void {
  const { level, hero } = game
  const waysToHero = distances(level, [hero.at])
  for (const monster of level.monsters) {
    const kind = monsterKind(monster.kind)
    if (!monster.awake) notice(game, monster, kind, waysToHero)
    if (!monster.awake) continue
    monster.energy += kind.speed
    while (monster.energy >= 100 && game.ending === null) {
      monster.energy -= 100
      act(game, monster, kind, waysToHero)
    }
  }
}

/** A small flame draws fewer eyes. */
function notice(game: Game, monster: Monster, kind: MonsterKind, waysToHero: Int16Array): void {
  const steps = waysToHero[monster.at]!
  const reach = Math.max(1, Math.floor((kind.senses * lightRadius(game.hero)) / FULL_LIGHT))
  if (steps < 0 || steps > reach || RNG.getPercentage() > NOTICES_PERCENT) return
  monster.awake = true
  if (game.level.visible[monster.at]) say(game, `${theMonster(kind).replace(/^t/, 'T')} notices you.`)
}

function act(game: Game, monster: Monster, kind: MonsterKind, waysToHero: Int16Array): void {
  const { hero, level } = game
  const away = distance(monster.at, hero.at)
  if (kind.traits.includes('erratic') && RNG.getPercentage() <= 40) return wander(game, monster)
  if (kind.traits.includes('shy') && fearsLightAt(game, monster.at) && away > 1)
    return flee(game, monster, waysToHero)
  if (away === 1) return monsterAttacks(game, monster, 'beside')
  if (
    kind.traits.includes('throws') &&
    away <= THROWS_FROM &&
    level.visible[monster.at] &&
    RNG.getPercentage() <= 60
  ) {
    return monsterAttacks(game, monster, 'afar')
  }
  const step = stepDown(waysToHero, monster.at, to => isFree(game, to))
  if (step === null) return
  const to = neighbour(monster.at, step)
  if (kind.traits.includes('shy') && fearsLightAt(game, to)) return
  moveTo(game, monster, to)
}

/** Strong light: a burning brazier's, or the hero's own while his candle is tall. */
const fearsLightAt = ({ hero, level }: Game, at: number): boolean =>
  level.lit[at]! || (lightRadius(hero) >= STRONG_LIGHT && distance(at, hero.at) <= 3 && level.visible[at]!)

const isFree = ({ hero, level }: Game, at: number): boolean =>
  canStand(level, at) && at !== hero.at && monsterAt(level, at) === undefined

function wander(game: Game, monster: Monster): void {
  const to = neighbour(monster.at, RNG.getItem([...STEPS])!)
  if (isFree(game, to)) moveTo(game, monster, to)
}

function flee(game: Game, monster: Monster, waysToHero: Int16Array): void {
  let farthest = monster.at
  for (const step of STEPS) {
    const to = neighbour(monster.at, step)
    if (isFree(game, to) && waysToHero[to]! > waysToHero[farthest]!) farthest = to
  }
  if (farthest !== monster.at) moveTo(game, monster, farthest)
}

function moveTo({ level }: Game, monster: Monster, to: number): void {
  monster.at = to
  if (level.tiles[to] === CLOSED_DOOR) level.tiles[to] = OPEN_DOOR
}
