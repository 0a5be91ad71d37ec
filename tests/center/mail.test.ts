/** Receipts by mail, to a real SMTP server on loopback. */
import type { AddressInfo } from 'node:net'
import { SMTPServer } from 'smtp-server'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { openMailer } from '../../center/mail.js'

interface Received {
  readonly from: string
  readonly to: readonly string[]
  readonly text: string
}

async function smtpServer() {
  const received: Received[] = []
  const server = new SMTPServer({
    authOptional: false,
    allowInsecureAuth: true,
    disabledCommands: ['STARTTLS'],
    onAuth({ username, password }, _session, done) {
      if (username === 'shop' && password === 'secret') done(null, { user: 'shop' })
      else done(new Error('not you'))
    },
    onData(stream, { envelope }, done) {
      let text = ''
      stream.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')))
      stream.on('end', () => {
        const { mailFrom } = envelope
        received.push({
          from: mailFrom === false ? '' : mailFrom.address,
          to: envelope.rcptTo.map(({ address }) => address),
          text
        })
        done()
      })
    }
  })
  await new Promise<void>(resolve => void server.listen(0, '127.0.0.1', resolve))
  const { port } = server.server.address() as AddressInfo
  return { received, port, close: () => new Promise<void>(resolve => server.close(() => resolve())) }
}

const receipt = Uint8Array.from({ length: 300 }, (_, n) => n)
const mail = {
  to: 'ann@buyer.example',
  subject: 'Your receipt',
  text: 'It proves your order.',
  attachment: { filename: 'order.receipt', content: receipt }
}

test('send() brings a receipt, byte for byte, to one address', async () => {
  const server = await smtpServer()
  const mailer = await openMailer({
    smtp: `smtp://shop:secret@127.0.0.1:${server.port}`,
    from: 'Shop <shop@seller.example>'
  })
  await mailer.send(mail)
  const [{ from, to, text }] = server.received as [Received]
  assert.is(from, 'shop@seller.example')
  assert.equal(to, ['ann@buyer.example'])
  assert.match(text, 'Subject: Your receipt')
  assert.match(text, 'filename=order.receipt')
  const encoded = /Content-Transfer-Encoding: base64\r\nContent-Disposition[^]*?\r\n\r\n([^]*?)\r\n--/.exec(
    text
  )![1]!
  assert.equal(new Uint8Array(Buffer.from(encoded, 'base64')), receipt)
  mailer.close()
  await server.close()
})

test('send() cannot be made to write to others, or other headers', async () => {
  const server = await smtpServer()
  const mailer = await openMailer({
    smtp: `smtp://shop:secret@127.0.0.1:${server.port}`,
    from: 'Shop <shop@seller.example>'
  })
  await mailer
    .send({
      ...mail,
      to: 'ann@buyer.example\r\nBcc: eve@evil.example',
      subject: 'a\r\nBcc: eve@evil.example'
    })
    .catch(() => {})
  for (const { to, text } of server.received) {
    assert.not.ok(to.includes('eve@evil.example'))
    assert.not.match(text, /^Bcc:/m)
  }
  mailer.close()
  await server.close()
})

test('send() fails when the server refuses', async () => {
  const server = await smtpServer()
  const mailer = await openMailer({
    smtp: `smtp://shop:wrong@127.0.0.1:${server.port}`,
    from: 'shop@seller.example'
  })
  let refused = false
  await mailer.send(mail).catch(() => (refused = true))
  assert.ok(refused)
  assert.equal(server.received, [])
  mailer.close()
  await server.close()
})

test.run()
