/** Monsters and items as the assets list them. */
import { readText } from 'coffer:assets'

/**
 * erratic: half its steps go anywhere. snuffs: its damage is wax. throws: hits from afar. shy: keeps out of strong
 * light. drips: its hits cost wax as well. unique: named, so without an article.
 */
export type Trait = 'erratic' | 'snuffs' | 'throws' | 'shy' | 'drips' | 'unique'

interface Kind {
  readonly id: string
  readonly name: string
  readonly glyph: string
  /** Of the terminal's 256. */
  readonly colour: number
  /** First and last floor where it is found. */
  readonly floors: readonly [number, number]
  /** How often it is picked, against the others of its floor; 0: never by chance. */
  readonly frequency: number
}

export interface MonsterKind extends Kind {
  readonly health: number
  readonly damage: readonly [number, number]
  /** 100 acts as often as the hero. */
  readonly speed: number
  /** From how many steps it notices a hero with a full candle. */
  readonly senses: number
  readonly worth: number
  readonly traits: readonly Trait[]
}

export interface ItemKind extends Kind {
  readonly use: 'coins' | 'wax' | 'heal' | 'burn' | 'map' | 'hide' | 'weapon' | 'armour'
  readonly power: readonly [number, number]
}

const monsters = new Map<string, MonsterKind>()
const items = new Map<string, ItemKind>()

/** Read the assets; once, before anything else. */
export async function loadCatalogue(): Promise<void> {
  for (const kind of JSON.parse(await readText('bestiary.json')) as MonsterKind[]) monsters.set(kind.id, kind)
  for (const kind of JSON.parse(await readText('wares.json')) as ItemKind[]) items.set(kind.id, kind)
}

export const titleArt = (): Promise<string> => readText('title.txt')

const find = <K>(kinds: Map<string, K>, id: string): K => {
  const kind = kinds.get(id)
  if (kind === undefined) throw new Error(`internal: no kind '${id}' in the catalogue`)
  return kind
}
export const monsterKind = (id: string): MonsterKind => find(monsters, id)
export const itemKind = (id: string): ItemKind => find(items, id)

/** Ids of a floor's kinds with their frequencies, as RNG.getWeightedValue takes them. */
const onFloor = (kinds: Iterable<Kind>, floor: number): Record<string, number> => {
  const weights: Record<string, number> = {}
  for (const { id, floors, frequency } of kinds) {
    if (floors[0] <= floor && floor <= floors[1] && frequency > 0) weights[id] = frequency
  }
  return weights
}
export const monstersOn = (floor: number): Record<string, number> => onFloor(monsters.values(), floor)
export const itemsOn = (floor: number): Record<string, number> => onFloor(items.values(), floor)

/** 'the cellar rat', but 'the Damp'. */
export const theMonster = ({ name, traits }: MonsterKind): string =>
  traits.includes('unique') ? name : `the ${name}`
