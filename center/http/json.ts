/**
 * What the desk takes over HTTP: a small part of JSON Schema, which the OpenAPI document shows as it is and which is
 * checked here, so that no act meets a value that it does not expect.
 */
import { CofferError } from '../../formats/errors.js'
import { utf8Decode } from '../../formats/bytes.js'

export type Schema = {
  readonly description?: string
} & (
  | { readonly type: 'string'; readonly pattern: string; readonly maxLength: number }
  | { readonly type: 'string'; readonly enum: readonly string[] }
  | {
      readonly type: 'integer' | readonly ['integer', 'null']
      readonly minimum: number
      readonly maximum: number
    }
  | { readonly type: 'boolean' }
  | { readonly type: 'array'; readonly maxItems: number; readonly items: Schema }
)

/** Of an object: its fields; those that end in `?` may be left out. */
export type Fields = Readonly<Record<string, Schema>>

/**
 * @param body - UTF-8; no bytes are the empty object.
 * @returns The object, with exactly these fields.
 * @throws CofferError COFFER_USAGE that names the field.
 */
export function readObject(body: Uint8Array, fields: Fields): Record<string, unknown> {
  const value = body.length === 0 ? {} : parsed(body)
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw wrong('the body', 'an object')
  const known = new Map(
    Object.entries(fields).map(([name, schema]) => [name.replace('?', ''), { name, schema }])
  )
  for (const name of Object.keys(value)) if (!known.has(name)) throw wrong('a field', 'one that is known')
  const given = value as Record<string, unknown>
  for (const [name, { name: declared, schema }] of known) {
    const has = Object.hasOwn(given, name)
    if (has ? !fits(given[name], schema) : !declared.endsWith('?')) throw wrong(name, expectation(schema))
  }
  return given
}

function parsed(body: Uint8Array): unknown {
  try {
    return JSON.parse(utf8Decode(body))
  } catch {
    throw wrong('the body', 'JSON')
  }
}

function fits(value: unknown, schema: Schema): boolean {
  if (schema.type === 'boolean') return typeof value === 'boolean'
  if (schema.type === 'array') {
    return (
      Array.isArray(value) && value.length <= schema.maxItems && value.every(item => fits(item, schema.items))
    )
  }
  if (schema.type === 'string') {
    if (typeof value !== 'string') return false
    return 'enum' in schema
      ? schema.enum.includes(value)
      : value.length <= schema.maxLength && new RegExp(schema.pattern, 'u').test(value)
  }
  if (value === null) return Array.isArray(schema.type)
  return (
    Number.isSafeInteger(value) && (value as number) >= schema.minimum && (value as number) <= schema.maximum
  )
}

function expectation(schema: Schema): string {
  if ('enum' in schema) return `one of ${schema.enum.join(', ')}`
  if ('pattern' in schema) return `text like ${schema.pattern}`
  if ('minimum' in schema) return `a whole number from ${schema.minimum} to ${schema.maximum}`
  return schema.type === 'array' ? `at most ${schema.maxItems} of them` : 'true or false'
}

const wrong = (what: string, expected: string) =>
  new CofferError('COFFER_USAGE', `The center does not take this: ${what} is not as it must be.`, {
    expected,
    hint: 'GET /v1/openapi.json tells what it takes.'
  })

/** As OpenAPI shows it. */
export const objectSchema = (fields: Fields): object => ({
  type: 'object',
  additionalProperties: false,
  required: Object.keys(fields).filter(name => !name.endsWith('?')),
  properties: Object.fromEntries(
    Object.entries(fields).map(([name, schema]) => [name.replace('?', ''), schema])
  )
})
