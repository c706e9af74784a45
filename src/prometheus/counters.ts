import { type Labels, type MetricValue, otherLabel } from './metric-value.ts'
import { createNumbers } from './numbers.ts'
import type { SeriesBudget } from './series-budget.ts'

/** The counters of one metric, one for each value of its label. */
export interface Counters {
  readonly add: (value: string, amount: number) => void
  readonly values: () => readonly MetricValue[]
}

export interface CountersOptions {
  readonly label: string
  /** Most values; more are `other`. */
  readonly valuesMax: number
  readonly budget: SeriesBudget
}

export function createCounters({ label, valuesMax, budget }: CountersOptions): Counters {
  const numbers = createNumbers()
  const places = new Map<string, number>()
  const labels: Labels[] = []

  function addPlace(value: string): number {
    const at = numbers.grow(1)
    places.set(value, at)
    labels.push({ [label]: value })
    return at
  }

  function placeOf(value: string): number {
    const known = places.get(value)
    if (known !== undefined) return known
    if (places.size < valuesMax && budget.take(1)) return addPlace(value)
    return places.get(otherLabel) ?? addPlace(otherLabel)
  }

  return {
    add(value, amount) {
      numbers.add(placeOf(value), amount)
    },
    values: () => labels.map((own, at) => ({ value: numbers.get(at), labels: own })),
  }
}
