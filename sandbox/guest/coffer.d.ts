/**
 * What a title is written against, beside the web-standard globals. Reference it from a title's source with
 * `/// <reference types="coffer/guest" />` or through `"types": ["coffer/guest"]`.
 *
 * Each module exists only where it was granted: `permissions` in the manifest asks for it. A title's own assets and
 * what its license says, `coffer:assets` and `coffer:license`, are always there.
 */

declare module 'coffer:terminal' {
  export interface Key {
    readonly name: string
    readonly text: string
    readonly ctrl: boolean
    readonly alt: boolean
    readonly shift: boolean
  }
  /** False when output is a pipe or file. */
  export const interactive: boolean
  export function size(): { columns: number; rows: number }
  /** Write text as it is, escape sequences included. */
  export function write(text: string): void
  /** The next key; null when input has ended. */
  export function readKey(): Promise<Key | null>
  /** A line of input without its newline, echoed where a person types; null when input has ended. */
  export function readLine(prompt?: string): Promise<string | null>
}

declare module 'coffer:assets' {
  export interface Asset {
    readonly path: string
    readonly sizeBytes: number
  }
  export function list(): readonly Asset[]
  export function read(path: string): Promise<Uint8Array>
  export function readText(path: string): Promise<string>
}

declare module 'coffer:save' {
  /** Slots are named by 1 to 64 of A-Z a-z 0-9 . _ - */
  export function list(): Promise<string[]>
  export function read(slot: string): Promise<Uint8Array | null>
  export function readText(slot: string): Promise<string | null>
  /**
   * Resolves when the save would survive a pulled plug. Rejects with an error whose `code` is `COFFER_SAVE_QUOTA` when
   * there is no space left for it; what was there before stays.
   */
  export function write(slot: string, data: Uint8Array | string): Promise<void>
  export function remove(slot: string): Promise<void>

  /** The saves as a transaction sees them: as they were when it began, with its own changes. */
  export interface Saves {
    list(): Promise<string[]>
    read(slot: string): Promise<Uint8Array | null>
    readText(slot: string): Promise<string | null>
    write(slot: string, data: Uint8Array | string): void
    remove(slot: string): void
  }
  /**
   * Change several slots, all of them or none, whatever happens meanwhile. What `work` throws leaves everything as it
   * was. Where another run of the same title has saved meanwhile, `work` is called again.
   */
  export function transaction<T>(work: (saves: Saves) => T | Promise<T>): Promise<T>
}

declare module 'coffer:license' {
  /** For good, to an end, to try it once, or to an end that renewals move. */
  export const kind: 'perpetual' | 'expiring' | 'trial' | 'lease'
  /** What was bought beyond the title itself. */
  export const features: readonly string[]
  /** Milliseconds since 1970; null: never. */
  export const expires: number | null
}

// `coffer:host` has whatever functions the embedding app grants, so the app's author declares them for title authors:
//
//   declare module 'coffer:host' {
//     export function log(text: string): Promise<void>
//   }
