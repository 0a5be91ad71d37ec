/** The pictures: the floor with its bars and messages, and the pages that only show something. */
import { itemKind, monsterKind, type MonsterKind } from './catalogue.js'
import { FLOOR_NAMES } from './level.js'
import {
  COLD_BRAZIER,
  HEARTH,
  HEIGHT,
  LAST_FLOOR,
  LIT_BRAZIER,
  MOST_WAX,
  OPEN_DOOR,
  CLOSED_DOOR,
  STAIRS,
  WALL,
  WIDTH,
  cell,
  columnOf,
  lightRadius,
  rowOf,
  score,
  type Game,
  type Message,
  type Tile,
  type Tone
} from './model.js'
import type { Result } from './saves.js'
import type { Colour, Screen } from './screen.js'

const PAPER: Colour = 187
const QUIET: Colour = 244
const FLAME: Colour = 215
const TONES: Record<Tone, Colour> = { plain: PAPER, good: 150, bad: 209 }
const REMEMBERED: Colour = 238
const HERO: Colour = 231

/** Stone by candlelight, from beside the flame to the rim of its circle. */
const CANDLELIGHT: readonly Colour[] = [229, 222, 180, 137, 94]

/** What has a colour of its own in any light. */
const TILE_COLOURS: Partial<Record<Tile, Colour>> = {
  [CLOSED_DOOR]: 172,
  [OPEN_DOOR]: 172,
  [STAIRS]: 231,
  [COLD_BRAZIER]: 146,
  [LIT_BRAZIER]: FLAME,
  [HEARTH]: 203
}

/** Lines around the map: one above, one for the bars, and messages below. */
const TOP_LINES = 1
const LEAST_MESSAGES = 3
const MOST_MESSAGES = 8
const LEAST_COLUMNS = 40
const LEAST_ROWS = 12
const SIDE_COLUMNS = 26

export function drawGame(screen: Screen, game: Game): void {
  screen.clear()
  if (screen.columns < LEAST_COLUMNS || screen.rows < LEAST_ROWS) {
    screen.put(0, 0, 'Wick needs a larger window.')
    return screen.show()
  }
  const messageLines = Math.min(MOST_MESSAGES, Math.max(LEAST_MESSAGES, screen.rows - TOP_LINES - HEIGHT - 1))
  const mapRows = Math.min(HEIGHT, screen.rows - TOP_LINES - 1 - messageLines)
  const hasSide = screen.columns >= WIDTH + SIDE_COLUMNS
  const mapColumns = Math.min(WIDTH, screen.columns)
  const left = Math.floor((screen.columns - mapColumns - (hasSide ? SIDE_COLUMNS : 0)) / 2)
  drawTop(screen, game, left, mapColumns)
  drawMap(screen, game, left, mapColumns, mapRows)
  drawBars(screen, game, left, TOP_LINES + mapRows)
  drawMessages(screen, game, left, TOP_LINES + mapRows + 1, messageLines)
  if (hasSide) drawSide(screen, game, left + WIDTH + 2)
  screen.show()
}

function drawTop(screen: Screen, game: Game, left: number, width: number): void {
  const { floor } = game.level
  screen.put(left, 0, `${FLOOR_NAMES[floor - 1]!.replace(/^t/, 'T')}, floor ${floor} of ${LAST_FLOOR}`, FLAME)
  const right = `turn ${game.turn}  score ${score(game)}`
  screen.put(left + width - right.length, 0, right, QUIET)
}

