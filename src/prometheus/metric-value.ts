/** Labels of a series by their names. */
export type Labels = Readonly<Record<string, string>>

/** One of those that a bucket has counted, as prom-client writes it (OpenMetrics 1.0). */
export interface Exemplar {
  readonly labelSet: { readonly trace_id: string }
  /** In seconds. */
  readonly value: number
  /** In seconds since the epoch. */
  readonly timestamp: number
}

/** One series and its number, as prom-client writes it. */
export interface MetricValue {
  readonly value: number
  readonly labels: Labels
  /** Written behind the labels. One object for as long as it is the same: its text is kept. */
  readonly sharedLabels?: Labels
  /** A request that was counted here, for who looks for one such. Written in OpenMetrics alone. */
  readonly exemplar?: Exemplar | undefined
  /** @default the metric's own name */
  readonly metricName?: string
}

export const noLabels: Labels = {}

/** What stands for all values of a label beyond those that have a series. */
export { otherName as otherLabel } from '../core/closed-names.ts'
