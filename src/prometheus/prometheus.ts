import type { Registry, RegistryContentType } from 'prom-client'
import { checkOptions, type OptionRule } from '../core/check-options.ts'
import { packageVersion } from '../core/runtime/package-version.ts'
import type { Clock } from '../core/time.ts'
import type { Measures } from '../telemetry/measures.ts'
import type { IdentifiedListener } from '../telemetry/telemetry-option.ts'
import { createMeasures } from './create-measures.ts'
import { loadClient } from './load-client.ts'
import { type MetricNumbers, type RegisteredMetric, registeredMetrics } from './metric.ts'
import { processMetrics } from './process-metrics.ts'
import { sharePages } from './share-pages.ts'
import { formatFor, type PageFormat, type WriteMetric, writePage } from './write-page.ts'

/** Where metrics are kept. */
export interface PrometheusOptions {
  /**
   * A registry of prom-client that your app has, and whose page it serves: our metrics join it.
   * @default one of its own, with the figures of Node and of the process beside ours
   */
  readonly register?: Pick<Registry, 'registerMetric' | 'metrics' | 'contentType'>
}

/** A page of metrics, and what it is in. */
export interface MetricsPage {
  readonly contentType: string
  readonly text: string
}

/** Takes the numbers of a deployment and writes them for Prometheus. */
export interface PrometheusListener extends IdentifiedListener {
  readonly measures: Measures
  /** @throws SetupError `peer_missing` where prom-client is not installed, by rejecting */
  readonly open: () => Promise<void>
  /**
   * All metrics, in the format that `Accept` asks for. Within a second all who ask get one page.
   *
   * @throws SetupError `peer_missing`, by rejecting
   */
  readonly page: (accept?: string) => Promise<MetricsPage>
}

const rules: Readonly<Record<keyof PrometheusOptions, OptionRule>> = {
  register: {
    expected: 'a registry of prom-client',
    accepts: (value) => typeof (value as Partial<Registry> | null)?.registerMetric === 'function',
  },
}

/**
 * Takes the metrics of docs/reference/metrics.md, for `openModelward`. Serve `page()`, or the page
 * of your own registry.
 *
 * @throws TypeError for wrong options, and for a registry that has metrics of ours already
 * @example
 * const metrics = prometheus()
 * const ward = await openModelward({ data: './modelward-data', telemetry: [metrics] })
 * app.get('/metrics', guard(ward), async (c) => c.text((await metrics.page()).text))
 */
export function prometheus(options: PrometheusOptions = {}): PrometheusListener {
  checkOptions('prometheus', options, rules)
  return createPrometheus(options, () => performance.now())
}

/**
 * @param monotonic by which a page is the same for a second
 * @param gather has the numbers of other processes join those of this one; only without a registry
 */
export function createPrometheus(
  { register }: PrometheusOptions,
  monotonic: Clock,
  gather?: GatherNumbers,
): Gathered {
  const { measures, read } = createMeasures({ version: packageVersion, node: process.version })
  const metrics = registeredMetrics(read)
  const open: () => Promise<Pages> =
    register === undefined ? onceLoaded(metrics, gather) : async () => joined(register)
  if (register !== undefined) for (const metric of metrics) register.registerMetric(metric as never)
  const pages = sharePages(async (format: PageFormat) => (await open()).page(format), monotonic)
  return {
    measures,
    async open() {
      await open()
    },
    page: (accept) => pages(formatFor(accept)),
    async numbers() {
      return (await open()).numbers()
    },
  }
}

/** Joins these numbers with those of the other processes of a deployment. */
export type GatherNumbers = (own: readonly MetricNumbers[]) => Promise<readonly MetricNumbers[]>

/** Metrics that may be a part of those of several processes. */
export interface Gathered extends PrometheusListener {
  /** What this process has, for another that gathers them. */
  readonly numbers: () => Promise<readonly MetricNumbers[]>
}

interface Pages {
  readonly numbers: () => Promise<readonly MetricNumbers[]>
  readonly page: (format: PageFormat) => Promise<MetricsPage>
}

/** The pages of an app's own registry, which has one format. */
function joined(register: NonNullable<PrometheusOptions['register']>): Pages {
  return {
    numbers: async () => [],
    page: async () => ({ contentType: register.contentType, text: await register.metrics() }),
  }
}

/** Our own pages, once prom-client is there. */
function onceLoaded(
  metrics: readonly RegisteredMetric[],
  gather: GatherNumbers | undefined,
): () => Promise<Pages> {
  let opening: Promise<Pages> | undefined
  return function open() {
    opening ??= loadClient().then((client) => {
      const all = [...metrics, ...(processMetrics(client).getMetricsAsArray() as never as RegisteredMetric[])]
      const numbers = (): Promise<readonly MetricNumbers[]> => Promise.all(all.map((metric) => metric.get()))
      const read =
        gather === undefined ? () => Promise.all(all.map(numbersOf)) : async () => gather(await numbers())
      return { numbers, page: async (format) => pageOf(await read(), format, client.Registry) }
    })
    return opening
  }
}

async function pageOf(
  numbers: readonly MetricNumbers[],
  format: PageFormat,
  Formats: typeof Registry,
): Promise<MetricsPage> {
  const contentType = Formats[format === 'text' ? 'PROMETHEUS_CONTENT_TYPE' : 'OPENMETRICS_CONTENT_TYPE']
  const write: WriteMetric = (one) => {
    const registry: Registry<RegistryContentType> = new Formats()
    registry.setContentType(contentType)
    return writeMetric(one, registry, format)
  }
  return { contentType, text: await writePage(numbers, format, write) }
}

/** Of prom-client's own, only histograms know how to write less than `get`. */
async function numbersOf(metric: Pick<RegisteredMetric, 'get'>): Promise<MetricNumbers> {
  const { getForPromString } = metric as Partial<RegisteredMetric>
  return getForPromString === undefined ? metric.get() : getForPromString.call(metric)
}

/** In OpenMetrics a counter's family has no `_total`; the registry writes it behind each series. */
function writeMetric(
  numbers: MetricNumbers,
  registry: Registry<RegistryContentType>,
  format: PageFormat,
): Promise<string> {
  const isNamed = format === 'openmetrics' && numbers.type === 'counter'
  const family = isNamed ? { ...numbers, name: numbers.name.replace(/_total$/, '') } : numbers
  registry.registerMetric({ ...family, get: async () => family } as never)
  return registry.getSingleMetricAsString(family.name)
}
