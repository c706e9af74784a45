import { type Exemplar, type Labels, type MetricValue, noLabels, otherLabel } from './metric-value.ts'
import { createNumbers } from './numbers.ts'
import type { SeriesBudget } from './series-budget.ts'

/** The histograms of one metric, one for each value of its label. */
export interface Histograms {
  readonly observe: (value: string, ms: number, traced?: Traced) => void
  readonly values: () => readonly MetricValue[]
}

export interface HistogramsOptions {
  /** The metric's. */
  readonly name: string
  /** Upper bounds, in seconds, the lowest first. */
  readonly buckets: readonly number[]
  /** Undefined: one histogram without a label. */
  readonly label: string | undefined
  /** Most values; more are `other`. */
  readonly valuesMax: number
  readonly budget: SeriesBudget
}

/** The trace that tells of what is observed. */
export interface Traced {
  readonly traceId: string
  /** When it was, milliseconds since the epoch. */
  readonly at: number
}

/** What stands behind the buckets: how many were above all of them, and the sum of all. */
const tailLength = 2

export function createHistograms(options: HistogramsOptions): Histograms {
  const { name, buckets, label, valuesMax, budget } = options
  const numbers = createNumbers()
  const rows = new Map<string, number>()
  /** The newest of each bucket that has one. */
  const exemplars = new Map<number, Exemplar>()
  const shared: Labels[] = []
  const length = buckets.length + tailLength
  const bounds = [...buckets.map((bound) => ({ le: String(bound) })), { le: '+Inf' }]
  const msBounds = buckets.map((bound) => bound * 1_000)
  const names = { bucket: `${name}_bucket`, sum: `${name}_sum`, count: `${name}_count` }
  if (label === undefined) addRow('')
  else addRow(otherLabel)

  function addRow(value: string): number {
    const at = numbers.grow(length)
    rows.set(value, at)
    shared.push(label === undefined ? noLabels : { [label]: value })
    return at
  }

  function rowOf(value: string): number {
    const known = rows.get(value)
    if (known !== undefined) return known
    const mayBeNew = rows.size <= valuesMax && budget.take(length + 1)
    return mayBeNew ? addRow(value) : (rows.get(otherLabel) ?? 0)
  }

  return {
    observe(value, ms, traced) {
      const at = rowOf(value)
      let bucket = 0
      while (bucket < msBounds.length && ms > (msBounds[bucket] as number)) bucket += 1
      numbers.add(at + bucket, 1)
      numbers.add(at + length - 1, ms)
      if (traced !== undefined) exemplars.set(at + bucket, exemplarOf(ms, traced))
    },
    values() {
      const values: MetricValue[] = []
      for (const [row, sharedLabels] of shared.entries()) {
        const at = row * length
        let count = 0
        for (const [bucket, labels] of bounds.entries()) {
          count += numbers.get(at + bucket)
          const exemplar = exemplars.get(at + bucket)
          values.push({ value: count, labels, sharedLabels, metricName: names.bucket, exemplar })
        }
        const sum = numbers.get(at + length - 1) / 1_000
        // An `other` that stands for nothing yet says nothing.
        if (count === 0 && label !== undefined && row === 0) values.length = 0
        else {
          values.push({ value: sum, labels: noLabels, sharedLabels, metricName: names.sum })
          values.push({ value: count, labels: noLabels, sharedLabels, metricName: names.count })
        }
      }
      return values
    },
  }
}

function exemplarOf(ms: number, { traceId, at }: Traced): Exemplar {
  return { labelSet: { trace_id: traceId }, value: ms / 1_000, timestamp: at / 1_000 }
}
