import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { createSentimentModel } from '../src/models/sentiment/sentiment-model.ts'
import { formatWeights, parseWeights } from '../src/models/sentiment/weights.ts'
import { corpora } from './corpora.ts'
import { readExamples } from './examples.ts'
import { fitWeights } from './fit-weights.ts'
import { printMeasures } from './print-measures.ts'
import { CorpusError, checkDataFolder } from './read-corpus.ts'

const usage = `usage: npm run train -- DATA_DIR [--out FILE] [--seed N] [--permissive]

  DATA_DIR      folder of <corpus>.jsonl.gz files; docs/model-card.md names the corpora
  --out FILE    where to write the weights (default: src/models/sentiment/weights.bin)
  --seed N      whole number, order of the examples and choice of the validation set (default: 6)
  --permissive  train on the corpora under MIT and Apache-2.0 alone`

const shippedWeights = fileURLToPath(new URL('../src/models/sentiment/weights.bin', import.meta.url))

/** The options of the command line, or a sentence that says what is wrong with them. */
function parseCommandLine(args: string[]): {
  folder: string
  out: string
  seed: number
  isPermissive: boolean
} {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      out: { type: 'string', default: shippedWeights },
      seed: { type: 'string', default: '6' },
      permissive: { type: 'boolean', default: false },
    },
  })
  const [folder] = positionals
  if (folder === undefined || positionals.length > 1) {
    throw new CorpusError(`expected one data folder, got ${positionals.length}\n\n${usage}`)
  }
  const seed = Number(values.seed)
  if (!Number.isInteger(seed)) throw new CorpusError(`--seed: expected a whole number, got ${values.seed}`)
  return { folder, out: values.out, seed, isPermissive: values.permissive }
}

function train(args: string[]): void {
  const { folder, out, seed, isPermissive } = parseCommandLine(args)
  const startMs = performance.now()
  const training = corpora.filter(
    (corpus) => corpus.use === 'train' && (corpus.isPermissive || !isPermissive),
  )
  const heldOut = corpora.filter((corpus) => corpus.use !== 'train')
  checkDataFolder(folder, [...training, ...heldOut])
  const { examples, leftOut } = readExamples(folder, training, heldOut, seed)
  const validationCount = examples.filter(({ isValidation }) => isValidation).length
  console.log(
    `${examples.length} texts, ${validationCount} of them to calibrate, ` +
      `${leftOut} left out because a held-out corpus has them; seed ${seed}`,
  )
  const file = formatWeights(fitWeights(examples, { seed }))
  writeFileSync(out, file)
  const seconds = ((performance.now() - startMs) / 1000).toFixed(1)
  console.log(`${out}: ${file.length} bytes, sha256 ${createHash('sha256').update(file).digest('hex')}`)
  console.log(`trained in ${seconds} s\n`)
  printMeasures(createSentimentModel(parseWeights(file)), folder, heldOut)
}

try {
  train(process.argv.slice(2))
} catch (error) {
  const isMistake = error instanceof CorpusError || (error instanceof TypeError && 'code' in error)
  console.error(isMistake ? `train: ${error.message}` : error)
  process.exitCode = 1
}