/** The part of the floor that fits, with the hero in its middle where the floor is larger. */
function drawMap(screen: Screen, { hero, level }: Game, left: number, columns: number, rows: number): void {
  const firstColumn = scroll(columnOf(hero.at), columns, WIDTH)
  const firstRow = scroll(rowOf(hero.at), rows, HEIGHT)
  const place = (at: number): [number, number] => [
    left + columnOf(at) - firstColumn,
    TOP_LINES + rowOf(at) - firstRow
  ]
  const isShown = (at: number) =>
    columnOf(at) >= firstColumn &&
    columnOf(at) < firstColumn + columns &&
    rowOf(at) >= firstRow &&
    rowOf(at) < firstRow + rows
  const radius = lightRadius(hero)
  for (let row = firstRow; row < firstRow + rows; row++) {
    for (let column = firstColumn; column < firstColumn + columns; column++) {
      const at = cell(column, row)
      if (!level.seen[at]) continue
      const tile = level.tiles[at]!
      const colour = level.visible[at]
        ? (TILE_COLOURS[tile] ?? stone(tile, level.lit[at] ? 0 : shadow(hero.at, at, radius)))
        : tile in TILE_COLOURS
          ? QUIET
          : REMEMBERED
      screen.put(...place(at), tile, colour)
    }
  }
  for (const { kind, at } of level.items) {
    if (!level.seen[at] || !isShown(at)) continue
    const { glyph, colour } = itemKind(kind)
    screen.put(...place(at), glyph, level.visible[at] ? colour : QUIET)
  }
  for (const { kind, at } of level.monsters) {
    if (!level.visible[at] || !isShown(at)) continue
    const { glyph, colour } = monsterKind(kind)
    screen.put(...place(at), glyph, colour)
  }
  screen.put(...place(hero.at), '@', HERO)
}

const scroll = (centre: number, shown: number, whole: number): number =>
  Math.max(0, Math.min(whole - shown, centre - Math.floor(shown / 2)))

/** How far into the shadow a cell is: 0 beside the flame, 1 at the rim of its circle. */
function shadow(from: number, at: number, radius: number): number {
  const dx = columnOf(at) - columnOf(from)
  const dy = rowOf(at) - rowOf(from)
  return (dx * dx + dy * dy) / (radius * radius + radius)
}

/** Walls catch more light than the ground. */
function stone(tile: Tile, shade: number): Colour {
  const darkest = CANDLELIGHT.length - 1
  return CANDLELIGHT[Math.min(darkest, Math.floor(shade * darkest) + (tile === WALL ? 0 : 1))]!
}

function drawBars(screen: Screen, { hero }: Game, left: number, row: number): void {
  const cells = screen.columns < WIDTH ? 5 : 12
  let column = left
  const bar = (label: string, value: number, most: number, told: string, colour: Colour) => {
    const filled = value === 0 ? 0 : Math.max(1, Math.round((cells * value) / most))
    screen.put(column, row, label, QUIET)
    column += label.length + 1
    screen.put(column, row, '='.repeat(filled), colour)
    screen.put(column + filled, row, '-'.repeat(cells - filled), REMEMBERED)
    column += cells + 1
    screen.put(column, row, told, colour)
    column += Math.max(told.length, 5) + 2
  }
  const isHurt = hero.health * 3 <= hero.mostHealth
  bar(
    'Health',
    hero.health,
    hero.mostHealth,
    `${hero.health}/${hero.mostHealth}`,
    isHurt ? TONES.bad : TONES.good
  )
  bar('Candle', hero.wax, MOST_WAX, `${hero.wax}`, hero.wax <= 40 ? TONES.bad : FLAME)
  const worn = [hero.weapon, hero.armour].filter(id => id !== null).map(bareName)
  screen.put(column, row, [`Rank ${hero.rank}`, ...worn].join(', '), QUIET)
}

/** 'knife' of 'a bone knife'. */
const bareName = (id: string): string => itemKind(id).name.split(' ').at(-1)!

function drawMessages(
  screen: Screen,
  { messages, turn }: Game,
  left: number,
  row: number,
  lines: number
): void {
  const latest = messages.slice(-lines)
  latest.forEach((message, index) => {
    screen.put(left, row + index, inFull(message), message.turn >= turn - 1 ? TONES[message.tone] : QUIET)
  })
}

const inFull = ({ text, times }: Message): string => (times > 1 ? `${text} (${times} times)` : text)

