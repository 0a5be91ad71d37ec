/** One vector, as text. */
import { hex } from '../../formats/bytes.js'
import type { ErrorCode } from '../../formats/errors.js'

const LINE_BYTES = 32

/** Their texts by the names of their files, in the order in which they were made. */
export const vectors = new Map<string, string>()

/** What a reader says to a vector: `opens`, `foreign` (signed by nobody it trusts), or the code it refuses with. */
type Expectation = 'opens' | 'foreign' | ErrorCode

export function vector(
  name: string,
  kind: string,
  expect: Expectation,
  comment: string,
  inputs: Readonly<Record<string, Uint8Array | string | number>>,
  bytes: Uint8Array
): void {
  if (vectors.has(name)) throw new Error(`internal: two vectors are named ${name}`)
  const value = (input: Uint8Array | string | number) =>
    input instanceof Uint8Array ? hex(input) : String(input)
  const header = [
    `kind: ${kind}`,
    `expect: ${expect}`,
    `comment: ${comment}`,
    ...Object.entries(inputs).map(([key, input]) => `${key}: ${value(input)}`)
  ]
  const lines: string[] = []
  for (let at = 0; at < bytes.length; at += LINE_BYTES) lines.push(hex(bytes.subarray(at, at + LINE_BYTES)))
  vectors.set(`${name}.txt`, `${[...header, '', ...lines].join('\n')}\n`)
}
