import { createClosedNames } from '../core/closed-names.ts'
import { type MetricValue, otherLabel } from './metric-value.ts'
import { createNumbers } from './numbers.ts'
import type { SeriesBudget } from './series-budget.ts'

/** Most measures: our own, and what an app counts. */
const measuresMax = 20
const ownMeasures = ['requests', 'characters', 'tokens'] as const

/** What was used of each measure, by model. */
export interface UsedMeasures {
  readonly add: (measure: string, model: string | undefined, amount: number) => void
  readonly values: () => readonly MetricValue[]
}

export function createUsedMeasures(modelsMax: number, budget: SeriesBudget): UsedMeasures {
  const measureOf = createClosedNames(measuresMax)
  // Named before a program that asks for verdicts can use the names up with costs of its own.
  for (const measure of ownMeasures) measureOf(measure)
  const modelOf = createClosedNames(modelsMax)
  const numbers = createNumbers()
  const cells = new Map<string, Map<string, number>>()
  const labels: { readonly measure: string; readonly model: string }[] = []

  function cellOf(measure: string, model: string): number {
    const models = cells.get(measure) ?? new Map<string, number>()
    const known = models.get(model)
    if (known !== undefined) return known
    // The measures of `other` are as many as there are measures.
    if (model !== otherLabel && !budget.take(1)) return cellOf(measure, otherLabel)
    const at = numbers.grow(1)
    cells.set(measure, models.set(model, at))
    labels.push({ measure, model })
    return at
  }

  return {
    add(measure, model, amount) {
      if (amount !== 0) numbers.add(cellOf(measureOf(measure), modelOf(model ?? '')), amount)
    },
    values: () => labels.map((own, at) => ({ value: numbers.get(at), labels: own })),
  }
}
