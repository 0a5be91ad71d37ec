/** Keys, from a terminal or a script, and what they ask for. */
import { readKey, type Key } from 'coffer:terminal'
import { EAST, NORTH, NORTHEAST, NORTHWEST, SOUTH, SOUTHEAST, SOUTHWEST, WEST } from './model.js'
import type { Command } from './turn.js'

export type { Key }

/** The next key; null when there are no more, which saves and leaves. */
export type Keys = () => Promise<Key | null>

export const terminalKeys: Keys = readKey

/** Keys of a script: each character is one, and `{name}` is the key of that name, as in `{up}`. */
export function parseKeys(script: string): Key[] {
  return [...script.matchAll(/\{([a-z0-9]+)\}|[^]/g)].map(([text, name]) =>
    name === undefined ? plainKey(text === ' ' ? 'space' : text, text) : plainKey(name, '')
  )
}

const plainKey = (name: string, text: string): Key => ({ name, text, ctrl: false, alt: false, shift: false })

export function scriptedKeys(script: string): Keys {
  const keys = parseKeys(script)
  let next = 0
  return async () => keys[next++] ?? null
}

/** What a key asks for outside the screens that only show something. */
export type Wish = Command | 'pack' | 'messages' | 'help' | 'leave'

const WISHES = new Map<string, Wish>([
  ...wishes({ do: 'step', step: NORTH }, ['up', 'k', 'w', '8']),
  ...wishes({ do: 'step', step: SOUTH }, ['down', 'j', 's', '2']),
  ...wishes({ do: 'step', step: WEST }, ['left', 'h', 'a', '4']),
  ...wishes({ do: 'step', step: EAST }, ['right', 'l', 'd', '6']),
  ...wishes({ do: 'step', step: NORTHWEST }, ['home', 'y', '7']),
  ...wishes({ do: 'step', step: NORTHEAST }, ['pageup', 'u', '9']),
  ...wishes({ do: 'step', step: SOUTHWEST }, ['end', 'b', '1']),
  ...wishes({ do: 'step', step: SOUTHEAST }, ['pagedown', 'n', '3']),
  ...wishes({ do: 'wait' }, ['.', 'space', '5']),
  ...wishes({ do: 'rest' }, ['r']),
  ...wishes({ do: 'fight' }, ['f', 'tab']),
  ...wishes({ do: 'explore' }, ['o']),
  ...wishes({ do: 'descend' }, ['>', 'enter']),
  ...wishes('pack', ['i']),
  ...wishes('messages', ['m']),
  ...wishes('help', ['?', 'f1']),
  ...wishes('leave', ['q'])
])

function wishes(wish: Wish, names: readonly string[]): [string, Wish][] {
  return names.map(name => [name, wish])
}

export function wishOf(key: Key): Wish | undefined {
  if (key.ctrl) return key.name === 'c' || key.name === 'd' ? 'leave' : undefined
  return WISHES.get(key.text) ?? WISHES.get(key.name)
}

/** Place in the pack that a letter names: a is the first. -1: none. */
export const packPlace = (key: Key): number =>
  /^[a-z]$/.test(key.text) && !key.ctrl ? key.text.charCodeAt(0) - 'a'.charCodeAt(0) : -1
