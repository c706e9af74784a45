import type { SentimentModel } from '../src/models/sentiment/sentiment-model.ts'
import type { Corpus } from './corpora.ts'
import { measure } from './measures.ts'
import { readCorpus } from './read-corpus.ts'

const percent = (share: number): string => (share * 100).toFixed(1)

/** Prints one line of Markdown table per held-out corpus. */
export function printMeasures(model: SentimentModel, folder: string, heldOut: readonly Corpus[]): void {
  console.log(
    '| corpus | opinionated texts | accuracy | ECE | called neutral | three-class macro-F1 / accuracy / ECE |',
  )
  console.log('|---|---|---|---|---|---|')
  for (const corpus of heldOut) {
    const texts = readCorpus(folder, corpus)
    const answers = model.predict(texts.map(({ text }) => text))
    const measures = measure(
      answers,
      texts.map(({ label }) => label),
    )
    const three = measures.threeClass
    const cells = [
      corpus.name,
      measures.polarCount,
      percent(measures.accuracy),
      percent(measures.calibrationError),
      percent(measures.neutralShare),
      three === undefined
        ? ''
        : `${percent(three.macroF1)} / ${percent(three.accuracy)} / ${percent(three.calibrationError)}`,
    ]
    console.log(`| ${cells.join(' | ')} |`)
  }
}
