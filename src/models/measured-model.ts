import { Fault } from '../core/fault.ts'
import type { Telemetry } from '../telemetry/telemetry.ts'
import type { PredictOptions, ServedModel } from './model.ts'

/** A model whose calls are measured, its failures told, and what ends that its queue is read. */
export interface MeasuredModel {
  readonly served: ServedModel
  readonly end: () => void
}

/**
 * Measures the calls of a model, its queue and whether it can answer, and tells of calls that
 * failed or were late, once a minute. An input that it refuses, a call that was cancelled and one
 * that found no room are no failure of its own.
 */
export function measureModel(model: ServedModel, { measures, event }: Telemetry): MeasuredModel {
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
      const tell = (thrown?: unknown): void => {
        const fault = thrown instanceof Fault ? thrown : undefined
        measures.modelCall(name, performance.now() - begunAt, fault !== undefined)
        if (fault?.code === 'model_failed') event('model.failed', { model: name }, fault)
        if (fault?.code === 'model_timeout') event('model.timed_out', { model: name }, fault)
      }
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
