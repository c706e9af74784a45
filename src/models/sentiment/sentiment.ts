/** The three answers, in the order in which scores are written. */
export type SentimentClass = 'positive' | 'negative' | 'neutral'

/** What the sentiment model says about one text. */
export interface Sentiment {
  /** The class with the highest score. */
  readonly sentiment: SentimentClass
  /** The score of that class, 0…1, with four digits. */
  readonly confidence: number
  /** One probability per class, each 0…1 with four digits; together 1, to within 0.0001. */
  readonly scores: Readonly<Record<SentimentClass, number>>
}

const classes: ReadonlySet<unknown> = new Set<SentimentClass>(['positive', 'negative', 'neutral'])

/** Whether an output may be written as it is: a class that exists, and numbers that JSON has. */
export function isSentiment(output: unknown): output is Sentiment {
  if (typeof output !== 'object' || output === null) return false
  const { sentiment, confidence, scores } = output as Partial<Sentiment>
  if (typeof scores !== 'object' || scores === null || !isShare(confidence)) return false
  const { positive, negative, neutral } = scores
  return isShare(positive) && isShare(negative) && isShare(neutral) && classes.has(sentiment)
}

function isShare(value: unknown): boolean {
  return typeof value === 'number' && value >= 0 && value <= 1
}
