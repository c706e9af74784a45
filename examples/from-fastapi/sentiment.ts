/** The opinion that a text expresses. */
export type Sentiment = 'positive' | 'negative' | 'neutral'

const positive = new Set(['love', 'great', 'good', 'excellent', 'happy', 'wonderful', 'best'])
const negative = new Set(['hate', 'bad', 'awful', 'terrible', 'sad', 'broken', 'worst'])

/** The sentiment of a text, by counting words: a stand-in for your model. */
export function sentimentOf(text: string): Sentiment {
  let balance = 0
  for (const word of text.toLowerCase().match(/\p{L}+/gu) ?? []) {
    if (positive.has(word)) balance += 1
    if (negative.has(word)) balance -= 1
  }
  return balance > 0 ? 'positive' : balance < 0 ? 'negative' : 'neutral'
}
