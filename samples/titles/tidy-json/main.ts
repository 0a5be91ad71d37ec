/** A plugin of the app samples/hosts/tidy: JSON, indented, its keys in order. */

/** How sure it is that this is for it, 0 to 1. */
export function bid(text: string): number {
  try {
    return typeof JSON.parse(text) === 'object' ? 1 : 0.2
  } catch {
    return 0
  }
}

export const format = (text: string): string => `${JSON.stringify(sorted(JSON.parse(text)), undefined, 2)}\n`

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, item]) => [key, sorted(item)])
  )
}
