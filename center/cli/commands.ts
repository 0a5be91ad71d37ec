/** What each command of `coffer-center` does, apart from how it is typed (center/cli/program.ts). */
export * from './commands/desk.js'
export * from './commands/files.js'
export * from './commands/keys.js'
export { serveUntilSignal } from './commands/serve.js'
