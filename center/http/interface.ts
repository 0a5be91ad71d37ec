/**
 * The HTTP interface as a table, from which the routes are made and the OpenAPI document is: what is not here is not
 * served, and what is here is documented.
 */
import { CofferError, ERROR_CODES } from '../../formats/errors.js'
import { MAX_RECORD_BYTES } from '../../formats/limits.js'
import type { Amount } from '../../formats/money.js'
import { ACTS, type Act } from './acts.js'
import type { LicenseCenter } from '../center.js'
import { objectSchema } from './json.js'
import { COVERED, SKEW_SECONDS, TAG } from './message-signature.js'
import type { Admit } from '../orders/requests.js'

/** The media type insists that a browser asks before it sends a page's request: no other site's page can order. */
export const CONTENT_TYPE = 'application/vnd.coffer'
export const PROBLEM_TYPE = 'application/problem+json'
export const JSON_TYPE = 'application/json'

/** Where an act of the desk is (center/http/acts.ts). */
export const actPath = (name: string): string => `/v1/desk/${name}`

export interface Endpoint {
  readonly method: 'get' | 'post'
  readonly path: string
  readonly summary: string
  /** What goes in; undefined: no body. */
  readonly takes?: string
  readonly gives: string
  /** HTTP statuses of refusals, beside those that every endpoint has. */
  readonly refusals: readonly number[]
  /** What a header may say beside it. */
  readonly header?: { readonly name: string; readonly says: string }
  /** @param said - By the header. */
  answer(center: LicenseCenter, body: Uint8Array, admit: Admit, said: string | undefined): Promise<Uint8Array>
}

export const ENDPOINTS: readonly Endpoint[] = [
  {
    method: 'get',
    path: '/v1/roots',
    summary: 'Who the center is',
    gives: 'MessagePack { roots: [record, ...] }, first to newest',
    refusals: [],
    answer: center => center.roots()
  },
  {
    method: 'get',
    path: '/v1/revocations',
    summary: 'What the center has taken back',
    gives: 'the newest revocation list, a record',
    refusals: [],
    answer: center => center.revocations()
  },
  {
    method: 'get',
    path: '/v1/revocations/ended',
    summary: 'Copies that have ended and that the list does not name',
    gives: 'a record, and the parts that it counts',
    refusals: [404],
    async answer(center) {
      const file = await center.ended()
      if (file !== undefined) return file
      throw new CofferError('COFFER_FILE_MISSING', 'There are none: the revocation list names them all.', {
        hint: 'GET /v1/revocations has the list.'
      })
    }
  },
  {
    method: 'post',
    path: '/v1/orders',
    summary:
      'Order, renew, return or transfer a copy; the same record again gives the same answer, charged once',
    takes: 'a request record, or a return record',
    gives: 'an answer record',
    refusals: [400, 403, 404, 413, 415, 429],
    header: { name: 'coffer-at-most', says: 'the most that it may be charged, in minor units: "900 EUR"' },
    answer: (center, body, admit, said) =>
      center.issue(body, admit, said === undefined ? undefined : atMost(said))
  },
  {
    method: 'post',
    path: '/v1/quotes',
    summary: 'What an order would be charged now; nothing is bought',
    takes: 'a request record',
    gives: 'a quote record',
    refusals: [400, 403, 404, 413, 415, 429],
    answer: (center, body, admit) => center.quote(body, admit)
  },
  {
    method: 'post',
    path: '/v1/transfers',
    summary: 'Ask whether a copy would be handed on for an order, before it is given up; changes nothing',
    takes: 'MessagePack { grantId, order }',
    gives: 'nothing: it would',
    refusals: [400, 403, 404, 413, 415, 429],
    async answer(center, body, admit) {
      await center.mayTransfer(body, admit)
      return new Uint8Array()
    }
  },
  {
    method: 'post',
    path: '/v1/releases',
    summary: 'Register a release, as its publisher; again gives the same key',
    takes: 'a registration record',
    gives: 'a release record',
    refusals: [400, 403, 413, 415, 429],
    answer: (center, body, admit) => center.register(body, admit)
  },
  {
    method: 'post',
    path: '/v1/receipts',
    summary: 'Prove that a request, return or registration that was answered is in the books',
    takes: 'the very record that was answered',
    gives: 'its receipt: MessagePack { checkpoint, entry, index, path }',
    refusals: [400, 403, 413, 415, 429],
    answer: (center, body, admit) => center.receipt(body, admit)
  }
]

