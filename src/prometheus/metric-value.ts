/** Labels of a series by their names. */
export type Labels = Readonly<Record<string, string>>

/** One series and its number, as prom-client writes it. */
export interface MetricValue {
  readonly value: number
  readonly labels: Labels
  /** Written behind the labels. One object for as long as it is the same: its text is kept. */
  readonly sharedLabels?: Labels
  /** @default the metric's own name */
  readonly metricName?: string
}

export const noLabels: Labels = {}

/** What stands for all values of a label beyond those that have a series. */
export const otherLabel = 'other'
