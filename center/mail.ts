/** Mail: a receipt to a buyer. */
import type { MailSettings } from './services.js'

export interface Mail {
  readonly to: string
  readonly subject: string
  readonly text: string
  readonly attachment: { readonly filename: string; readonly content: Uint8Array }
}

export interface Mailer {
  /** @returns When the server took it. @throws Error when it did not. */
  send(mail: Mail): Promise<void>
  close(): void
}

const LIMIT_MS = 15_000

/** Its library is loaded by those alone who use it. */
export async function openMailer({ smtp, from }: MailSettings): Promise<Mailer> {
  const { createTransport } = await import('nodemailer')
  const transport = createTransport({
    url: smtp,
    connectionTimeout: LIMIT_MS,
    greetingTimeout: LIMIT_MS,
    socketTimeout: LIMIT_MS,
    // Nothing is read from files or addresses that a message might name.
    disableFileAccess: true,
    disableUrlAccess: true
  })
  return {
    async send({ to, subject, text, attachment: { filename, content } }) {
      const attachments = [{ filename, content: Buffer.from(content), contentType: 'application/vnd.coffer' }]
      await transport.sendMail({ from, to: { name: '', address: to }, subject, text, attachments })
    },
    close: () => transport.close()
  }
}
