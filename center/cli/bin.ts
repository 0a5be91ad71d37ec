/** The executable of `coffer-center`. */
import { installCrashHandlers, main } from './cli.js'
import { outliveStreams } from './output.js'

outliveStreams()
installCrashHandlers()
// Set, not exit(): what was written to a pipe is still on its way.
void main(process.argv.slice(2)).then(code => (process.exitCode = code))
