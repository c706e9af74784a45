import { loadSentimentModel } from '../src/models/sentiment/sentiment-model.ts'
import { WeightsError } from '../src/models/sentiment/weights.ts'
import { corpora } from './corpora.ts'
import { printMeasures } from './print-measures.ts'
import { CorpusError, checkDataFolder } from './read-corpus.ts'

const usage = 'usage: node training/evaluate.ts DATA_DIR [WEIGHTS_FILE]'

try {
  const [folder, file, ...others] = process.argv.slice(2)
  if (folder === undefined || others.length > 0) throw new CorpusError(`expected one data folder\n\n${usage}`)
  const heldOut = corpora.filter((corpus) => corpus.use !== 'train')
  checkDataFolder(folder, heldOut)
  printMeasures(loadSentimentModel(file), folder, heldOut)
} catch (error) {
  const isMistake = error instanceof CorpusError || error instanceof WeightsError
  console.error(isMistake ? `evaluate: ${error.message}` : error)
  process.exitCode = 1
}
