/**
 * Remember what bytes gave when they were opened: what a medium holds is read anew at every launch, and is seldom
 * anything else than it was. Only for results that follow from the bytes and `context` alone.
 */
const MAX_REMEMBERED = 16

/** @param open - Pure. What it throws is not remembered; a `context`, where it takes one, is compared by identity. */
export function remembering<T, C = void>(
  open: (bytes: Uint8Array, context: C) => T
): (bytes: Uint8Array, context: C) => T {
  const entries: { bytes: Uint8Array; context: C; result: T }[] = []
  return (bytes, context) => {
    // No secrets: Node's own comparison, which leaves at the first byte that differs, is ten times as fast as ours.
    const found = entries.find(entry => entry.context === context && Buffer.compare(entry.bytes, bytes) === 0)
    if (found !== undefined) return found.result
    const result = open(bytes, context)
    if (entries.length === MAX_REMEMBERED) entries.shift()
    entries.push({ bytes, context, result })
    return result
  }
}
