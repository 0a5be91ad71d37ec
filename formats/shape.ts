/**
 * Shapes: what fields a record's body has and what each may hold. One declaration gives the TypeScript type, the
 * check on the way in and the check on the way out.
 */
import { CofferError } from './errors.js'
import { decode, encode, type Packable } from './msgpack.js'

/** Returns the value as its type, or throws a sentence fragment that says what it is instead. */
export type Shape<T> = (value: unknown) => T
export type Infer<S> = S extends Shape<infer T> ? T : never

class Mismatch {
  readonly path: string
  readonly expected: string
  constructor(path: string, expected: string) {
    this.path = path
    this.expected = expected
  }
}

const within = <T>(path: string, check: () => T): T => {
  try {
    return check()
  } catch (error) {
    if (error instanceof Mismatch)
      throw new Mismatch(`${path}${error.path && `.${error.path}`}`, error.expected)
    throw error
  }
}

/** A regular expression, or what looks like one. */
interface Pattern {
  test(value: string): boolean
  toString(): string
}

/** Bytes of one exact length, or up to a bound. */
export function bytes(length: number, upTo = length): Shape<Uint8Array> {
  return value => {
    if (value instanceof Uint8Array && value.length >= length && value.length <= upTo) return value
    throw new Mismatch('', length === upTo ? `${length} bytes` : `${length} to ${upTo} bytes`)
  }
}

export function text(maxChars: number, pattern?: Pattern): Shape<string> {
  return value => {
    if (
      typeof value === 'string' &&
      value.length <= maxChars &&
      (pattern === undefined || pattern.test(value))
    ) {
      return value
    }
    throw new Mismatch(
      '',
      pattern === undefined ? `text of at most ${maxChars} characters` : `text like ${String(pattern)}`
    )
  }
}

export function integer(min: number, max: number): Shape<number> {
  return value => {
    if (typeof value === 'number' && Number.isSafeInteger(value) && value >= min && value <= max) return value
    throw new Mismatch('', `a whole number from ${min} to ${max}`)
  }
}

export const u32 = integer(0, 0xffffffff)

/** Seconds since 1970-01-01T00:00:00Z, as a u32: until the year 2106. */
export const seconds = u32

export const bool: Shape<boolean> = value => {
  if (typeof value === 'boolean') return value
  throw new Mismatch('', 'true or false')
}

export function oneOf<const T extends string>(...choices: readonly T[]): Shape<T> {
  return value => {
    if (choices.includes(value as T)) return value as T
    throw new Mismatch('', `one of ${choices.join(', ')}`)
  }
}

export function list<T>(item: Shape<T>, min: number, max: number): Shape<readonly T[]> {
  return value => {
    if (!Array.isArray(value) || value.length < min || value.length > max) {
      throw new Mismatch('', `a list of ${min} to ${max} items`)
    }
    return value.map((element, index) => within(String(index), () => item(element)))
  }
}

type Optional<T> = Shape<T | undefined> & { readonly isOptional: true }

export function optional<T>(shape: Shape<T>): Optional<T> {
  return Object.assign((value: unknown) => (value === undefined ? undefined : shape(value)), {
    isOptional: true as const
  })
}

type Fields = Readonly<Record<string, Shape<unknown>>>
type OptionalKeys<F extends Fields> = {
  [K in keyof F]: F[K] extends { isOptional: true } ? K : never
}[keyof F]
export type RecordOf<F extends Fields> = {
  readonly [K in Exclude<keyof F, OptionalKeys<F>>]: Infer<F[K]>
} & { readonly [K in OptionalKeys<F>]?: Infer<F[K]> }

/** A map with exactly these keys. Unknown keys are refused: what a reader does not know it cannot honour. */
export function map<F extends Fields>(fields: F): Shape<RecordOf<F>> {
  return value => {
    if (typeof value !== 'object' || value === null || Array.isArray(value) || value instanceof Uint8Array) {
      throw new Mismatch('', 'a map')
    }
    for (const key of Object.keys(value)) {
      if (!Object.hasOwn(fields, key)) throw new Mismatch(key, 'no such field')
    }
    const out: Record<string, unknown> = {}
    for (const [key, shape] of Object.entries(fields)) {
      const field = within(key, () => shape((value as Record<string, unknown>)[key]))
      if (field !== undefined) out[key] = field
    }
    return out as RecordOf<F>
  }
}

/**
 * Decode a MessagePack map and check it against a shape.
 *
 * @param what - Names the record in the message.
 * @throws CofferError COFFER_ENCODING naming the field, never its value.
 */
export function decodeAs<T>(what: string, shape: Shape<T>, packed: Uint8Array): T {
  try {
    return shape(decode(packed))
  } catch (error) {
    if (error instanceof CofferError) throw notCanonical(what, error)
    if (!(error instanceof Mismatch)) throw error
    throw new CofferError(
      'COFFER_ENCODING',
      `Cannot read the ${what}: its field "${error.path}" is not valid.`,
      {
        expected: `${error.path}: ${error.expected}`,
        found: 'something else',
        hint: 'It was made by a different version or by a faulty program; get it again, or install a newer coffer.'
      }
    )
  }
}

const notCanonical = (what: string, cause: CofferError) =>
  new CofferError(cause.code, `Cannot read the ${what}: its bytes are not one well-formed value.`, {
    expected: 'a map in the one form that a map has',
    found: cause.message,
    hint: 'It is damaged or was altered; get it again from where it came from.',
    cause
  })

/** Encode a value of our own; one that its shape does not allow is a bug of the caller. */
export function encodeAs<T>(what: string, shape: Shape<T>, value: T): Uint8Array {
  try {
    return encode(shape(value) as Packable)
  } catch (error) {
    if (!(error instanceof Mismatch)) throw error
    throw new TypeError(`cannot encode the ${what}: ${error.path} must be ${error.expected}`)
  }
}
