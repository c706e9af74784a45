import { setImmediate as eventLoopTurn } from 'node:timers/promises'
import type { MetricNumbers } from './metric.ts'

/** The two formats of a page of metrics. */
export type PageFormat = 'text' | 'openmetrics'

/** Series that are written before other requests have their turn. */
const turnSeries = 500

/** Writes one metric in one of prom-client's formats. */
export type WriteMetric = (numbers: MetricNumbers, format: PageFormat) => Promise<string>

/** A page of all metrics. Others have their turn meanwhile. */
export async function writePage(
  metrics: readonly MetricNumbers[],
  format: PageFormat,
  write: WriteMetric,
): Promise<string> {
  const pieces: string[] = []
  let written = 0
  for (const numbers of metrics) {
    pieces.push(await write(numbers, format))
    written += numbers.values.length
    if (written >= turnSeries) {
      written = 0
      await eventLoopTurn()
    }
  }
  return format === 'openmetrics' ? `${pieces.join('\n')}\n# EOF\n` : `${pieces.join('\n\n')}\n`
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
