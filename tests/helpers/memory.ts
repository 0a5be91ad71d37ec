/** What processes hold in memory, as the kernel tells it. */
import { readFileSync } from 'node:fs'

/**
 * @param field - `VmHWM` is the most that the process held so far, `VmRSS` what it holds now. The peak of
 *   `process.resourceUsage()` is of no use for a child: it begins with what its parent held.
 * @returns bytes; 0 once the process is gone, and where the system does not tell.
 */
export function memoryOf(pid: number | string, field: 'VmHWM' | 'VmRSS'): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8')
    return 1024 * Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1] ?? 0)
  } catch {
    return 0
  }
}
