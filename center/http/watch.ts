/** What an operator watches: structured lines of log, and metrics for a collector, on a listener of their own. */
import { createServer } from 'node:http'
import { pino } from 'pino'
import { Counter, collectDefaultMetrics, Histogram, Registry } from 'prom-client'
import { CofferError } from '../../formats/errors.js'
import type { Served } from './http.js'
import { listen } from './wire.js'

export interface Watch {
  /** Where the metrics are; undefined without a port for them. */
  readonly metricsUrl: string | undefined
  onRequest(served: Served): void
  onFault(requestId: string, cause: unknown): void
  close(): Promise<void>
}

/** @param metricsPort - 0 takes any free one; undefined: no metrics. Only this machine is answered. */
export async function watch(verbose: boolean, metricsPort: number | undefined): Promise<Watch> {
  // To stderr, line by line: a process that is killed has said what it said.
  const lines = pino.destination({ dest: 2, sync: true })
  // A full disk, or a reader that has gone, costs lines and nothing else: what is told of was done.
  lines.on('error', () => {})
  const log = pino({ level: verbose ? 'info' : 'error', base: null }, lines)
  const metrics = metricsPort === undefined ? undefined : await openMetrics(metricsPort)
  return {
    metricsUrl: metrics?.url,
    onRequest(served) {
      log.info(served, 'request')
      metrics?.count(served)
    },
    onFault: (requestId, cause) => log.error({ requestId, ...told(cause) }, 'failed'),
    close: async () => metrics?.close()
  }
}

/** Messages and stacks: our errors hold no key, and no record is ever part of one. */
function told(cause: unknown): object {
  const { message, stack } = cause instanceof Error ? cause : new Error(String(cause))
  return { ...(cause instanceof CofferError && { code: cause.code }), message, stack }
}

async function openMetrics(port: number) {
  const registry = new Registry()
  registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE as never)
  collectDefaultMetrics({ register: registry })
  const labelNames = ['method', 'route', 'status'] as const
  const requests = new Counter({
    name: 'coffer_http_requests',
    help: 'Requests answered.',
    labelNames,
    registers: [registry]
  })
  const seconds = new Histogram({
    name: 'coffer_http_request_seconds',
    help: 'How long they took.',
    labelNames: ['route'] as const,
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10],
    registers: [registry]
  })
  const server = createServer((request, response) => {
    if (request.method !== 'GET' || request.url !== '/metrics') {
      response.writeHead(404).end()
      return
    }
    registry.metrics().then(
      text => response.writeHead(200, { 'content-type': registry.contentType }).end(text),
      () => response.writeHead(500).end()
    )
  })
  const { port: bound } = await listen(server, '127.0.0.1', port)
  return {
    url: `http://127.0.0.1:${bound}/metrics`,
    count({ method, route, status, ms }: Served) {
      requests.inc({ method, route, status })
      seconds.observe({ route }, ms / 1000)
    },
    close: () =>
      new Promise<void>(resolve => {
        server.close(() => resolve())
        server.closeAllConnections()
      })
  }
}
