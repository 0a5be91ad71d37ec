/** Records that go in and out as files, where there is no network. */
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { shortHex } from '../../../formats/bytes.js'
import { CofferError } from '../../../formats/errors.js'
import { MAX_RECORD_BYTES } from '../../../formats/limits.js'
import { decode } from '../../../formats/msgpack.js'
import { encodeCollection } from '../../../formats/records/revocations.js'
import { rootHash } from '../../../formats/records/root.js'
import { readSmallFile, writeWholeFile } from '../../files.js'
import type { Result } from '../screen.js'
import { readServices, type MailSettings } from '../../services.js'
import { atPublic, inFolder } from './reach.js'

/** By files: the same as an order over HTTP. */
export async function issueFile(
  folder: string,
  requestFile: string,
  answerFile: string,
  replace: boolean
): Promise<Result> {
  const request = await readSmallFile(requestFile, MAX_RECORD_BYTES)
  // Before anything is charged.
  if (!replace) refuseExisting(answerFile)
  const answer = await inFolder(folder, center => center.issue(request))
  await writeWholeFile(answerFile, answer, replace)
  return {
    json: { out: answerFile, bytes: answer.length },
    text: answerFile,
    note: 'Give this file to the buyer, who runs "coffer apply" with it.'
  }
}

function refuseExisting(path: string): void {
  if (!existsSync(path)) return
  throw new CofferError('COFFER_EXISTS', `${path} is there already.`, {
    hint: 'Name another file with --out, or replace it with --force.'
  })
}

/** The receipt for a request file that was answered; by mail too, where an address is given. */
export async function receiptFile(
  folder: string,
  requestFile: string,
  { out, replace, mail }: { out: string; replace: boolean; mail?: string | undefined }
): Promise<Result> {
  const request = await readSmallFile(requestFile, MAX_RECORD_BYTES)
  if (!replace) refuseExisting(out)
  const [receipt, name] = await inFolder(folder, async center => [await center.receipt(request), center.name])
  // Before the file is there: whoever sets the mail server up repeats the command as it was.
  const server = mail === undefined ? undefined : await mailServer(folder)
  await writeWholeFile(out, receipt, replace)
  if (mail !== undefined) await mailReceipt(server!, mail, name, receipt)
  return {
    json: { out, bytes: receipt.length, ...(mail !== undefined && { mail }) },
    text: out,
    note: `It proves to whoever trusts this center that the order is in its books, and what was charged.${
      mail === undefined ? '' : ` Sent to ${mail}.`
    }`
  }
}

async function mailServer(folder: string): Promise<MailSettings> {
  const { mail } = await readServices(folder)
  if (mail !== undefined) return mail
  throw new CofferError('COFFER_USAGE', 'This center has no mail server.', {
    expected: '"mail": { "smtp", "from" } in services.json',
    hint: 'See docs/center.md.'
  })
}

async function mailReceipt(
  server: MailSettings,
  to: string,
  name: string,
  receipt: Uint8Array
): Promise<void> {
  const mailer = await (await import('../../mail.js')).openMailer(server)
  try {
    await mailer.send({
      to,
      subject: `Your receipt from ${name}`,
      text: `The attached file proves that your order is in the books of ${name}, and what was charged.\n`,
      attachment: { filename: 'order.receipt', content: receipt }
    })
  } catch (cause) {
    throw new CofferError('COFFER_IO', 'The mail was not taken by its server.', {
      found: (cause as Error).message,
      hint: 'Check "mail" in services.json; the receipt itself was written.',
      cause
    })
  } finally {
    mailer.close()
  }
}

/** Put the newest list and the root records into a file, as masters carry them. */
export const exportRevocations = (folder: string, path: string): Promise<Result> =>
  atPublic(folder, async center => {
    const { roots } = decode(await center.roots()) as { roots: Uint8Array[] }
    await writeWholeFile(
      path,
      encodeCollection({ lists: [await center.revocations()], roots: [roots] }),
      true
    )
    const ended = await center.ended()
    const endedPath = join(dirname(path), `ended-${shortHex(rootHash(roots[0]!))}`)
    if (ended !== undefined) await writeWholeFile(endedPath, ended, true)
    return {
      json: { out: path, ...(ended !== undefined && { ended: endedPath }) },
      text: ended === undefined ? path : `${path}\n${endedPath}`,
      note: `Put it onto a master under the name "revocations"${
        ended === undefined ? '' : ', and the other file beside it under its own'
      }.`
    }
  })
