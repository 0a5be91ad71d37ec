/** Words of messages to people. */

/** A path or other word as a person types it in a shell: quoted where it has spaces or what shells take for their own. */
export const asTyped = (word: string): string =>
  /^[\p{L}\p{M}\p{N}_@%+=:,./\\-]+$/u.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`

/** `1 byte`, `2 bytes`; `3 copies` where the many are given. */
export const counted = (count: number, one: string, many = `${one}s`): string =>
  `${count} ${count === 1 ? one : many}`
