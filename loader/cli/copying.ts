/** What `copy`, `order` and `apply` share: which title, and the steps of the seed's FIG. 2 and FIG. 7 in words. */
import { CofferError } from '../../formats/errors.js'
import { hex } from '../../formats/bytes.js'
import type { VerifiedRequest } from '../../formats/records/request.js'
import { BIND_BEARER } from '../copier/order.js'
import type { CopyOptions } from '../copier/copy.js'
import type { Copied, CopyEvent } from '../copier/install.js'
import { listMaster } from '../copier/master.js'
import { inspectFile } from '../files.js'
import { clearLeftovers, PendingFile } from '../pending.js'
import { Home } from '../home.js'
import type { Call, Outcome } from './command.js'
import { printable } from '../../formats/screen.js'
import { say } from './output.js'
import { moneyText, ProgressBar } from './screen.js'

/** What `--title`, `--release`, `--bearer`, `--trial` and `--transfer` say. @throws CofferError COFFER_USAGE */
export function ordering(call: Call): { titleId: string; options: CopyOptions } {
  return {
    titleId: call.text('title') ?? onlyTitle(call.argument('master')),
    options: {
      home: new Home(),
      release: call.number('release'),
      bind: call.flag('bearer') ? BIND_BEARER : undefined,
      kind: call.flag('trial') ? 'trial' : undefined
    }
  }
}

function onlyTitle(master: string): string {
  const { titles, damaged } = listMaster(master)
  const ids = [...new Set(titles.map(({ id }) => id))]
  if (ids.length === 1) return ids[0]!
  if (damaged.length > 0 && ids.length === 0) throw damaged[0]!.error
  throw new CofferError(
    ids.length === 0 ? 'COFFER_TITLE_MISSING' : 'COFFER_USAGE',
    ids.length === 0 ? `There is no title on the master ${master}.` : 'The master has more than one title.',
    {
      expected: ids.length === 0 ? 'a sealed title' : 'one of them with --title',
      found: ids.length === 0 ? 'none' : ids.join(', '),
      hint:
        ids.length === 0
          ? 'Check the path; a master is a folder of files that end in ".title".'
          : 'Say which one with --title <id>.'
    }
  )
}

/** @throws CofferError COFFER_EXISTS: a file that is there is left as it is. */
export function refuseExisting(path: string): void {
  if (inspectFile(path) === undefined) return
  throw new CofferError('COFFER_EXISTS', `There is a file at ${path} already, and it was left as it is.`, {
    hint: 'Give another name, or remove that file first.'
  })
}

/** What is carried to the center as a file. @param make - Called once it is known that the file can be written. */
export function requestOut(
  path: string,
  make: () => {
    readonly bytes: Uint8Array
    readonly request: Pick<VerifiedRequest, 'titleId' | 'mediumId' | 'centerId' | 'userId' | 'requestId'> & {
      readonly release?: number
    }
  }
): Outcome {
  refuseExisting(path)
  clearLeftovers(path)
  using file = new PendingFile(path)
  const { bytes, request } = make()
  file.write(bytes)
  file.commit()
  return {
    data: {
      path,
      bytes: bytes.length,
      title: request.titleId,
      ...(request.release !== undefined && { release: request.release }),
      mediumId: hex(request.mediumId),
      centerId: hex(request.centerId),
      userId: hex(request.userId),
      requestId: hex(request.requestId)
    },
    text: printable(path)
  }
}

/** The procedure as it goes, and the certificates that were compared on the way. */
export class CopyStory {
  #certificates: { certificate: string; recomputedCertificate: string } | undefined
  #bar: { step: CopyEvent['step']; bar: ProgressBar } | undefined

  readonly #isAgain: boolean

  /** @param isAgain - Whether the center's answer was applied before: it was charged then. */
  constructor(isAgain = false) {
    this.#isAgain = isAgain
  }

  readonly tell = (event: CopyEvent): void => {
    switch (event.step) {
      case 'S1':
      case 'S11':
        return step(
          event.step,
          `order ${event.titleId} release ${event.release} for medium ${event.mediumId}`
        )
      case 'S2':
      case 'S14':
        return step(
          event.step,
          this.#isAgain
            ? 'the center granted it; applied before, nothing is charged again'
            : `the center granted it and charged ${moneyText(event.chargedMinor, event.currency)}`
        )
      case 'S3':
        return step('S3', `grant with certificate CS written, to become ${event.path}`)
      case 'S15':
        return step('S15', `grant with EMid(Ku) written, to become ${event.path}`)
      case 'unwrapped':
        step('', `EMid(Ku) ${event.wrappedMediumKey}`)
        step('', `EMid(Ka) ${event.wrappedMasterMediumKey}`)
        return step('', 'Ku and Ka came out of them with the medium as it is measured now')
      case 'S4':
        return step('S4', "certificate CS' made again from the medium as it is measured now")
      case 'S5':
        this.#certificates = event
        step('S5', `CS  ${event.certificate}`)
        return step('', `CS' ${event.recomputedCertificate}`)
      case 'wait':
        return tellWait(event)
      case 'S6':
        return step('S6', 'they are the same')
      case 'S7':
        return this.#progress('S7', 'payload copied as it is', event)
      case 'S16':
        return this.#progress('S16', 'payload decrypted with Ka and encrypted with Ku', event)
      case 'verify':
        return this.#progress('verify', 'payload read back and verified', event)
    }
  }

  outcome(copied: Copied): Outcome {
    const { title, name, release, path, chargedMinor, currency } = copied
    const { certificate, recomputedCertificate } = this.#certificates ?? {}
    const certificates = certificate === undefined ? {} : { certificate, recomputedCertificate }
    return {
      data: { ...copied, ...certificates, ...(this.#isAgain && { again: true }) },
      text: printable(
        `Copied "${name}" (${title}, release ${release}) to ${path}; ${this.#isAgain ? 'nothing is charged again' : `charged ${moneyText(chargedMinor, currency)}`}.`
      )
    }
  }

  #progress(
    name: 'S7' | 'S16' | 'verify',
    label: string,
    done: { doneBytes: number; totalBytes: number }
  ): void {
    if (this.#bar?.step !== name) {
      const number = name === 'S16' ? 'S16, S17' : name === 'verify' ? '' : name
      this.#bar = { step: name, bar: new ProgressBar(stepText(number, label)) }
    }
    this.#bar.bar.update(done.doneBytes, done.totalBytes)
  }
}

let toldReason: string | undefined

/** For commands that tell nothing else of what they do. One reason is told once, however long it lasts. */
export const tellWait = (event: { readonly step: string; readonly reason?: string }): void => {
  if (event.step !== 'wait' || event.reason === toldReason) return
  toldReason = event.reason
  say(printable(`${toldReason} The center is asked again for up to two minutes.`))
}

const stepText = (name: string, text: string): string => `${name.padEnd(8)}  ${printable(text)}`
const step = (name: string, text: string): void => say(stepText(name, text))
