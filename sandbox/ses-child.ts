/** The process of a SES guest: its entry, on both of its threads. */
import { isMainThread, workerData } from 'node:worker_threads'

if (isMainThread) void import('./ses/child.js').then(({ serveGuest }) => serveGuest())
else void import('./ses/watchdog.js').then(({ watchProcess }) => watchProcess(workerData))
