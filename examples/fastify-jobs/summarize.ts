/**
 * The most typical sentence of a text: the one whose words are most frequent in the whole text.
 * Replace it with your own slow model.
 */
export function summarize(text: string): string {
  const sentences = text.match(/[^.!?]+[.!?]*/g) ?? [text]
  const counts = new Map<string, number>()
  for (const word of wordsOf(text)) counts.set(word, (counts.get(word) ?? 0) + 1)
  const weigh = (sentence: string): number => {
    const words = wordsOf(sentence)
    return words.reduce((sum, word) => sum + (counts.get(word) ?? 0), 0) / (words.length + 1)
  }
  const [heaviest = text] = sentences.toSorted((one, other) => weigh(other) - weigh(one))
  return heaviest.trim()
}

/** Short words, such as "the", say little. */
function wordsOf(text: string): readonly string[] {
  return text.toLowerCase().match(/\p{L}{4,}/gu) ?? []
}
