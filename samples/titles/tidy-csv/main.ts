/** A plugin of the app samples/hosts/tidy: values with commas between them, as columns. */

const linesOf = (text: string): string[][] =>
  text
    .split(/\r?\n/)
    .filter(line => line.trim() !== '')
    .map(line => line.split(',').map(cell => cell.trim()))

/** How sure it is that this is for it, 0 to 1: as sure as the lines agree on their number of columns. */
export function bid(text: string): number {
  const rows = linesOf(text)
  const [first] = rows
  if (first === undefined || first.length < 2) return 0
  return (0.9 * rows.filter(row => row.length === first.length).length) / rows.length
}

export function format(text: string): string {
  const rows = linesOf(text)
  const widths = rows.reduce<number[]>(
    (most, row) => row.map((cell, i) => Math.max(most[i] ?? 0, cell.length)),
    []
  )
  const lines = rows.map(row =>
    row
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join('  ')
      .trimEnd()
  )
  return `${lines.join('\n')}\n`
}
