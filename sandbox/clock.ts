/** Milliseconds that only ever go forward. Node's own `performance` loads a whole module for the first look at it. */
export const monotonicMs: () => number =
  typeof process === 'object' && typeof process.hrtime === 'function'
    ? () => {
        const [seconds, nanoseconds] = process.hrtime()
        return seconds * 1e3 + nanoseconds / 1e6
      }
    : () => performance.now()
