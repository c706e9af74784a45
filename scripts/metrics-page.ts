import { type HistogramRow, type MetricRow, metricsTable } from '../src/prometheus/metrics-table.ts'

/** `docs/reference/metrics.md`, from the closed table of metrics. */
export function formatMetricsPage(): string {
  return `${intro}\n${Object.entries(metricsTable).map(formatMetric).join('\n')}\n${outro}`
}

function formatMetric([name, row]: [string, MetricRow]): string {
  const labels = row.labels.map((label) => `\`${label}\``).join(' ')
  const { buckets } = row as Partial<HistogramRow>
  const bounds = buckets === undefined ? '' : ` Buckets: ${buckets.map(String).join(', ')} s.`
  return `| \`${name}\` | ${row.type} | ${labels || '–'} | ${row.help}${bounds} |`
}

const intro = `# Metrics

<!-- Generated from \`src/prometheus/metrics-table.ts\`; \`npm run docs\` writes it again. -->

What \`GET /metrics\` of the server answers, and \`prometheus()\` of the library: a closed table. Text, or OpenMetrics where \`Accept\` names it.
\`--metrics guarded\` (the default) asks for a key of scope \`metrics:read\` or \`admin\`, by \`Authorization: Bearer\` whatever \`--scheme\` says; \`open\` for none; \`off\`: nothing is measured.
A histogram has \`_bucket\`, \`_sum\` and \`_count\`. Times are seconds.

| metric | type | labels | what it says |
|---|---|---|---|`

const outro = `
Beside them \`process_…\` and \`nodejs_…\`, the figures that prom-client takes of the process and of Node, the lag of the event loop among them.

**Labels are closed.** No key, owner, path, address or id is one. Up to 200 routes are named by their patterns, 100 models, and 20 measures; what comes later is \`other\`, and so is a method or a code that is not known. There are
at most 5,000 series in all: where routes with many statuses have used them up, the next are counted under \`route="other"\`.

**Requests** are counted when their answer may leave, which is once their record is durable: \`modelward_requests_total\` has what the ledger has, and beside it what has no record of its own: refusals that the ledger
counts in summaries, public routes, and what the HTTP parser refused (\`route=""\`, \`method=""\`). A request that is about another one, as forward-auth's, has the route and method of that one; a verdict of \`/v1/keys/verify\` is counted once, as the
request that asked. In the library, Fastify's public routes are counted; those of the other adapters are not seen by the guard.

**Scraping.** All who ask within a second get the same page, so that no key keeps the server busy with it. A figure that a store does not tell within a second is left out of the page; \`modelward_up\` says which it is.

**Several processes.** Each node of a fleet has its own page: scrape each, and sum over \`instance\`. \`modelward_jobs\` and \`modelward_ledger_bytes\` are of the database that they share: take the maximum of these.
With \`--workers N\` the worker that answers asks all others, and its page is what they make together; one that says nothing within two seconds is left out.
`
