/** Ways over a floor. One flood answers everything: chasing, fleeing, exploring, travelling. */
import { CELLS, STEPS, canStand, neighbour, type Level, type Step } from './model.js'

/**
 * Steps from every cell to the nearest goal, -1 where there is no way. Goals count even where nobody can stand, so
 * that a way can lead up to a wall.
 */
export function distances(level: Level, goals: readonly number[], knownOnly = false): Int16Array {
  const steps = new Int16Array(CELLS).fill(-1)
  const queue = [...goals]
  for (const goal of goals) steps[goal] = 0
  for (let head = 0; head < queue.length; head++) {
    const at = queue[head]!
    const next = steps[at]! + 1
    for (const step of STEPS) {
      const beside = neighbour(at, step)
      if (steps[beside] !== -1 || !canStand(level, beside) || (knownOnly && !level.seen[beside])) continue
      steps[beside] = next
      queue.push(beside)
    }
  }
  return steps
}

/** The step from `at` that leads towards the goals, if any leads closer and `free` lets it. */
export function stepDown(
  steps: Int16Array,
  at: number,
  free: (to: number) => boolean = () => true
): Step | null {
  let best: Step | null = null
  let bestCount = steps[at]! < 0 ? Infinity : steps[at]!
  for (const step of STEPS) {
    const to = neighbour(at, step)
    const count = steps[to]!
    if (count < 0 || count >= bestCount || !free(to)) continue
    best = step
    bestCount = count
  }
  return best
}

/** Seen, open cells beside unseen ones: where exploring goes on. */
export function frontier(level: Level): number[] {
  const edge: number[] = []
  for (let at = 0; at < CELLS; at++) {
    if (!level.seen[at] || !canStand(level, at)) continue
    if (STEPS.some(step => !level.seen[neighbour(at, step)])) edge.push(at)
  }
  return edge
}
