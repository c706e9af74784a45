/** The three answers, in the order in which scores are written. */
export type SentimentClass = 'positive' | 'negative' | 'neutral'

/** What the sentiment model says about one text. */
export interface Sentiment {
  /** The class with the highest score. */
  readonly sentiment: SentimentClass
  /** The score of that class, 0…1. */
  readonly confidence: number
  /** One probability per class, each 0…1; together 1. */
  readonly scores: Readonly<Record<SentimentClass, number>>
}
