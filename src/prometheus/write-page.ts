import { setImmediate as eventLoopTurn } from 'node:timers/promises'
import type { MetricNumbers } from './metric.ts'

/** The two formats of a page of metrics. */
export type PageFormat = 'text' | 'openmetrics'

/**
 * Most series that are written before other requests have their turn: about a millisecond. One
 * histogram may have most of a page's.
 */
const turnSeries = 250

/** Writes a metric, or a part of its series, in one of prom-client's formats. */
export type WriteMetric = (numbers: MetricNumbers, format: PageFormat) => Promise<string>

/** A page of all metrics. Others have their turn meanwhile. */
export async function writePage(
  metrics: readonly MetricNumbers[],
  format: PageFormat,
  write: WriteMetric,
): Promise<string> {
  const pieces: string[] = []
  let left = turnSeries
  for (const numbers of metrics) {
    const parts: string[] = []
    for (let from = 0; from === 0 || from < numbers.values.length; ) {
      const values = numbers.values.slice(from, from + left)
      const text = await write({ ...numbers, values }, format)
      parts.push(from === 0 ? text : withoutHead(text))
      from += Math.max(1, values.length)
      left -= values.length
      if (left > 0) continue
      left = turnSeries
      await eventLoopTurn()
    }
    pieces.push(parts.join('\n'))
  }
  return format === 'openmetrics' ? `${pieces.join('\n')}\n# EOF\n` : `${pieces.join('\n\n')}\n`
}

/** Without the lines `# HELP` and `# TYPE`, which a metric has once. */
function withoutHead(text: string): string {
  return text.slice(text.indexOf('\n', text.indexOf('\n') + 1) + 1)
}

/**
 * The format that a client wants: OpenMetrics where `Accept` names it and does not prefer another,
 * as Prometheus does, and text otherwise.
 */
export function formatFor(accept: string | undefined): PageFormat {
  let best: { readonly format: PageFormat; readonly quality: number } = { format: 'text', quality: 0 }
  for (const item of (accept ?? '').split(',')) {
    const [type = '', ...parameters] = item.split(';').map((part) => part.trim().toLowerCase())
    const format = formats[type]
    const quality = Number(parameters.find((one) => one.startsWith('q='))?.slice(2) ?? 1)
    if (format !== undefined && quality > best.quality) best = { format, quality }
  }
  return best.format
}

const formats: Readonly<Record<string, PageFormat>> = {
  'application/openmetrics-text': 'openmetrics',
  'text/plain': 'text',
  'text/*': 'text',
  '*/*': 'text',
}
