/** How a floor comes to be: dug by rot.js, furnished and peopled here. */
import type Dungeon from 'rot-js/lib/map/dungeon.js'
import Cellular from 'rot-js/lib/map/cellular.js'
import Digger from 'rot-js/lib/map/digger.js'
import Uniform from 'rot-js/lib/map/uniform.js'
import RNG from 'rot-js/lib/rng.js'
import { itemsOn, monsterKind, monstersOn } from './catalogue.js'
import {
  CELLS,
  CLOSED_DOOR,
  COLD_BRAZIER,
  FLOOR,
  HEARTH,
  HEIGHT,
  LAST_FLOOR,
  RUBBLE,
  STAIRS,
  STEPS,
  WALL,
  WIDTH,
  canStand,
  cell,
  distance,
  neighbour,
  type Level,
  type Monster,
  type Tile
} from './model.js'
import { distances } from './paths.js'

/** Floors by name; the shape of each is chosen in {@link dig}. */
export const FLOOR_NAMES = [
  'the Cellars',
  'the Old Cellars',
  'the Workings',
  'the Caves',
  'the Drowned Caves',
  'the Hearth Hall'
]

/** Make a floor and find the hero's place on it. */
export function makeLevel(floor: number): { level: Level; start: number } {
  const level: Level = {
    floor,
    tiles: dig(floor),
    seen: new Array<boolean>(CELLS).fill(false),
    visible: new Array<boolean>(CELLS).fill(false),
    lit: new Array<boolean>(CELLS).fill(false),
    items: [],
    monsters: []
  }
  for (let at = 0; at < CELLS; at++) {
    if (level.tiles[at] === FLOOR && RNG.getPercentage() <= 3) level.tiles[at] = RUBBLE
  }
  const start = anyCell(level)
  // The way on lies far from the start: as far as a random choice among the farther half puts it.
  const steps = distances(level, [start])
  const farthest = steps.reduce((most, count) => Math.max(most, count), 0)
  const far = (at: number): boolean => steps[at]! > farthest / 2
  if (floor < LAST_FLOOR) level.tiles[anyCell(level, far)] = STAIRS
  else furnishHearth(level, start, far)
  placeBraziers(level, start)
  placeItems(level, start)
  placeMonsters(level, start, 5 + 2 * floor)
  return { level, start }
}

function dig(floor: number): Tile[] {
  const tiles = new Array<Tile>(CELLS).fill(WALL)
  const carve = (x: number, y: number, wall: number) => {
    if (wall === 0) tiles[cell(x, y)] = FLOOR
  }
  // rot.js gives up digging after a second on the clock. A slow engine would get other floors from the same seed,
  // so there is no limit here.
  const timeLimit = Infinity
  if (floor === 4 || floor === 5) {
    // Its caves may touch the edge, which has to stay wall: dig one cell smaller on each side.
    const caves = new Cellular(WIDTH - 2, HEIGHT - 2)
    caves.randomize(0.55)
    for (let pass = 0; pass < 4; pass++) caves.create()
    caves.connect((x, y, open) => carve(x + 1, y + 1, 1 - open), 1)
    return tiles
  }
  const dungeon: Dungeon =
    floor === 3
      ? new Uniform(WIDTH, HEIGHT, { timeLimit, roomDugPercentage: 0.22 })
      : new Digger(WIDTH, HEIGHT, { timeLimit, dugPercentage: 0.28, roomWidth: [4, 11], roomHeight: [3, 6] })
  dungeon.create(carve)
  for (const room of dungeon.getRooms()) {
    room.getDoors((x, y) => {
      if (RNG.getPercentage() <= 50) tiles[cell(x, y)] = CLOSED_DOOR
    })
  }
  return tiles
}

/** A random cell of open floor: of those that fulfil the first wish that any of them fulfils; else any at all. */
function anyCell(level: Level, ...wishes: readonly ((at: number) => boolean)[]): number {
  const open: number[] = []
  for (let at = 0; at < CELLS; at++) if (level.tiles[at] === FLOOR) open.push(at)
  for (const wish of wishes) {
    const at = RNG.getItem(open.filter(wish))
    if (at !== null) return at
  }
  return RNG.getItem(open)!
}

/** Open ground on all sides: what stands there cannot close a way. */
const isRoomy = (level: Level) => (at: number) =>
  STEPS.every(step => {
    const tile = level.tiles[neighbour(at, step)]
    return tile === FLOOR || tile === RUBBLE
  })

function furnishHearth(level: Level, start: number, far: (at: number) => boolean): void {
  const roomy = isRoomy(level)
  const apart = (at: number) => at !== start && roomy(at)
  const hearth = anyCell(level, at => far(at) && roomy(at), apart, far)
  level.tiles[hearth] = HEARTH
  level.monsters.push(
    newMonster(
      'damp',
      anyCell(level, at => distance(at, hearth) === 1)
    )
  )
}

function placeBraziers(level: Level, start: number): void {
  const roomy = isRoomy(level)
  for (let count = 0; count < 2; count++) {
    const fits = (at: number) => at !== start && roomy(at) && distance(at, start) > 6
    const at = anyCell(level, fits)
    if (fits(at)) level.tiles[at] = COLD_BRAZIER
  }
}

function placeItems(level: Level, start: number): void {
  const free = (at: number) => at !== start && !level.items.some(item => item.at === at)
  const weights = itemsOn(level.floor)
  // Wax is the game's clock, so every floor has enough of it for who looks around.
  const kinds = ['stub', 'candle', ...Array.from({ length: 7 }, () => RNG.getWeightedValue(weights)!)]
  for (const kind of kinds) level.items.push({ kind, at: anyCell(level, free) })
}

function placeMonsters(level: Level, start: number, count: number): void {
  const weights = monstersOn(level.floor)
  const free = (at: number) => distance(at, start) > 9 && !level.monsters.some(monster => monster.at === at)
  for (let placed = 0; placed < count; placed++) {
    const at = anyCell(level, free)
    if (free(at)) level.monsters.push(newMonster(RNG.getWeightedValue(weights)!, at))
  }
}

const newMonster = (kind: string, at: number): Monster => ({
  kind,
  at,
  health: monsterKind(kind).health,
  awake: false,
  energy: 0
})

/** Something comes looking for who stays too long, from out of sight. */
export function sendWanderer(level: Level, hero: number): void {
  const hidden = (at: number) => !level.visible[at] && distance(at, hero) > 12 && canStand(level, at)
  const at = anyCell(level, hidden)
  if (!hidden(at) || level.monsters.some(monster => monster.at === at)) return
  level.monsters.push({ ...newMonster(RNG.getWeightedValue(monstersOn(level.floor))!, at), awake: true })
}
