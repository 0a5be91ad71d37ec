/** Services of others that a center may use, named in the file services.json of its folder: who takes money, who sends mail. */
import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { CofferError } from '../formats/errors.js'

export interface StripeSettings {
  readonly secretKey: string
  readonly webhookSecret: string
  /** Elsewhere than at Stripe: for tests, and for a proxy. */
  readonly api?: string
}

export interface MailSettings {
  /** `smtps://user:password@host:port` */
  readonly smtp: string
  readonly from: string
}

export interface Services {
  /** Without it: an invoice, which the seller writes. */
  readonly stripe?: StripeSettings
  readonly mail?: MailSettings
}

const FILE = 'services.json'

/** @throws CofferError COFFER_USAGE for a file that does not say this; COFFER_HOST_UNSAFE for one that others may read. */
export async function readServices(folder: string): Promise<Services> {
  const path = join(folder, FILE)
  const text = await readFile(path, 'utf8').catch(() => undefined)
  if (text === undefined) return {}
  const { mode } = await stat(path)
  if (process.platform !== 'win32' && (mode & 0o077) !== 0) {
    throw new CofferError('COFFER_HOST_UNSAFE', `Other accounts may read the passwords in ${path}.`, {
      expected: 'mode 600',
      found: `mode ${(mode & 0o777).toString(8)}`,
      hint: `Close it with: chmod go= ${path}`
    })
  }
  return checked(path, parsed(text))
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function checked(path: string, value: unknown): Services {
  const texts = (of: unknown, names: readonly string[], optional: readonly string[] = []) =>
    of === undefined ||
    (typeof of === 'object' &&
      of !== null &&
      names.every(name => typeof (of as Record<string, unknown>)[name] === 'string') &&
      Object.keys(of).every(name => names.includes(name) || optional.includes(name)))
  const { stripe, mail, ...rest } = (value ?? { nothing: true }) as Record<string, unknown>
  if (
    Object.keys(rest).length === 0 &&
    texts(stripe, ['secretKey', 'webhookSecret'], ['api']) &&
    texts(mail, ['smtp', 'from'])
  ) {
    return value as Services
  }
  throw new CofferError('COFFER_USAGE', `${path} does not say which services to use.`, {
    expected: '{ "stripe": { "secretKey", "webhookSecret" }, "mail": { "smtp", "from" } }, or one of them',
    hint: 'See docs/center.md.'
  })
}
