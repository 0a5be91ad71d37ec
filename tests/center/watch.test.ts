/** What an operator sees: metrics that a collector reads, on this machine alone, and nothing of who asked. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { watch } from '../../center/http/watch.js'

test('watch() counts requests by endpoint and status in OpenMetrics', async () => {
  const watching = await watch(false, 0)
  const served = { method: 'POST', path: '/v1/orders', route: '/v1/orders', requestId: 'aa', ms: 12 }
  watching.onRequest({ ...served, status: 200 })
  watching.onRequest({ ...served, status: 200 })
  watching.onRequest({ ...served, path: '/v1/secret-path', route: 'other', status: 404 })
  const response = await fetch(watching.metricsUrl!)
  assert.match(response.headers.get('content-type')!, 'application/openmetrics-text')
  const text = await response.text()
  assert.match(text, 'coffer_http_requests_total{method="POST",route="/v1/orders",status="200"} 2')
  assert.match(text, 'coffer_http_requests_total{method="POST",route="other",status="404"} 1')
  assert.match(text, /coffer_http_request_seconds_count\{route="\/v1\/orders"\} 2/)
  assert.match(text, /process_resident_memory_bytes \d/)
  assert.match(text, /# EOF\n$/)
  assert.not.match(text, 'secret-path')
  assert.is((await fetch(watching.metricsUrl!.replace('/metrics', '/'))).status, 404)
  await watching.close()
})

test.run()
