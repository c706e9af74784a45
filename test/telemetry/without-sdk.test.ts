import { context, ROOT_CONTEXT, trace } from '@opentelemetry/api'
import { afterEach, expect, test } from 'vitest'
import { createOtelTracing } from '../../src/opentelemetry/otel-tracing.ts'
import { createTelemetry } from '../../src/telemetry/telemetry.ts'
import { openTestWard } from '../support/open-test-ward.ts'
import { collectSpans } from './collect-spans.ts'

afterEach(() => {
  trace.disable()
  context.disable()
})

test('without an SDK a request asks once whether it is traced, and no more; with one it is from the next on', async () => {
  const calls: string[] = []
  const otel = createOtelTracing()
  const tracing = Object.fromEntries(
    Object.entries(otel).map(([name, call]) => [
      name,
      typeof call === 'function'
        ? (...args: never[]) => {
            calls.push(name)
            return (call as (...args: never[]) => unknown)(...args)
          }
        : call,
    ]),
  ) as unknown as typeof otel
  const ward = await openTestWard({ telemetry: createTelemetry([], { tracing }) })
  const { text } = await ward.keys.create({ name: 'any' })
  const head = { headerValues: () => [text], queryValues: () => [], address: undefined }
  const admit = async () => ward.guard.admit(ward.guard.open({}, head, 'GET'))
  expect((await admit()).admitted).toBe(true)
  expect(calls).toEqual(['isOn'])
  const collected = collectSpans()
  await admit()
  await collected.named('modelward.guard')
  await collected.stop()
  calls.length = 0
  await admit()
  expect(calls).toEqual(['isOn'])
})

test('a trace that the app stands in is known without an SDK: jobs pass it on', async () => {
  const { isOn, active } = createOtelTracing()
  const collected = collectSpans()
  await collected.stop()
  expect(isOn()).toBe(false)
  const stopped = collectSpans()
  trace.disable()
  const spanContext = { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), traceFlags: 1 }
  expect(isOn()).toBe(false)
  context.with(trace.setSpanContext(ROOT_CONTEXT, spanContext), () => {
    expect([isOn(), active()?.traceId]).toEqual([true, spanContext.traceId])
  })
  await stopped.stop()
})
