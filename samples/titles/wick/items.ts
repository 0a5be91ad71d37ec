/** Picking up and using things. */
import { itemKind, theMonster, monsterKind, type ItemKind } from './catalogue.js'
import { hurtHero, rollItem, wound } from './combat.js'
import {
  CELLS,
  MOST_WAX,
  PACK_SIZE,
  WALL,
  STEPS,
  distance,
  neighbour,
  say,
  type Game,
  type GroundItem,
  type Monster
} from './model.js'

const BURN_RADIUS = 1

/** Coins weigh nothing; everything else needs a place in the pack. */
export const canTake = ({ hero }: Game, { kind }: GroundItem): boolean =>
  itemKind(kind).use === 'coins' || hero.pack.length < PACK_SIZE

/** Take what lies where the hero stands. */
export function pickUp(game: Game): void {
  const { hero, level } = game
  for (const item of level.items.filter(({ at }) => at === hero.at)) {
    const kind = itemKind(item.kind)
    if (!canTake(game, item)) {
      say(game, `Your pack is full; ${kind.name} stays where it lies.`)
      continue
    }
    level.items = level.items.filter(other => other !== item)
    if (kind.use === 'coins') {
      const worth = rollItem(kind.id)
      hero.coins += worth
      say(game, `You find ${worth} coins.`, 'good')
    } else {
      hero.pack.push(kind.id)
      say(game, `You pick up ${kind.name}.`)
    }
  }
}

/** Use the item in a place of the pack. @returns whether that took a turn. */
export function useItem(game: Game, place: number): boolean {
  const { pack } = game.hero
  const id = pack[place]
  if (id === undefined) return false
  const kind = itemKind(id)
  if (!EFFECTS[kind.use](game, kind)) return false
  pack.splice(pack.indexOf(id), 1)
  return true
}

/** What using does; false: nothing happened, and the item is still there. */
const EFFECTS: Record<ItemKind['use'], (game: Game, kind: ItemKind) => boolean> = {
  coins: () => false,
  wax(game, { id, name }) {
    const { hero } = game
    if (hero.wax >= MOST_WAX - 20) {
      say(game, 'Your candle is as tall as it can be.')
      return false
    }
    hero.wax = Math.min(MOST_WAX, hero.wax + rollItem(id))
    say(game, `You melt ${name} onto your own. The light grows.`, 'good')
    return true
  },
  heal(game, { id }) {
    const { hero } = game
    if (hero.health === hero.mostHealth) {
      say(game, 'You have nothing to mend.')
      return false
    }
    hero.health = Math.min(hero.mostHealth, hero.health + rollItem(id))
    say(game, 'The salve closes your wounds.', 'good')
    return true
  },
  burn(game, { id }) {
    const target = nearestInSight(game)
    if (target === undefined) {
      say(game, 'Nothing in sight to throw it at.')
      return false
    }
    say(game, `The flask bursts over ${theMonster(monsterKind(target.kind))}.`)
    // Rolled once: what stands together burns alike, and the order of the list cannot matter.
    const damage = rollItem(id)
    const { at } = target
    for (const monster of game.level.monsters.filter(other => distance(other.at, at) <= BURN_RADIUS)) {
      wound(game, monster, damage, 'Fire takes')
    }
    if (distance(game.hero.at, at) <= BURN_RADIUS) {
      say(game, 'You stand too close to it.', 'bad')
      hurtHero(game, 2, 'burnt by a flask of oil')
    }
    return true
  },
  map(game) {
    const { level } = game
    for (let at = 0; at < CELLS; at++) {
      const open = level.tiles[at] !== WALL
      if (open || STEPS.some(step => (level.tiles[neighbour(at, step)] ?? WALL) !== WALL))
        level.seen[at] = true
    }
    say(game, 'The chart shows the whole floor.', 'good')
    return true
  },
  hide(game) {
    for (const monster of game.level.monsters) monster.awake = false
    say(game, 'Soot hides you; whatever hunted you loses your trail.', 'good')
    return true
  },
  weapon: (game, { id, name }) => wear(game, 'weapon', id, `You take ${name} in hand.`),
  armour: (game, { id, name }) => wear(game, 'armour', id, `You put on ${name}.`)
}

function wear(game: Game, place: 'weapon' | 'armour', id: string, told: string): boolean {
  const { hero } = game
  const old = hero[place]
  // At the end, so that the place of the item just taken out stays the first of its kind.
  if (old !== null) hero.pack.push(old)
  hero[place] = id
  say(game, told)
  return true
}

export function nearestInSight({ hero, level }: Game): Monster | undefined {
  return level.monsters
    .filter(monster => level.visible[monster.at])
    .sort((a, b) => distance(a.at, hero.at) - distance(b.at, hero.at))[0]
}
