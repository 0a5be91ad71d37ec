/**
 * A process that works on a sealed title when it is told to, and says how long it took: by itself, because starting a tool
 * from the process that is measured makes the kernel protect each of its pages once more.
 */
import { fork } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { openPayload, sealPayload } from '../../formats/cobblestone.js'
import { fill } from '../../loader/copier/fill.js'
import { transferConverted, transferSealed } from '../../loader/copier/payload.js'
import { openProgram } from '../../loader/decrypt.js'
import { PendingFile } from '../../loader/pending.js'
import { helpersFor } from '../../loader/helpers.js'
import { Home } from '../../loader/home.js'
import { mediumPaths } from '../../loader/medium/layout.js'
import { measureMedium } from '../../loader/medium/measure.js'
import { passPayload } from '../../loader/pass.js'
import { POWERS } from '../../loader/powers.js'
import { releaseAtOnce } from '../../loader/release.js'
import { openTitleFile, readLicense } from '../../loader/read.js'
import { authenticate } from '../../loader/authenticate.js'
import { recheck } from '../../loader/recheck.js'
import type { Steps } from '../../loader/steps.js'
import { unwrapPayloadKey } from '../../loader/unwrap.js'
import { verifyPayload } from '../../loader/verify.js'
import { memoryOf } from '../../tests/helpers/memory.js'
import { millisecondsOf } from './measure.js'
import { CORE, hasTaskset, type Taken } from './tools.js'

export type Job = 'transfer' | 'convert' | 'verify' | 'program' | 'open'

/** What to work on: a title of a medium, or so many bytes of payload in memory. */
export type Subject =
  | { readonly medium: string; readonly titleId: string; readonly home: string; readonly target: string }
  | { readonly memoryBytes: number }

export interface Done extends Taken {
  /** Most that the process has taken so far. */
  readonly peakBytes: number
}

/** The process, as others see it. */
export class Titles implements Disposable {
  readonly #child

  constructor(subject: Subject, cores: 1 | 2) {
    const path = fileURLToPath(import.meta.url)
    this.#child = fork(path, [JSON.stringify(subject)], {
      env: { ...process.env, NODE_EXTRA_CA_CERTS: '' },
      ...(hasTaskset && {
        execPath: 'taskset',
        execArgv: ['-c', cores === 1 ? CORE : '0,1', process.execPath]
      })
    })
  }

  /** @param times - How often in a row; what is told is what one takes. */
  do(job: Job, times = 1): Promise<Done> {
    return new Promise((resolve, reject) => {
      const ended = () => reject(new Error('the process that is measured has ended'))
      this.#child.once('exit', ended)
      this.#child.once('message', done => {
        this.#child.off('exit', ended)
        resolve(done as Done)
      })
      this.#child.send({ job, times })
    })
  }

  [Symbol.dispose](): void {
    this.#child.kill()
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url) && process.send !== undefined) {
  const subject = JSON.parse(process.argv[2]!) as Subject
  const jobs = 'memoryBytes' in subject ? inMemory(subject.memoryBytes) : onMedium(subject)
  process.on('message', async ({ job, times }: { job: Job; times: number }) => {
    const before = process.cpuUsage()
    const allMs = await millisecondsOf(async () => {
      for (let time = 0; time < times; time++) await jobs[job]!()
    })
    const { user, system } = process.cpuUsage(before)
    const ms = allMs / times
    const cpuMs = (user + system) / 1e3 / times
    process.send!({ ms, cpuMs, peakBytes: memoryOf('self', 'VmHWM') } satisfies Done)
  })
}

type Jobs = Partial<Record<Job, () => void | Promise<void>>>

/** Opens a payload into memory that is there: what fresh pages cost is not what is asked. */
function inMemory(bytes: number): Jobs {
  releaseAtOnce()
  const key = randomBytes(32)
  const sealed = sealPayload(key, new Uint8Array(16), randomBytes(24), new Uint8Array(bytes))
  const into = new Uint8Array(bytes).fill(1)
  return { open: () => void openPayload(key, new Uint8Array(16), sealed, into) }
}

/** Whatever makes a file writes it as a copy does, and ends when that is on the medium. */
function onMedium({
  medium,
  titleId,
  home: homePath,
  target
}: Exclude<Subject, { memoryBytes: number }>): Jobs {
  const home = new Home(homePath)
  const title = openTitleFile(mediumPaths(medium).title(titleId, 1))
  const license = recheck(
    authenticate(readLicense(medium, titleId), home),
    title.manifest,
    measureMedium(medium),
    home,
    POWERS.now()
  )
  const key = unwrapPayloadKey(license)
  const newKey = randomBytes(32)
  const writing = (steps: (pending: PendingFile) => Steps) => async () => {
    using pending = new PendingFile(target)
    await fill(pending, steps(pending), undefined)
    pending.commit()
  }
  return {
    transfer: writing(pending => transferSealed(title, pending, () => {})),
    convert: writing(pending => transferConverted(title, key.key, newKey, pending, POWERS, () => {})),
    open: () =>
      passPayload(title, { key: key.key, take: () => {}, helpers: helpersFor(title.manifest.payloadBytes) }),
    verify: () => void verifyPayload(title, key.key),
    async program() {
      using _program = await openProgram(title, key)
    }
  }
}
