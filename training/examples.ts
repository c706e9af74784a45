import type { Corpus } from './corpora.ts'
import { createRandom } from './random.ts'
import { type LabelledText, readCorpus, textIdentity } from './read-corpus.ts'

/** A labelled text with its corpus. */
export interface Example extends LabelledText {
  readonly corpus: Corpus
  /** Left out of the fit that is calibrated: a model is overconfident on its training texts. */
  readonly isValidation: boolean
}

/** What there is to train on. */
export interface Examples {
  /** In the order of the corpora and their lines: a run is repeatable only with the same order. */
  readonly examples: readonly Example[]
  /** Texts left out because a test or choosing corpus has them too. */
  readonly leftOut: number
}

const validationShare = 0.03

/** Shorter texts, such as `great`, are in every corpus by chance and reveal nothing. */
const tellingLengthMin = 13

/** Reads the training corpora without held-out texts, and marks a share by seed for calibration. */
export function readExamples(
  folder: string,
  training: readonly Corpus[],
  heldOut: readonly Corpus[],
  seed: number,
): Examples {
  const heldOutTexts = new Set<string>()
  for (const corpus of heldOut) {
    for (const { text } of readCorpus(folder, corpus)) {
      const identity = textIdentity(text)
      if (identity.length >= tellingLengthMin) heldOutTexts.add(identity)
    }
  }
  const random = createRandom(seed)
  const examples: Example[] = []
  let leftOut = 0
  for (const corpus of training) {
    for (const { text, label } of readCorpus(folder, corpus)) {
      if (heldOutTexts.has(textIdentity(text))) leftOut++
      else examples.push({ text, label, corpus, isValidation: random() < validationShare })
    }
  }
  return { examples, leftOut }
}
