/** The word that was probably meant. */

/** @returns undefined when none is near enough to be a slip of the fingers. */
export function nearest(word: string, words: readonly string[]): string | undefined {
  const scored = words
    .map(candidate => ({ candidate, edits: editDistance(word, candidate) }))
    .sort((a, b) => a.edits - b.edits)
  const [best] = scored
  if (best === undefined) return undefined
  const letters = word.replace(/^-+/, '').length
  if (best.edits <= Math.max(1, Math.floor(letters / 3))) return best.candidate
  return letters >= 2 ? words.find(candidate => candidate.startsWith(word)) : undefined
}

/** Letters to insert, remove, replace or swap with their neighbour (optimal string alignment). */
function editDistance(a: string, b: string): number {
  const rows = [Array.from({ length: b.length + 1 }, (_, column) => column)]
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const replaced = rows[i - 1]![j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)
      row[j] = Math.min(rows[i - 1]![j]! + 1, row[j - 1]! + 1, replaced)
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      if (swapped) row[j] = Math.min(row[j]!, rows[i - 2]![j - 2]! + 1)
    }
    rows.push(row)
  }
  return rows[a.length]![b.length]!
}
