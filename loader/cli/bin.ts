/** The executable: every command. */
import { COMMANDS } from './commands.js'
import { runMain } from './main.js'

runMain(COMMANDS)
