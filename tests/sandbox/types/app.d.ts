/** What an app declares once, for those who write titles for it and for itself. */

declare module 'coffer:host' {
  export function lookUp(word: string): Promise<string>
  export function now(): number
  export function log(text: string): Promise<void>
}
