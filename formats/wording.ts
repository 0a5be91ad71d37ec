/** Words of messages to people, and to programs that people may look over the shoulder of. */

/** A path or other word as a person types it in a shell: quoted where it has spaces or what shells take for their own. */
export const asTyped = (word: string): string =>
  /^[\p{L}\p{M}\p{N}_@%+=:,./\\-]+$/u.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`

/** `1 byte`, `2 bytes`; `3 copies` where the many are given. */
export const counted = (count: number, one: string, many = `${one}s`): string =>
  `${count} ${count === 1 ? one : many}`

/** To a tenth of the largest unit that there is one of: `1.5 MiB`. */
export function sizeText(bytes: number): string {
  const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB']
  let value = bytes
  let unit = 0
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024
    unit++
  }
  if (unit === 0) return value === 1 ? '1 byte' : `${value} bytes`
  return `${value.toFixed(1)} ${units[unit]}`
}

/** Characters that show nothing themselves, and can steer whatever shows them. A pattern that takes a millisecond to make. */
const steering = () => /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu

/** Text of others for a person's eyes. @param instead - What stands where a character was that could steer a terminal. */
export const tame = (text: string, instead: string | ((character: string) => string)): string =>
  isTame(text) ? text : text.replace(steering(), instead as string)

export const isTame = (text: string): boolean => /^[ -~]*$/.test(text) || text.search(steering()) === -1

/**
 * Whether this can stand for somebody or something before a person's eyes: it shows, all of it. Nothing that steers, no blank but
 * spaces, nothing that is shown as nothing, half a character or none, and marks only as many as writing has (UTS #39, 5.4). Names do
 * without ZWJ, ZWNJ and variation selectors, which are needed to write some words well but never to tell two apart; but for the one
 * that makes an emoji of what stands before it.
 */
export const isName = (text: string): boolean =>
  /^[ -~]*$/.test(text)
    ? /[!-~]/.test(text)
    : isTame(text) && shows(text.replace(/(\p{Emoji})\uFE0F/gu, '$1'))

const shows = (text: string): boolean =>
  !/[\p{Default_Ignorable_Code_Point}\p{Cs}\u2800]|[\p{Mn}\p{Me}]{5}/u.test(text) &&
  /[\p{L}\p{N}\p{P}\p{S}]/u.test(text)

/** What a server says, for a person's terminal: bounded; undefined for what is no text. */
export const tameReply = (text: unknown): string | undefined =>
  typeof text === 'string' ? tame(text, ' ').slice(0, 1000) : undefined

/** One line of JSON. What could steer a terminal, which JSON itself leaves as it is, is escaped: it reads the same. */
export const jsonLine = (value: unknown): string => `${tame(JSON.stringify(value), escaped)}\n`

const escaped = (character: string): string =>
  Array.from({ length: character.length }, (_, i) => character.charCodeAt(i))
    .map(unit => `\\u${unit.toString(16).padStart(4, '0')}`)
    .join('')
