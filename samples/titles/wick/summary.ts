/** How a game stands, in text: what is left on the terminal, and what two replays are compared by. */
import { score, type Game } from './model.js'

export function summarize(game: Game, isSaved: boolean): string {
  const { hero, level, ending } = game
  const state = ending?.cause ?? (isSaved ? 'saved' : 'not saved')
  return [
    `Wick: ${state}, on floor ${level.floor}`,
    `score   ${score(game)}`,
    `turn    ${game.turn}`,
    `health  ${hero.health}/${hero.mostHealth}`,
    `wax     ${hero.wax}`,
    `rank    ${hero.rank}`,
    `pack    ${hero.pack.join(' ') || '(empty)'}`,
    `seed    ${game.seed}`,
    `map     ${mapHash(game)}`
  ].join('\n')
}

/** FNV-1a, 32 bits, of the floor with all that lies and walks on it. */
function mapHash({ level, hero }: Game): string {
  const items = level.items.map(({ kind, at }) => `${kind}${at}`)
  const monsters = level.monsters.map(({ kind, at, health }) => `${kind}${at}/${health}`)
  const text = [level.tiles.join(''), hero.at, ...items, ...monsters].join(' ')
  let hash = 0x811c9dc5
  for (let index = 0; index < text.length; index++)
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193)
  return (hash >>> 0).toString(16).padStart(8, '0')
}
