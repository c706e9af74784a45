import type { Model } from '../../src/models/model.ts'
import type { Sentiment } from '../../src/models/sentiment/sentiment.ts'
import { loadSentimentModel } from '../../src/models/sentiment/sentiment-model.ts'
import type { ParityTarget } from './parity-target.ts'

/** The built-in model, remembering what it was asked, and made to fail at will. */
export function createSpyModel(): Pick<ParityTarget, 'predicted' | 'model'> & {
  readonly spy: Model<string, Sentiment>
} {
  const real = loadSentimentModel()
  const predicted: string[] = []
  const model: ParityTarget['model'] = { does: 'answer' }
  return {
    predicted,
    model,
    spy: {
      name: 'spy',
      version: real.version,
      runs: 'inline',
      predict(texts, call) {
        predicted.push(...texts)
        if (model.does === 'throw') throw new Error('out of memory at layer 3')
        if (model.does === 'hang') return new Promise(() => {})
        if (model.does === 'work until aborted')
          return new Promise((_resolve, reject) =>
            call.signal.addEventListener('abort', () => reject(new Error('aborted'))),
          )
        return real.predict(texts)
      },
    },
  }
}
