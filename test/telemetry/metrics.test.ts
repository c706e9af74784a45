import { afterEach, describe, expect, test } from 'vitest'
import { createPrometheus } from '../../src/prometheus/prometheus.ts'
import { createTelemetry } from '../../src/telemetry/telemetry.ts'
import { createFakeLedger, type FakeLedger } from '../adapters/fake-ledger.ts'
import { type AskingApp, closeApps, later, openAskingApp } from '../support/open-asking-app.ts'
import { readMetrics, type Series } from '../support/read-metrics.ts'
import type { TestAppOptions } from '../support/test-app.ts'

afterEach(closeApps)

interface MeasuredApp extends AskingApp {
  readonly ledger: FakeLedger
  /** All series of a new page. */
  readonly series: () => Promise<readonly Series[]>
}

async function openMeasuredApp(options: TestAppOptions = {}): Promise<MeasuredApp> {
  // Each page is a new one: more than a second has passed.
  let now = 0
  const { measures, page, open } = createPrometheus({}, () => (now += 2_000))
  await open()
  const ledger = createFakeLedger()
  const telemetry = createTelemetry([], { measures })
  const opened = await openAskingApp({ ...options, page, ward: { ledger, telemetry, ...options.ward } })
  return { ...opened, ledger, series: async () => readMetrics((await page()).text) }
}

function sumBy<Item>(items: readonly Item[], name: (item: Item) => string, amount: (item: Item) => number) {
  const sums: Record<string, number> = {}
  for (const item of items) {
    const sum = (sums[name(item)] ?? 0) + amount(item)
    if (sum > 0) sums[name(item)] = sum
  }
  return sums
}

const ends = new Set(['request.admitted', 'request.refused', 'request.failed', 'request.finished'])

describe('counters', () => {
  test('equal the counts of the ledger after 10,000 mixed requests', async () => {
    const { ask, app, keys, createKey, ledger, ward, series } = await openMeasuredApp({
      ward: { limitBadKeys: '100000/min', limitDefault: ['6000/min'] },
    })
    const limited = await createKey({ limits: ['3/min', '500 characters/min'] })
    const { text: revoked, record } = await ward.keys.create({ name: 'revoked' })
    await ward.keys.revoke(record.id)
    const body = { text: 'I love this' }
    const ways = [
      () => ask('POST', '/predict', { body }),
      () => ask('POST', '/predict', { body }),
      () => ask('POST', '/predict', { body: { text: '' } }),
      () => ask('POST', '/predict', { key: keys.wrong, body }),
      () => ask('POST', '/predict', { key: revoked, body }),
      () => ask('POST', '/predict', { key: limited, body }),
      () => ask('POST', '/predict', { key: keys.admin, body }),
      () => ask('POST', '/predict/batch', { body: { texts: ['a', 'b'] } }),
      () => ask('GET', '/v1/keys/self'),
      () => ask('GET', '/v1/keys'),
      () => ask('GET', '/v1/keys', { key: keys.admin }),
      () => ask('HEAD', '/models'),
      () => ask('GET', `/nowhere/${Math.random()}`),
      () => ask('DELETE', '/predict'),
      () => ask('GET', '/models/%zz'),
      () => app.inject({ method: 'POST', url: '/predict', payload: body }),
    ]
    for (let asked = 0; asked < 10_000; asked += 100)
      await Promise.all(Array.from({ length: 100 }, (_, more) => ways[(asked + more) % ways.length]?.()))
    await ask('POST', '/predict', { body, headers: later })
    const metrics = await series()
    // Writes the counts of refusals that have no record of their own.
    await ward.close()
    const records = ledger.entries
    const answered = metrics.filter(({ name }) => name === 'modelward_requests_total')
    const recorded = records.filter(({ event }) => ends.has(event))
    const isAnswer = ({ code }: { readonly code: string | null }): boolean =>
      code === null || code === 'input_invalid' || code === 'method_not_allowed' || code === 'not_found'
    expect(
      sumBy(
        answered.filter(({ labels }) => isAnswer({ code: labels['code'] || null })),
        ({ labels: { route, method, status, code } }) => `${method} ${route} ${status} ${code}`,
        ({ value }) => value,
      ),
    ).toEqual(
      sumBy(
        recorded.filter(isAnswer),
        ({ route, method, status, code }) => `${method} ${route ?? ''} ${status} ${code ?? ''}`,
        () => 1,
      ),
    )
    const summarized = records.filter(({ event }) => event === 'requests.summarized')
    expect(summarized.length).toBeGreaterThan(2)
    expect(
      sumBy(
        answered,
        ({ labels: { code } }) => code ?? '',
        ({ value }) => value,
      ),
    ).toEqual(
      sumBy(
        [...recorded, ...summarized],
        ({ code }) => code ?? '',
        ({ measures }) => measures['refused'] ?? 1,
      ),
    )
    const used = metrics.filter(({ name }) => name === 'modelward_measures_total')
    expect(
      sumBy(
        used,
        ({ labels: { measure } }) => measure ?? '',
        ({ value }) => value,
      ),
    ).toEqual(
      sumBy(
        recorded.flatMap(({ measures }) => Object.entries(measures)),
        ([measure]) => measure,
        ([, amount]) => amount,
      ),
    )
    const timed = metrics.filter(({ name }) => name === 'modelward_request_duration_seconds_count')
    expect(
      sumBy(
        timed,
        () => 'all',
        ({ value }) => value,
      ),
    ).toEqual({ all: 10_001 })
    expect(metrics.find(({ name }) => name === 'modelward_requests_in_flight')?.value).toBe(0)
    expect(metrics.find(({ name }) => name === 'modelward_guard_duration_seconds_count')?.value).toBe(10_001)
  })
})
