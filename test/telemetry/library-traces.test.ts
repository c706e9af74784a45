import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { context, ROOT_CONTEXT, TraceFlags, trace } from '@opentelemetry/api'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { openModelward, type Ward } from '../../src/index.ts'
import { openTelemetry } from '../../src/opentelemetry/index.ts'
import type { Tracing } from '../../src/telemetry/tracing.ts'
import type { AdapterTarget } from '../adapters/adapter-target.ts'
import { adapters } from '../adapters/adapters.ts'
import { type CollectedSpans, collectSpans, treeOf } from './collect-spans.ts'

let collected: CollectedSpans
let data: string
let key: string
const closing: (() => Promise<unknown>)[] = []

beforeAll(() => {
  collected = collectSpans()
})
afterAll(() => collected.stop())
beforeEach(async () => {
  data = await mkdtemp(join(tmpdir(), 'modelward-library-traces-'))
  collected.clear()
})
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
  await rm(data, { recursive: true, force: true })
})

type OpenOptions = Partial<Parameters<typeof openModelward>[0]>

async function open(options: OpenOptions = { telemetry: [openTelemetry()] }): Promise<Ward> {
  const ward = (await openModelward({ data, limitDefault: ['60/min'], ...options } as never)) as Ward
  closing.push(() => ward.close())
  key = (await ward.keys.create({ name: 'any', owner: 'acme', scopes: ['predict'] })).text
  return ward
}

/** @returns what is active while `work` runs, and in all that it begins */
async function inAppSpan<T>(work: () => Promise<T>): Promise<{ traceId: string; result: T }> {
  const span = trace.getTracer('the app').startSpan('the app')
  const result = await context.with(trace.setSpan(ROOT_CONTEXT, span), work)
  span.end()
  return { traceId: span.spanContext().traceId, result }
}

const predict = () => ({
  method: 'POST',
  path: '/predict',
  headers: [['x-api-key', key]] as const,
})
const guarded = [
  'modelward.guard > modelward.limits',
  'modelward.ledger.commit > modelward.ledger.batch',
  'the app > modelward.guard',
  'the app > modelward.ledger.commit',
]

describe.each(adapters)('$name', ({ start }) => {
  async function asked(ward: Ward): Promise<string> {
    const { traceId } = await inAppSpan(async () => {
      const target: AdapterTarget = await start({ ward, routes: [] })
      closing.push(() => target.close())
      expect((await target.ask(predict())).status).toBe(200)
    })
    return traceId
  }

  test('guards under the span that is active in the app', async () => {
    const traceId = await asked(await open())
    const spans = await collected.ofTrace(
      traceId,
      'modelward.ledger.batch',
      'modelward.ledger.commit',
      'the app',
    )
    expect([...new Set(treeOf(spans))]).toEqual(['the app', ...guarded].toSorted())
    const guards = spans.filter(({ name }) => name === 'modelward.guard')
    expect(guards.at(-1)?.attributes).toEqual({
      'modelward.key_id': key.split('_')[2],
      'modelward.owner': 'acme',
    })
  })
})

describe('the option `telemetry`', () => {
  test('without it, nothing is traced', async () => {
    const ward = await open({})
    await inAppSpan(async () =>
      ward.admit({ headerValues: () => [key], queryValues: () => [], address: undefined } as never),
    )
    expect(collected.spans.map(({ name }) => name)).toEqual(['the app'])
  })

  test.each([
    ['no array', openTelemetry()],
    ['another kind', [{ traces: openTelemetry().tracing }]],
    ['functions that are missing', [{ tracing: { begin() {} } }]],
    ['nothing', [{}]],
    ['two of a kind', [openTelemetry(), openTelemetry()]],
  ])('is checked: %s', async (_what, telemetry) => {
    await expect(open({ telemetry } as never)).rejects.toThrow(
      /`telemetry`: expected an array of listeners, one of a kind, such as openTelemetry\(\) and prometheus\(\)/,
    )
  })

  test('openTelemetry checks its own', () => {
    expect(() => openTelemetry({ owners: 'no' } as never)).toThrow(
      'openTelemetry: `owners`: expected true or false',
    )
  })

  test('a second opening agrees where it names the same', async () => {
    await open()
    await open()
    const other = { telemetry: [openTelemetry({ owners: false })] }
    await expect(open(other)).rejects.toMatchObject({ code: 'data_in_use' })
    await expect(open({})).rejects.toMatchObject({ code: 'data_in_use' })
  })
})

describe('an app without a span', () => {
  const head = () => ({ headerValues: () => [key], queryValues: () => [], address: undefined }) as never

  test('has a trace of each guard, in which the record is', async () => {
    const ward = await open()
    const target = await (adapters[0] as (typeof adapters)[number]).start({ ward, routes: [] })
    closing.push(() => target.close())
    await target.ask(predict())
    const commit = await collected.named('modelward.ledger.commit')
    const spans = await collected.ofTrace(commit.spanContext().traceId, 'modelward.guard')
    expect(treeOf(spans)).toContain('modelward.guard > modelward.ledger.commit')
    expect(treeOf(spans)).toContain('modelward.guard')
  })

  test('whose own span is not sampled costs no span', async () => {
    const ward = await open()
    const off = { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), traceFlags: TraceFlags.NONE }
    await context.with(trace.setSpanContext(ROOT_CONTEXT, off), async () => ward.admit(head()))
    expect(collected.spans).toEqual([])
  })
})

describe('a listener that throws', () => {
  test('is dropped with one warning, and requests go on', async () => {
    const warnings: string[] = []
    const heed = (warning: Error): void => void warnings.push(warning.message)
    process.on('warning', heed)
    let calls = 0
    const fail = (): never => {
      calls += 1
      throw new Error('a listener')
    }
    const tracing: Tracing = { tellsOwners: true, begin: fail, active: fail }
    const ward = await open({ telemetry: [{ tracing }] })
    const target = await (adapters[0] as (typeof adapters)[number]).start({ ward, routes: [] })
    closing.push(() => target.close())
    for (const request of [predict(), predict()]) expect((await target.ask(request)).status).toBe(200)
    process.off('warning', heed)
    expect(calls).toBe(1)
    expect(warnings.filter((message) => message.includes('listener of traces'))).toHaveLength(1)
  })
})
