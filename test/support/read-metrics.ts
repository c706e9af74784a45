/** One line of a page of metrics. */
export interface Series {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
  /** What stands behind it in OpenMetrics. */
  readonly exemplar?: { readonly traceId: string; readonly value: number; readonly timestamp: number }
}

/** The series of a page in Prometheus' text format, or in OpenMetrics. */
export function readMetrics(page: string): readonly Series[] {
  return page
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map(readLine)
}

function readLine(line: string): Series {
  const [, name, labels = '', value, ofExemplar] =
    /^([a-z_:][a-z0-9_:]*)(?:\{(.*?)\})? (\S+)(?: # (.*))?$/i.exec(line) ?? []
  if (name === undefined) throw new Error(`no series: ${line}`)
  const pairs = [...labels.matchAll(/([a-z_]+)="((?:[^"\\]|\\.)*)"(?:,|$)/g)]
  return {
    name,
    labels: Object.fromEntries(pairs.map(([, label = '', text = '']) => [label, text])),
    value: Number(value?.replace('+Inf', 'Infinity')),
    ...(ofExemplar !== undefined && { exemplar: readExemplar(ofExemplar) }),
  }
}

function readExemplar(text: string): NonNullable<Series['exemplar']> {
  const [, traceId, value, timestamp] = /^\{trace_id="([0-9a-f]{32})"\} (\S+) (\S+)$/.exec(text) ?? []
  if (traceId === undefined) throw new Error(`no exemplar: ${text}`)
  return { traceId, value: Number(value), timestamp: Number(timestamp) }
}
