// The built-in model, as a module that stands beside others.
import type { Model } from '../../src/models/model.ts'
import { loadSentimentModel } from '../../src/models/sentiment/sentiment-model.ts'

export const model: Model = loadSentimentModel()
