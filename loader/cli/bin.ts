/** The executable: nothing but `main` and its exit code. */
import { main } from './main.js'
import { installCrashHandlers } from './failure.js'

installCrashHandlers()
void main(process.argv.slice(2)).then(exitCode => {
  process.exitCode = exitCode
})
