/** The executable of `coffer run` alone, which starts in less time for what it leaves out. */
import { runMain } from './main.js'
import { RUN } from './running.js'

runMain([RUN])
