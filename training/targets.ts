import type { Example } from './examples.ts'

/** A question about each example, as numbers that `fitLogisticRegression` takes. */
export interface Targets {
  /** 1 for yes, 0 for no or not applicable. */
  readonly answers: Uint8Array
  /** Weight of the example; 0 if the question does not apply to it. */
  readonly importance: Float32Array
}

/** Limits the influence of the few examples of a class that is rare in a corpus. */
const balanceMax = 3

/** Whether an example is positive; applies to positive and negative examples. */
export function polarTargets(examples: readonly Example[]): Targets {
  return createTargets(examples, (example) => (example.label === 1 ? undefined : example.label === 2))
}

/** Whether an example is neutral; only for corpora that have neutral texts. */
export function neutralTargets(examples: readonly Example[]): Targets {
  const corporaWithNeutral = new Set(examples.filter(({ label }) => label === 1).map(({ corpus }) => corpus))
  return createTargets(examples, ({ corpus, label }) =>
    corporaWithNeutral.has(corpus) ? label === 1 : undefined,
  )
}

/** Weighs each example by its corpus, and within the corpus so that yes and no count equally. */
function createTargets(
  examples: readonly Example[],
  ask: (example: Example) => boolean | undefined,
): Targets {
  const answers = new Uint8Array(examples.length)
  const importance = new Float32Array(examples.length)
  const counts = new Map<string, { yes: number; no: number }>()
  examples.forEach((example) => {
    const answer = ask(example)
    if (answer === undefined) return
    const count = counts.get(example.corpus.name) ?? { yes: 0, no: 0 }
    counts.set(example.corpus.name, count)
    count[answer ? 'yes' : 'no']++
  })
  examples.forEach((example, index) => {
    const answer = ask(example)
    const count = counts.get(example.corpus.name)
    if (answer === undefined || count === undefined) return
    const balance = (count.yes + count.no) / (2 * (answer ? count.yes : count.no))
    answers[index] = answer ? 1 : 0
    importance[index] = example.corpus.weight * Math.min(balanceMax, balance)
  })
  return { answers, importance }
}
