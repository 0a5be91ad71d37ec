/** The executable of `coffer-center`. */
import { main } from './cli.js'

// Whoever reads our output may stop reading, as `head` does.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
})
// Set, not exit(): what was written to a pipe is still on its way.
void main(process.argv.slice(2)).then(code => (process.exitCode = code))
