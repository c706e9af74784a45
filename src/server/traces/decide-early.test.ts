import { context, trace } from '@opentelemetry/api'
import { TracerProvider } from '@opentelemetry/sdk-trace'
import { afterEach, expect, test } from 'vitest'
import { createOtelTracing } from '../../opentelemetry/otel-tracing.ts'
import { createBoundedSampler } from './bounded-sampler.ts'
import { createEarlyDecision } from './decide-early.ts'

afterEach(() => {
  trace.disable()
  context.disable()
})

function open(ratio: string) {
  const env = { OTEL_TRACES_SAMPLER: 'parentbased_traceidratio', OTEL_TRACES_SAMPLER_ARG: ratio }
  const sampler = createBoundedSampler(env, () => 0)
  const { idGenerator, decideEarly } = createEarlyDecision(sampler.decideRoot)
  const seen: string[] = []
  const spanProcessor = {
    onStart: (span: { spanContext: () => { traceId: string } }) => void seen.push(span.spanContext().traceId),
    onEnd() {},
    forceFlush: async () => {},
    shutdown: async () => {},
  }
  trace.setGlobalTracerProvider(new TracerProvider({ sampler, idGenerator, spanProcessors: [spanProcessor] }))
  return { tracing: decideEarly(createOtelTracing()), sampler, seen }
}

test('what is exported is what the sampler says of the id, and nothing else reaches the SDK', () => {
  const { tracing, sampler, seen } = open('0.5')
  const spans = Array.from({ length: 400 }, () => tracing.begin('GET'))
  const exported = spans.filter((span) => span?.isRecording === true)
  expect(exported.map((span) => span?.context.traceId)).toEqual(seen)
  for (const span of spans) {
    const { traceId = '', spanId = '', isSampled } = span?.context ?? {}
    expect([traceId, spanId].join('-')).toMatch(/^[0-9a-f]{32}-[0-9a-f]{16}$/)
    expect(isSampled).toBe(sampler.decideRoot(traceId))
  }
  // 400 at random: 200, and 50 more or fewer in one run of a million.
  expect(seen.length).toBeGreaterThan(150)
  expect(seen.length).toBeLessThan(250)
  expect(new Set(spans.map((span) => span?.context.traceId)).size).toBe(400)
})

test('a span under one that was exported, and one of a client, have its trace', () => {
  const { tracing } = open('1')
  const first = tracing.begin('GET')
  expect(first?.begin('modelward.guard')?.context.traceId).toBe(first?.context.traceId)
  const parent = { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), isSampled: true, state: '' }
  expect(tracing.begin('GET', { parent })?.context.traceId).toBe(parent.traceId)
})
