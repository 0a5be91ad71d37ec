/** The second thread of a SES guest's process: its entry. */
import { workerData } from 'node:worker_threads'
import { type Watched, watchProcess } from './ses/watchdog.js'

watchProcess(workerData as Watched)
