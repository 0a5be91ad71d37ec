/**
 * A title of the tests: Wick's own rules, looked at from inside. Bundled and run in the sandbox like any other.
 */
import RNG from 'rot-js/lib/rng.js'
import { itemKind, loadCatalogue } from '../../../samples/titles/wick/catalogue.js'
import { makeLevel } from '../../../samples/titles/wick/level.js'
import {
  CELLS,
  COLD_BRAZIER,
  HEARTH,
  HEIGHT,
  LAST_FLOOR,
  STAIRS,
  STEPS,
  WALL,
  WIDTH,
  canStand,
  columnOf,
  distance,
  neighbour,
  rowOf,
  type Game,
  type Level
} from '../../../samples/titles/wick/model.js'
import { distances, stepDown } from '../../../samples/titles/wick/paths.js'
import { newGame, perform, type Command } from '../../../samples/titles/wick/turn.js'

await loadCatalogue()

/** What is wrong with the floors of a seed; nothing, it is hoped. */
export function floorProblems(seed: number): string[] {
  RNG.setSeed(seed)
  const problems: string[] = []
  for (let floor = 1; floor <= LAST_FLOOR; floor++) {
    const { level, start } = makeLevel(floor)
    for (const problem of problemsOf(level, start)) problems.push(`seed ${seed}, floor ${floor}: ${problem}`)
  }
  return problems
}

function* problemsOf(level: Level, start: number): Generator<string> {
  const steps = distances(level, [start])
  const isReached = (at: number) => steps[at]! >= 0
  if (!canStand(level, start)) yield 'the hero starts where nobody can stand'
  for (let at = 0; at < CELLS; at++) {
    const isEdge = columnOf(at) % (WIDTH - 1) === 0 || rowOf(at) % (HEIGHT - 1) === 0
    if (isEdge && level.tiles[at] !== WALL) yield `the edge is open at ${at}`
    if (!isEdge && canStand(level, at) && !isReached(at)) yield `no way to ${at}`
  }
  for (const { kind, at } of level.items)
    if (!isReached(at)) yield `${kind} lies at ${at}, where nobody comes`
  for (const { kind, at } of level.monsters) if (!isReached(at)) yield `${kind} is walled in at ${at}`
  if (new Set(level.monsters.map(({ at }) => at)).size < level.monsters.length)
    yield 'two monsters share a cell'
  const wayOn = level.tiles.filter(tile => tile === (level.floor < LAST_FLOOR ? STAIRS : HEARTH)).length
  if (wayOn !== 1) yield `${wayOn} ways on`
  const at = level.tiles.indexOf(HEARTH)
  if (at >= 0 && !STEPS.some(step => isReached(neighbour(at, step)))) yield 'no way to the Hearth'
}

/** Play a game to its end as a careful beginner would. @returns the keys that a person would press for the same. */
export function playWell(seed: number): { keys: string; cause: string } {
  const game = newGame(seed)
  let keys = ''
  /** @returns whether it did anything. */
  const press = (key: string, command: Command): boolean => {
    keys += key
    const { turn } = game
    while (perform(game, command));
    return game.turn !== turn || game.ending !== null
  }
  for (let decisions = 0; game.ending === null && decisions < 4000; decisions++) {
    if (![...options(game)].some(([key, command]) => press(key, command))) break
  }
  return { keys, cause: game.ending?.cause ?? 'gave up' }
}

/** What to do, best first; the next is tried when one does nothing. */
function* options(game: Game): Generator<[string, Command]> {
  const { hero, level } = game
  const use = (fits: (id: string) => boolean): [string, Command][] => {
    const place = hero.pack.findIndex(fits)
    return place < 0 ? [] : [[`i${String.fromCharCode(97 + place)}`, { do: 'use', place }]]
  }
  const is = (wanted: string) => (id: string) => itemKind(id).use === wanted
  for (const worn of ['weapon', 'armour'] as const) {
    const old = hero[worn]
    yield* use(id => is(worn)(id) && (old === null || itemKind(id).power[1] > itemKind(old).power[1]))
  }
  if (hero.health < hero.mostHealth * 0.4) yield* use(is('heal'))
  if (hero.wax < 150) yield* use(is('wax'))
  const foes = level.monsters.filter(({ at }) => level.visible[at])
  if (foes.length > 0) {
    if (foes.every(({ at }) => distance(at, hero.at) > 1) && foes.some(({ health }) => health > 8))
      yield* use(is('burn'))
    yield ['f', { do: 'fight' }]
    yield ['.', { do: 'wait' }]
  }
  const brazier = level.tiles.findIndex((tile, at) => tile === COLD_BRAZIER && level.seen[at])
  if (brazier >= 0 && hero.health < hero.mostHealth / 2 && hero.wax > 80) {
    const step = stepDown(distances(level, [brazier], true), hero.at)
    if (step !== null) yield [STEP_KEYS[STEPS.indexOf(step)]!, { do: 'step', step }]
  }
  if (hero.health < hero.mostHealth * 0.6 && hero.wax > 200) yield ['r', { do: 'rest' }]
  yield ['o', { do: 'explore' }]
  yield ['>', { do: 'descend' }]
}

/** In the order of STEPS. */
const STEP_KEYS = 'kljhunby'
