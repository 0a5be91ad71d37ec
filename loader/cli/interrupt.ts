/** Ctrl-C while something is being made: what was begun is tidied up first. */
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** Do something that a first signal interrupts; a second one ends the program at once, as the system does. */
export async function interruptible<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController()
  const interrupt = () => {
    letGo()
    controller.abort()
  }
  const letGo = () => SIGNALS.forEach(signal => process.off(signal, interrupt))
  SIGNALS.forEach(signal => process.on(signal, interrupt))
  try {
    return await work(controller.signal)
  } finally {
    letGo()
  }
}
