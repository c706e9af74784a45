import { createPrometheus, type PrometheusListener } from '../../src/prometheus/prometheus.ts'
import { createTelemetry } from '../../src/telemetry/telemetry.ts'
import { createFakeLedger, type FakeLedger } from '../adapters/fake-ledger.ts'
import { type AskingApp, openAskingApp } from './open-asking-app.ts'
import { readMetrics, type Series } from './read-metrics.ts'
import type { TestAppOptions } from './test-app.ts'

/** The server's app with its ledger and its metrics. */
export interface MeasuredApp extends AskingApp {
  readonly ledger: FakeLedger
  readonly page: PrometheusListener['page']
  /** All series of a new page. */
  readonly series: () => Promise<readonly Series[]>
}

export async function openMeasuredApp(options: TestAppOptions = {}): Promise<MeasuredApp> {
  // Each page is a new one: more than a second has passed.
  let now = 0
  const { measures, page, open } = createPrometheus({}, () => (now += 2_000))
  await open()
  const ledger = createFakeLedger()
  const telemetry = createTelemetry([], { measures })
  const opened = await openAskingApp({
    ...options,
    page,
    parts: { jobs: { telemetry }, ...options.parts },
    ward: { ledger, telemetry, ...options.ward },
  })
  return { ...opened, ledger, page, series: async () => readMetrics((await page()).text) }
}

/** Sums by a name; those that are 0 are left out. */
export function sumBy<Item>(
  items: readonly Item[],
  name: (item: Item) => string,
  amount: (item: Item) => number,
): Readonly<Record<string, number>> {
  const sums: Record<string, number> = {}
  for (const item of items) {
    const sum = (sums[name(item)] ?? 0) + amount(item)
    if (sum > 0) sums[name(item)] = sum
  }
  return sums
}
