/** Fixed inputs, from which every vector is made, and ways to spoil bytes. */
import { concat, hex, utf8 } from '../../formats/bytes.js'
import { deriveKeys, userIdOf } from '../../formats/keys.js'
import { sha256 } from '../../formats/primitives.js'

/** 32 bytes, or fewer, that a name stands for. */
export const fixed = (name: string, length = 32): Uint8Array =>
  sha256(utf8(`coffer vector ${name}`)).slice(0, length)

export const NOW = 1_800_000_000
export const TITLE = 'org.example.hello'
export const RELEASE = 3
export const EPOCH = 1

export const centerSeed = fixed('center seed')
export const nextCenterSeed = fixed('next center seed')
export const strangerSeed = fixed('stranger seed')
export const certificationMaster = fixed('certification master')
export const masterKey = fixed('master key')
export const titleKey = fixed('title key')
export const bindingSecret = fixed('binding secret')
export const user = deriveKeys('user', fixed('user'))
export const publisher = deriveKeys('publisher', fixed('publisher'))
export const userId = userIdOf(user)

export const flipped = (bytes: Uint8Array, at: number): Uint8Array => {
  const copy = bytes.slice()
  copy[at < 0 ? copy.length + at : at]! ^= 1
  return copy
}
export const changed = (bytes: Uint8Array, at: number, to: number): Uint8Array => {
  const copy = bytes.slice()
  copy[at] = to
  return copy
}
export const longer = (bytes: Uint8Array): Uint8Array => concat(bytes, new Uint8Array(1))
export const shorter = (bytes: Uint8Array): Uint8Array => bytes.slice(0, -1)

export function bytesOf(...values: number[]): Uint8Array {
  return new Uint8Array(values)
}

export function without(value: object, name: string): object {
  return Object.fromEntries(Object.entries(value).filter(([key]) => key !== name))
}

/** The one place where `from` stands, with `to` in its place. */
export function replaced(bytes: Uint8Array, from: Uint8Array, to: Uint8Array): Uint8Array {
  const text = hex(bytes)
  const at = text.indexOf(hex(from)) / 2
  if (!Number.isInteger(at) || at < 0) throw new Error('internal: nothing to replace')
  return concat(bytes.slice(0, at), to, bytes.slice(at + from.length))
}
