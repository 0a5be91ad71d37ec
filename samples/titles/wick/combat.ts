/** Blows and what they do, both ways. */
import RNG from 'rot-js/lib/rng.js'
import { itemKind, monsterKind, theMonster } from './catalogue.js'
import { say, type Game, type Monster } from './model.js'

const HERO_HITS_PERCENT = 85
const MONSTER_HITS_PERCENT = 75
const BARE_HANDS: readonly [number, number] = [1, 4]
const DRIP_WAX = 15

const roll = ([least, most]: readonly [number, number]): number => RNG.getUniformInt(least, most)
export const rollItem = (id: string): number => roll(itemKind(id).power)

export function heroAttacks(game: Game, monster: Monster): void {
  const { hero } = game
  const kind = monsterKind(monster.kind)
  monster.awake = true
  if (RNG.getPercentage() > HERO_HITS_PERCENT) return say(game, `You miss ${theMonster(kind)}.`)
  const weapon = hero.weapon === null ? BARE_HANDS : itemKind(hero.weapon).power
  wound(game, monster, roll(weapon) + hero.rank - 1, 'You hit')
}

/** Take health from a monster, and bury it when none is left. `deed` begins the sentence, as in 'You hit'. */
export function wound(game: Game, monster: Monster, damage: number, deed: string): void {
  const kind = monsterKind(monster.kind)
  monster.health -= damage
  monster.awake = true
  if (monster.health > 0) return say(game, `${deed} ${theMonster(kind)} for ${damage}.`)
  game.level.monsters = game.level.monsters.filter(other => other !== monster)
  say(game, `${deed} ${theMonster(kind)} for ${damage}, and that is the end of it.`, 'good')
  game.hero.experience += kind.worth
  rise(game)
}

/** Experience that the next rank takes: 12, 48, 108, ... */
const experienceFor = (rank: number): number => 12 * rank * rank

function rise(game: Game): void {
  const { hero } = game
  while (hero.experience >= experienceFor(hero.rank)) {
    hero.rank++
    hero.mostHealth += 4
    hero.health = Math.min(hero.mostHealth, hero.health + 6)
    say(game, `You feel steadier: rank ${hero.rank}.`, 'good')
  }
}

export function monsterAttacks(game: Game, monster: Monster, from: 'beside' | 'afar'): void {
  const { hero } = game
  const kind = monsterKind(monster.kind)
  const who = theMonster(kind).replace(/^t/, 'T')
  if (RNG.getPercentage() > MONSTER_HITS_PERCENT) {
    return say(game, from === 'afar' ? `A stone from ${theMonster(kind)} flies past.` : `${who} misses you.`)
  }
  const power = roll(kind.damage)
  if (kind.traits.includes('snuffs')) {
    const lost = Math.min(power, hero.wax)
    hero.wax -= lost
    return say(
      game,
      lost > 0 ? `${who} beats at your flame: ${lost} wax is gone.` : `${who} flutters about you.`,
      'bad'
    )
  }
  const stopped = hero.armour === null ? 0 : rollItem(hero.armour)
  const damage = Math.max(0, power - stopped)
  if (damage === 0)
    return say(game, `Your ${itemKind(hero.armour!).name.replace(/^an? /, '')} stops ${theMonster(kind)}.`)
  const drips = kind.traits.includes('drips') && hero.wax > 0
  if (drips) hero.wax = Math.max(0, hero.wax - DRIP_WAX)
  const deed = from === 'afar' ? 'throws a stone at you' : drips ? 'drips on you and your flame' : 'hits you'
  say(game, `${who} ${deed} for ${damage}.`, 'bad')
  hurtHero(game, damage, `killed by ${kind.traits.includes('unique') ? kind.name : withArticle(kind.name)}`)
}

const withArticle = (name: string): string => `${/^[aeiou]/.test(name) ? 'an' : 'a'} ${name}`

export function hurtHero(game: Game, damage: number, cause: string): void {
  game.hero.health = Math.max(0, game.hero.health - damage)
  if (game.hero.health === 0) game.ending ??= { won: false, cause }
}
