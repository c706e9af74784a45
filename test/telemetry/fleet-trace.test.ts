import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { createOtelTracing } from '../../src/opentelemetry/otel-tracing.ts'
import { openFleetServers } from '../support/fleet-servers.ts'
import { type CollectedSpans, collectSpans } from './collect-spans.ts'

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736'
const clientSpanId = '00f067aa0ba902b7'

let collected: CollectedSpans
beforeAll(() => {
  collected = collectSpans()
})
afterAll(() => collected.stop())

test('a job that one node accepts and another runs is in the trace of its request, linked to it', async () => {
  const fleet = await openFleetServers({ tracing: createOtelTracing() })
  onTestFinished(fleet.close)
  const accepting = await fleet.start({ jobWorkers: 0 })
  await fleet.start()
  const accepted = await fetch(`${accepting.address}/predict`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      'x-api-key': fleet.firstKeys().demo,
      prefer: 'respond-async',
      traceparent: `00-${traceId}-${clientSpanId}-01`,
    },
    body: '{"text":"hello"}',
  })
  expect(accepted.status).toBe(202)
  const { id } = (await accepted.json()) as { readonly id: string }

  // The first node runs no jobs: what follows is the other's.
  const spans = await collected.ofTrace(
    traceId,
    ...['POST /predict', 'modelward.job', 'modelward.model', 'modelward.ledger.commit'],
  )
  const named = (name: string) => spans.filter((span) => span.name === name)
  const [request] = named('POST /predict')
  const [job, ...others] = named('modelward.job')
  const requestSpanId = request?.spanContext().spanId
  expect(request?.parentSpanContext?.spanId).toBe(clientSpanId)
  expect(others).toEqual([])
  expect(job?.parentSpanContext).toMatchObject({ traceId, spanId: requestSpanId, isRemote: true })
  expect(job?.links.map(({ context }) => context)).toMatchObject([{ traceId, spanId: requestSpanId }])
  expect(job?.attributes).toMatchObject({ 'modelward.job.id': id, 'modelward.job.attempt': 1 })
  const [model, ...more] = named('modelward.model')
  expect(more).toEqual([])
  expect(model?.parentSpanContext?.spanId).toBe(job?.spanContext().spanId)
})
