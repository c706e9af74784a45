import { ROOT_CONTEXT, SamplingDecision, SpanKind, trace } from '@opentelemetry/api'
import { describe, expect, test } from 'vitest'
import { createBoundedSampler, sampledByClientsPerSecondMax } from './bounded-sampler.ts'

const high = 'f'.repeat(24) + '0'.repeat(8)
const low = `${'0'.repeat(31)}1`

function open(env: Readonly<Record<string, string>>) {
  const time = { now: 0 }
  const sampler = createBoundedSampler(env, () => time.now)
  /** @param flags what the parent says; none without a parent */
  function isSampled(traceId: string, flags?: number, kind = SpanKind.SERVER): boolean {
    const parent = { traceId, spanId: 'a'.repeat(16), traceFlags: flags ?? 0, isRemote: true }
    const under = flags === undefined ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, parent)
    return sampler.shouldSample(under, traceId, '', kind).decision === SamplingDecision.RECORD_AND_SAMPLED
  }
  const countOf = (asks: number, ask: () => boolean) =>
    Array.from({ length: asks }, ask).filter(Boolean).length
  return { time, isSampled, countOf }
}

const ratio = (name: string, arg: string) => ({ OTEL_TRACES_SAMPLER: name, OTEL_TRACES_SAMPLER_ARG: arg })

describe('the sampler that the environment names', () => {
  test.each([
    [{}, [true, true, false]],
    [{ OTEL_TRACES_SAMPLER: '' }, [true, true, false]],
    [{ OTEL_TRACES_SAMPLER: 'always_on' }, [true, true, true]],
    [{ OTEL_TRACES_SAMPLER: 'always_off' }, [false, false, false]],
    [{ OTEL_TRACES_SAMPLER: 'parentbased_always_off' }, [false, true, false]],
    [ratio('traceidratio', '0'), [false, false, false]],
    [ratio('traceidratio', '1'), [true, true, true]],
    [ratio('parentbased_traceidratio', '0'), [false, true, false]],
  ])('%j: without a parent, under a sampled one, under another', (env, expected) => {
    const { isSampled } = open(env)
    expect([isSampled(high), isSampled(high, 1), isSampled(high, 0)]).toEqual(expected)
  })

  test('a ratio is a part of the ids', () => {
    const { isSampled } = open(ratio('traceidratio', '0.5'))
    expect([isSampled(low), isSampled(high)]).toEqual([true, false])
  })

  test.each([
    [{ OTEL_TRACES_SAMPLER: 'sometimes' }, /OTEL_TRACES_SAMPLER: expected one of `always_on`/],
    [ratio('traceidratio', 'half'), /OTEL_TRACES_SAMPLER_ARG: expected a number from 0 to 1/],
    [ratio('traceidratio', '2'), /OTEL_TRACES_SAMPLER_ARG/],
  ])('another is a fault at the start: %j', (env, message) => {
    expect(() => open(env)).toThrow(
      expect.objectContaining({ code: 'config_invalid', message: expect.stringMatching(message) }),
    )
  })
})

describe('what clients decide', () => {
  const few = sampledByClientsPerSecondMax

  test.each([
    ['by the flag', ratio('parentbased_traceidratio', '0'), high, 1],
    ['by an id that the ratio takes', ratio('traceidratio', '0.0001'), low, 0],
  ])('is bounded a second, %s, and comes back', (_how, env, traceId, flags) => {
    const { isSampled, countOf, time } = open(env)
    const ask = () => isSampled(traceId, flags)
    expect(countOf(few, ask)).toBe(few)
    expect(countOf(1_000, ask)).toBeLessThan(10)
    time.now += 1_000
    expect(countOf(few, ask)).toBe(few)
  })

  test('takes nothing from our own spans, nor from requests that say nothing', () => {
    const { isSampled, countOf } = open({})
    expect(countOf(3 * few, () => isSampled(high, 1, SpanKind.INTERNAL))).toBe(3 * few)
    expect(countOf(few, () => isSampled(high))).toBe(few)
    expect(countOf(few, () => isSampled(high, 0))).toBe(0)
  })
})
