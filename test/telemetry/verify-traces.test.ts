import { afterEach, expect, test } from 'vitest'
import { createOtelTracing } from '../../src/opentelemetry/otel-tracing.ts'
import { startServer } from '../../src/server/start-server.ts'
import { temporaryFolder } from '../e2e/run-cli.ts'
import { serverDefaults } from '../parity/start-server-target.ts'
import { constantModel } from '../support/test-app.ts'
import { collectSpans, treeOf } from './collect-spans.ts'

const collected = collectSpans()
afterEach(() => collected.stop())

test('the verdict on a key, its limits and its record stand under the request that asked for it', async () => {
  using folder = temporaryFolder()
  let admin = ''
  let demo = ''
  const server = await startServer({
    ...serverDefaults,
    data: `${folder.path}/data`,
    servedModels: [constantModel],
    limitDefault: ['60/min'],
    tracing: createOtelTracing(),
    logStream: { write: () => {} },
    firstKeys: 'report',
    onFirstKeys: (report) => {
      if ('keys' in report) ({ admin, demo } = report.keys)
    },
  })
  const traceId = '0af7651916cd43dd8448eb211c80319c'
  const answer = await fetch(`${server.address}/v1/keys/verify`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      'x-api-key': admin,
      traceparent: `00-${traceId}-b7ad6b7169203331-01`,
    },
    body: JSON.stringify({ key: demo }),
  })
  expect(((await answer.json()) as { readonly valid: boolean }).valid).toBe(true)
  const route = 'POST /v1/keys/verify'
  const spans = await collected.ofTrace(traceId, route, 'modelward.ledger.commit')
  await server.close()
  expect(treeOf(spans)).toEqual([
    `${route} > modelward.guard`,
    `${route} > modelward.guard`,
    `${route} > modelward.ledger.commit`,
    `another > ${route}`,
    'modelward.guard > modelward.limits',
    'modelward.guard > modelward.limits',
    'modelward.ledger.commit > modelward.ledger.batch',
  ])
  expect(JSON.stringify(spans.map(({ attributes }) => attributes))).not.toContain(demo.slice(-30))
})
