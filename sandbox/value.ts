/**
 * What crosses between host and guest, by copy in both directions: JSON's values, and undefined, bigint, every
 * number, and bytes. Objects are plain; cycles, functions, symbols and class instances are refused with
 * `COFFER_VALUE_UNSUPPORTED`.
 */
export type Value =
  | undefined
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | readonly Value[]
  | { readonly [key: string]: Value }
