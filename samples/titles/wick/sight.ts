/** What the hero sees: a candle's circle, and from afar whatever a burning brazier lights. */
import Shadowcasting from 'rot-js/lib/fov/precise-shadowcasting.js'
import {
  CELLS,
  HEIGHT,
  LIT_BRAZIER,
  WIDTH,
  cell,
  columnOf,
  lightRadius,
  rowOf,
  seesThrough,
  type Game,
  type Level
} from './model.js'

const FARTHEST = 24
const BRAZIER_RADIUS = 7

/** Every cell in view from `from`, up to `radius` cells away. */
function cast(level: Level, from: number, radius: number, found: (at: number) => void): void {
  const inside = (x: number, y: number) => x >= 0 && y >= 0 && x < WIDTH && y < HEIGHT
  const passes = (x: number, y: number) => inside(x, y) && seesThrough(level.tiles[cell(x, y)]!)
  new Shadowcasting(passes).compute(columnOf(from), rowOf(from), radius, (x, y, _ring, share) => {
    if (share > 0 && inside(x, y)) found(cell(x, y))
  })
}

const isWithin = (from: number, at: number, radius: number): boolean => {
  const dx = columnOf(at) - columnOf(from)
  const dy = rowOf(at) - rowOf(from)
  return dx * dx + dy * dy <= radius * radius + radius
}

/** Look around: brings `visible` and `seen` up to date. */
export function look({ level, hero }: Game): void {
  const radius = lightRadius(hero)
  const visible = new Array<boolean>(CELLS).fill(false)
  const reach = level.tiles.includes(LIT_BRAZIER) ? FARTHEST : radius
  cast(level, hero.at, reach, at => {
    if (!level.lit[at] && !isWithin(hero.at, at, radius)) return
    visible[at] = true
    level.seen[at] = true
  })
  level.visible = visible
}

/** Let a brazier light its surroundings for good. */
export function kindle(level: Level, at: number): void {
  level.tiles[at] = LIT_BRAZIER
  cast(level, at, BRAZIER_RADIUS, reached => {
    if (isWithin(at, reached, BRAZIER_RADIUS)) level.lit[reached] = true
  })
}