/** @throws CofferError COFFER_USAGE */
function atMost(said: string): Amount {
  const [, minor, currency] = /^(\d{1,15}) ([A-Z]{3})$/.exec(said) ?? []
  if (minor !== undefined && currency !== undefined) return { minor: Number(minor), currency }
  throw new CofferError('COFFER_USAGE', 'The header "coffer-at-most" is no amount.', {
    expected: 'minor units and a currency, such as "900 EUR"',
    found: 'something else',
    hint: 'Leave it out where any price will do.'
  })
}

const STATUS_TEXT: Readonly<Record<number, string>> = {
  400: 'Not a valid record',
  401: 'Not signed by who may do this',
  403: 'Refused',
  404: 'No such thing',
  413: 'Too large',
  415: 'Wrong media type',
  429: 'Too many requests',
  500: 'Failure of the center',
  503: 'Center busy'
}
export const titleOf = (status: number): string => STATUS_TEXT[status] ?? 'Refused'

/** @returns The document that tells tools how to call the center. */
export function openApi(name: string): object {
  const binary = (description: string) => ({
    description,
    content: { [CONTENT_TYPE]: { schema: { type: 'string', format: 'binary' } } }
  })
  const problem = (status: number) => ({
    description: titleOf(status),
    content: { [PROBLEM_TYPE]: { schema: { $ref: '#/components/schemas/Problem' } } }
  })
  const operation = ({ summary, takes, gives, refusals, method, path, header }: Endpoint) => ({
    operationId: `${method}-${path.split('/').at(-1)!}`,
    summary,
    ...(header !== undefined && {
      parameters: [{ in: 'header', name: header.name, description: header.says, schema: { type: 'string' } }]
    }),
    ...(takes !== undefined && {
      requestBody: { required: true, ...binary(`${takes}, at most ${MAX_RECORD_BYTES} bytes`) }
    }),
    responses: {
      200: binary(gives),
      ...Object.fromEntries([...refusals, 500, 503].map(status => [status, problem(status)]))
    }
  })
  const paths: Record<string, Record<string, object>> = {}
  for (const endpoint of ENDPOINTS) {
    paths[endpoint.path] = { ...paths[endpoint.path], [endpoint.method]: operation(endpoint) }
  }
  const actOperation = (name: string, { summary, who, takes }: Act) => ({
    operationId: `desk-${name}`,
    summary: `${summary} (${who === 'admin' ? 'admins' : 'admins and publishers'})`,
    security: [{ messageSignature: [] }],
    requestBody: { required: true, content: { [JSON_TYPE]: { schema: objectSchema(takes) } } },
    responses: {
      200: { description: 'what was asked for', content: { [JSON_TYPE]: {} } },
      ...Object.fromEntries(
        [400, 401, 403, 404, 413, 415, 429, 500, 503].map(status => [status, problem(status)])
      )
    }
  })
  for (const [name, act] of Object.entries(ACTS)) paths[actPath(name)] = { post: actOperation(name, act) }
  return {
    openapi: '3.1.0',
    info: { title: `${name}, a license center`, version: '1', description: DESCRIPTION },
    paths,
    components: {
      schemas: { Problem: PROBLEM_SCHEMA },
      securitySchemes: { messageSignature: SIGNATURE_SCHEME }
    }
  }
}

const DESCRIPTION =
  'Records are signed frames of MessagePack. Whoever orders, returns or registers says so in a signed record. What the desk is asked is JSON, in requests that an admin or a publisher signed.'

const SIGNATURE_SCHEME = {
  type: 'apiKey',
  in: 'header',
  name: 'Signature',
  description: `HTTP Message Signatures (RFC 9421) with Ed25519: Signature-Input and Signature with the tag "${TAG}" over exactly ${COVERED.join(', ')}, with created (within ${SKEW_SECONDS} s of the center's clock), a nonce of 16 to 64 characters that is used once, and keyid, the public key in hexadecimal. Content-Digest (RFC 9530) has the body's SHA-256; Coffer-Center is the id of the center.`
}

const text = (description: string) => ({ type: 'string', description })
/** What {@link Problem} documents: RFC 9457. */
const PROBLEM_SCHEMA = {
  type: 'object',
  required: ['type', 'title', 'status', 'code', 'detail', 'retryable', 'requestId'],
  properties: {
    type: text('about:blank'),
    title: text('what the status means here'),
    status: { type: 'integer' },
    code: { type: 'string', enum: Object.keys(ERROR_CODES), description: 'stable; see the errors page' },
    detail: text('what failed'),
    hint: text('what to do next'),
    expected: text('what was expected'),
    found: text('what was found'),
    retryable: { type: 'boolean', description: 'whether the same request may succeed later' },
    requestId: text('to quote to the seller')
  }
}