/** What is in sight, for who has a wide window. */
function drawSide(screen: Screen, { level }: Game, left: number): void {
  let row = TOP_LINES
  const line = (glyph: string, colour: Colour, text: string) => {
    screen.put(left, row, glyph, colour)
    screen.put(left + 2, row++, text, PAPER)
  }
  for (const monster of level.monsters.filter(({ at }) => level.visible[at])) {
    const kind = monsterKind(monster.kind)
    line(kind.glyph, kind.colour, `${kind.name}, ${condition(kind, monster.health, monster.awake)}`)
  }
  for (const { kind } of level.items.filter(({ at }) => level.visible[at])) {
    const { glyph, colour, name } = itemKind(kind)
    line(glyph, colour, name)
  }
}

function condition({ health: whole }: MonsterKind, health: number, awake: boolean): string {
  if (!awake) return 'unaware'
  if (health === whole) return 'unhurt'
  return health * 3 > whole ? 'hurt' : 'failing'
}

/** A page of text, as wide as it needs to be, in the middle of the window. */
function drawPage(screen: Screen, heading: string, lines: readonly (readonly [string, Colour?])[]): void {
  screen.clear()
  const width = Math.max(heading.length, ...lines.map(([text]) => text.length))
  const left = Math.max(0, Math.floor((screen.columns - width) / 2))
  const top = Math.max(0, Math.floor((screen.rows - lines.length - 2) / 2))
  screen.put(left, top, heading, FLAME)
  lines.forEach(([text, colour], index) => screen.put(left, top + 2 + index, text, colour ?? PAPER))
  screen.show()
}

const HELP = `
  y k u   7 8 9    or arrows, or w a s d: walk. Walk into something to
  h   l   4   6    strike it, or to light what can be lit.
  b j n   1 2 3

  . or space       wait a turn
  o                explore until something happens
  f or tab         go for the nearest thing in sight and strike it
  r                rest until well, or until something happens
  > or enter       go to the stairs, then down
  i                your pack: look, and use something
  m                what was said so far
  q                save and leave

  Your candle is your time. The taller it is, the farther you see, and the
  farther you are seen. In the dark you waste away. A brazier (o) takes some
  of your wax, makes you whole, and lights its surroundings for good. Some
  things that live down here keep out of strong light.

  Find the Hearth (H) on floor six, and light it.`.split('\n')

export const drawHelp = (screen: Screen): void =>
  drawPage(screen, 'How to play', [...HELP.slice(1).map(text => [text] as const), ...anyKey()])

const anyKey = (does = 'goes back'): (readonly [string, Colour?])[] => [[''], [`Any key ${does}.`, QUIET]]

export function drawPack(screen: Screen, { hero }: Game): void {
  const carried = hero.pack.map(
    (id, place) => [`${String.fromCharCode(97 + place)}  ${itemKind(id).name}`] as const
  )
  drawPage(screen, `Your pack, with ${hero.coins} coins`, [
    ...(carried.length > 0 ? carried : [['There is nothing in it.'] as const]),
    [''],
    ['A letter uses an item; any other key goes back.', QUIET]
  ])
}

export function drawMessagePage(screen: Screen, { messages }: Game): void {
  const { rows } = (screen.clear(), screen)
  const lines = messages.slice(-Math.max(1, rows - 6))
  drawPage(screen, 'What was said', [
    ...lines.map(({ text, tone }) => [text, TONES[tone]] as const),
    ...anyKey()
  ])
}

export const drawTitle = (screen: Screen, art: string, resumed: boolean): void =>
  drawPage(screen, '', [
    ...art
      .trimEnd()
      .split('\n')
      .map(text => [text, FLAME] as const),
    [''],
    [resumed ? ' Any key takes up your game where you left it.' : ' Any key begins.', QUIET]
  ])

export function drawEnd(screen: Screen, game: Game, best: readonly Result[]): void {
  const { won, cause } = game.ending!
  drawPage(screen, won ? 'The Hearth burns.' : 'Your flame is out.', [
    [
      won
        ? 'Far above, one window after another turns gold.'
        : `You were ${cause}, on floor ${game.level.floor}.`
    ],
    [`Score ${score(game)}, after ${game.turn} turns.`],
    [''],
    ['The best so far:', QUIET],
    ...best.map(
      result =>
        [
          `${String(result.score).padStart(6)}  ${result.cause}, floor ${result.floor}, turn ${result.turn}`
        ] as const
    ),
    ...anyKey('leaves')
  ])
}
