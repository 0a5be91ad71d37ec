/**
 * Hosts (WHATWG URL, section 3). Names beyond ASCII go through Unicode's own compatibility mapping instead of the tables of
 * UTS 46, which would be larger than all the rest: the same result for every name that people register, without the check
 * that a name is one that can be registered.
 */
import { NOTHING, escape, unescape } from './percent.js'

/** @returns The host in its one form, or undefined for none that may be. */
export function parseHost(text: string, special: boolean): string | undefined {
  if (text.startsWith('[')) {
    const groups = text.endsWith(']') ? parseIpv6(text.slice(1, -1)) : undefined
    return groups && `[${ipv6Text(groups)}]`
  }
  if (!special) return /[\0\t\n\r #/:<>?@[\\\]^|]/.test(text) ? undefined : escape(text, NOTHING)
  const domain = toAscii(unescape(text))
  if (domain === '' || /[\0-\x20#%/:<>?@[\\\]^|\x7f]/.test(domain)) return undefined
  const labels = domain.split('.')
  if (labels.at(-1) === '' && labels.length > 1) labels.pop()
  // A name whose last part is a number is an IPv4 address or nothing.
  return /^(?:\d+|0x[0-9a-f]*)$/i.test(labels.at(-1)!) ? parseIpv4(labels) : domain
}

function parseIpv4(parts: readonly string[]): string | undefined {
  if (parts.length > 4) return undefined
  let address = 0
  for (const [i, part] of parts.entries()) {
    const number = parseIpv4Number(part)
    const last = i === parts.length - 1
    // The last number fills all the bytes that are left.
    if (number === undefined || number >= (last ? 256 ** (5 - parts.length) : 256)) return undefined
    address += last ? number : number * 256 ** (3 - i)
  }
  return [24, 16, 8, 0].map(shift => Math.floor(address / 2 ** shift) % 256).join('.')
}

function parseIpv4Number(text: string): number | undefined {
  if (text === '') return undefined
  if (/^0x[0-9a-f]*$/i.test(text)) return text.length === 2 ? 0 : parseInt(text.slice(2), 16)
  if (/^0[0-7]+$/.test(text)) return parseInt(text, 8)
  return /^(?:0|[1-9]\d*)$/.test(text) ? Number(text) : undefined
}

/** @returns Eight groups of 16 bits. */
function parseIpv6(text: string): number[] | undefined {
  const halves = text.split('::')
  if (halves.length > 2) return undefined
  const groups = halves.map(half => {
    if (half === '') return []
    const pieces = half.split(':')
    const out: number[] = []
    for (const [i, piece] of pieces.entries()) {
      if (/^[0-9a-f]{1,4}$/i.test(piece)) out.push(parseInt(piece, 16))
      else {
        // An IPv4 address may stand at the very end.
        const numbers = /^(?:(?:0|[1-9]\d{0,2})\.){3}(?:0|[1-9]\d{0,2})$/.test(piece)
          ? piece.split('.').map(Number)
          : []
        const ends = i === pieces.length - 1 && half === halves.at(-1)
        if (!ends || numbers.length !== 4 || numbers.some(number => number > 255)) return undefined
        out.push(numbers[0]! * 256 + numbers[1]!, numbers[2]! * 256 + numbers[3]!)
      }
    }
    return out
  })
  const [head, tail] = groups
  if (head === undefined || (halves.length === 2 && tail === undefined)) return undefined
  if (tail === undefined) return head.length === 8 ? head : undefined
  const missing = 8 - head.length - tail.length
  return missing < 1 ? undefined : [...head, ...Array<number>(missing).fill(0), ...tail]
}

function ipv6Text(groups: readonly number[]): string {
  // The first longest run of two or more zeros is left out.
  let best = { start: -1, length: 1 }
  for (let start = 0; start < 8; start++) {
    let length = 0
    while (groups[start + length] === 0) length++
    if (length > best.length) best = { start, length }
  }
  const hex = (part: readonly number[]) => part.map(group => group.toString(16)).join(':')
  if (best.start < 0) return hex(groups)
  return `${hex(groups.slice(0, best.start))}::${hex(groups.slice(best.start + best.length))}`
}

function toAscii(domain: string): string {
  if (/^[\0-\x7f]*$/.test(domain)) return domain.toLowerCase()
  // By characters: as a word, a final capital sigma would become another letter.
  const mapped = Array.from(
    domain.replace(/\xad|\u200b|\u2060|\ufeff|[\ufe00-\ufe0f]/g, '').normalize('NFKC'),
    char => char.toLowerCase()
  )
  return mapped
    .join('')
    .normalize('NFC')
    .split(/[.\u3002]/)
    .map(label => (/^[\0-\x7f]*$/.test(label) ? label : `xn--${punycode(label)}`))
    .join('.')
}

/** RFC 3492. */
function punycode(label: string): string {
  const codes = Array.from(label, char => char.codePointAt(0)!)
  const basic = codes.filter(code => code < 0x80)
  let out = String.fromCharCode(...basic) + (basic.length > 0 ? '-' : '')
  let handled = basic.length
  let bias = 72
  let delta = 0
  let lowest = 0x80
  while (handled < codes.length) {
    const next = Math.min(...codes.filter(code => code >= lowest))
    delta += (next - lowest) * (handled + 1)
    lowest = next
    for (const code of codes) {
      if (code < lowest) delta++
      if (code !== lowest) continue
      let rest = delta
      for (let k = 36; ; k += 36) {
        const threshold = Math.min(Math.max(k - bias, 1), 26)
        if (rest < threshold) break
        out += digit(threshold + ((rest - threshold) % (36 - threshold)))
        rest = Math.floor((rest - threshold) / (36 - threshold))
      }
      out += digit(rest)
      // Adapt the bias to the size of this step.
      delta = Math.floor(delta / (handled === basic.length ? 700 : 2))
      delta += Math.floor(delta / (handled + 1))
      let k = 0
      for (; delta > 455; k += 36) delta = Math.floor(delta / 35)
      bias = k + Math.floor((36 * delta) / (delta + 38))
      delta = 0
      handled++
    }
    delta++
    lowest++
  }
  return out
}

const digit = (value: number): string => 'abcdefghijklmnopqrstuvwxyz0123456789'[value]!
