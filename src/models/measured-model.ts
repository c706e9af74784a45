import { Fault } from '../core/fault.ts'
import type { Measures } from '../telemetry/measures.ts'
import type { PredictOptions, ServedModel } from './model.ts'

/** A model whose calls are measured, and what ends that its queue is read. */
export interface MeasuredModel {
  readonly served: ServedModel
  readonly end: () => void
}

/**
 * Measures the calls of a model, its queue and whether it can answer. An input that it refuses and
 * a call that was cancelled are no failure of its own.
 */
export function measureModel(model: ServedModel, measures: Measures): MeasuredModel {
  if (!measures.isOn) return { served: model, end: () => {} }
  const { name } = model
  const ends = [
    measures.figure('model_queue', () => ({ [name]: model.load().waiting })),
    measures.figure('up', () => ({ [`model:${name}`]: model.isOut?.() === true ? 0 : 1 })),
  ]

  function measured<Answer>(
    ask: (inputs: readonly unknown[], options?: PredictOptions) => Answer | Promise<Answer>,
  ): typeof ask {
    return function askMeasured(inputs, options) {
      const begunAt = performance.now()
      const tell = (thrown?: unknown): void =>
        measures.modelCall(name, performance.now() - begunAt, thrown instanceof Fault)
      try {
        const answer = ask(inputs, options)
        if (answer instanceof Promise) answer.then(() => tell(), tell)
        else tell()
        return answer
      } catch (thrown) {
        tell(thrown)
        throw thrown
      }
    }
  }

  return {
    served: { ...model, predict: measured(model.predict), predictJson: measured(model.predictJson) },
    end() {
      for (const end of ends) end()
    },
  }
}
