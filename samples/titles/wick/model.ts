/**
 * What the game is made of: plain data, so that a save is its JSON. Cells of a floor are numbered row by row; a
 * position is one such number.
 */

export const WIDTH = 76
export const HEIGHT = 19
export const CELLS = WIDTH * HEIGHT
export const LAST_FLOOR = 6
export const PACK_SIZE = 12
export const MOST_WAX = 500

/** One character per kind of cell, the one that is drawn. */
export type Tile = '#' | '.' | ',' | '+' | "'" | '>' | 'o' | '0' | 'H'
export const WALL = '#'
export const FLOOR = '.'
export const RUBBLE = ','
export const CLOSED_DOOR = '+'
export const OPEN_DOOR = "'"
export const STAIRS = '>'
export const COLD_BRAZIER = 'o'
export const LIT_BRAZIER = '0'
export const HEARTH = 'H'

const BLOCKS_STEP = new Set<Tile>([WALL, COLD_BRAZIER, LIT_BRAZIER, HEARTH])
const BLOCKS_SIGHT = new Set<Tile>([WALL, CLOSED_DOOR])

export interface Monster {
  readonly kind: string
  at: number
  health: number
  awake: boolean
  /** Time saved up; an action costs 100. */
  energy: number
}

export interface GroundItem {
  readonly kind: string
  readonly at: number
}

export interface Level {
  readonly floor: number
  readonly tiles: Tile[]
  /** Cells the hero has seen at any time, sees now, and that burning braziers light. */
  readonly seen: boolean[]
  visible: boolean[]
  readonly lit: boolean[]
  items: GroundItem[]
  monsters: Monster[]
}

export interface Hero {
  at: number
  health: number
  mostHealth: number
  wax: number
  weapon: string | null
  armour: string | null
  /** Kinds of the items carried, oldest first. */
  readonly pack: string[]
  coins: number
  experience: number
  rank: number
  braziers: number
}

export type Tone = 'plain' | 'good' | 'bad'

export interface Message {
  readonly turn: number
  readonly text: string
  readonly tone: Tone
  /** How often it was said in a row. */
  readonly times: number
}

export interface Game {
  readonly seed: number
  turn: number
  readonly hero: Hero
  level: Level
  /** Newest last. */
  messages: Message[]
  /** Null while the game goes on. */
  ending: { readonly won: boolean; readonly cause: string } | null
}

export type Step = readonly [dx: number, dy: number]

export const NORTH: Step = [0, -1]
export const EAST: Step = [1, 0]
export const SOUTH: Step = [0, 1]
export const WEST: Step = [-1, 0]
export const NORTHEAST: Step = [1, -1]
export const SOUTHEAST: Step = [1, 1]
export const SOUTHWEST: Step = [-1, 1]
export const NORTHWEST: Step = [-1, -1]

/** Straight ones first, so that of two equal ways the straight one is taken. */
export const STEPS: readonly Step[] = [NORTH, EAST, SOUTH, WEST, NORTHEAST, SOUTHEAST, SOUTHWEST, NORTHWEST]

export const cell = (x: number, y: number): number => y * WIDTH + x
export const columnOf = (at: number): number => at % WIDTH
export const rowOf = (at: number): number => Math.floor(at / WIDTH)

/** The cell one step away. The outermost cells are always wall, so nobody who stands can step off the floor. */
export const neighbour = (at: number, [dx, dy]: Step): number => at + dx + dy * WIDTH

/** Steps between two cells on open ground. */
export const distance = (a: number, b: number): number =>
  Math.max(Math.abs(columnOf(a) - columnOf(b)), Math.abs(rowOf(a) - rowOf(b)))

export const canStand = (level: Level, at: number): boolean => !BLOCKS_STEP.has(level.tiles[at]!)
export const seesThrough = (tile: Tile): boolean => !BLOCKS_SIGHT.has(tile)
export const monsterAt = (level: Level, at: number): Monster | undefined =>
  level.monsters.find(monster => monster.at === at)

/** How far the hero's candle reaches, in cells. */
export function lightRadius({ wax }: Hero): number {
  if (wax > 250) return 8
  if (wax > 120) return 6
  if (wax > 40) return 4
  return wax > 0 ? 2 : 1
}

const MESSAGES_KEPT = 60

/** Say something to the player. Whatever is said also ends exploring, resting and travelling. */
export function say(game: Game, text: string, tone: Tone = 'plain'): void {
  const last = game.messages.at(-1)
  const isRepeated = last?.text === text
  if (isRepeated) game.messages.pop()
  game.messages.push({ turn: game.turn, text, tone, times: isRepeated ? last.times + 1 : 1 })
  if (game.messages.length > MESSAGES_KEPT) game.messages = game.messages.slice(-MESSAGES_KEPT)
}

/** What a game is worth so far. */
export function score({ hero, level, ending }: Game): number {
  const lit = ending?.won ? 1000 + hero.wax : 0
  return hero.coins + hero.experience + 100 * (level.floor - 1) + 25 * hero.braziers + lit
}
