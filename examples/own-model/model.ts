import { readFileSync } from 'node:fs'
import type { Model } from 'modelward/models'

interface Guess {
  readonly language: string
  readonly confidence: number
}

let words: ReadonlyMap<string, ReadonlySet<string>> = new Map()

/** Guesses the language of a text from its most common words. */
export const model: Model<string, Guess> = {
  name: 'language',
  // Shown in each answer: change it whenever answers may change.
  version: 'language-1',
  // Takes microseconds. A model that takes milliseconds should be `threaded`: each thread loads
  // its own copy.
  runs: 'inline',
  batchMax: 64,
  // Before the first request; a server whose model cannot be loaded does not start.
  warmUp() {
    const file = new URL('words.json', import.meta.url)
    const lists = JSON.parse(readFileSync(file, 'utf8')) as Readonly<Record<string, readonly string[]>>
    words = new Map(Object.entries(lists).map(([language, list]) => [language, new Set(list)]))
  },
  predict: (texts) => texts.map(guess),
}

function guess(text: string): Guess {
  const found = text.toLowerCase().match(/\p{L}+/gu) ?? []
  const counts = [...words].map(([language, list]) => ({
    language,
    count: found.filter((word) => list.has(word)).length,
  }))
  const [best] = counts.toSorted((one, other) => other.count - one.count)
  const all = counts.reduce((sum, { count }) => sum + count, 0)
  if (best === undefined || all === 0) return { language: 'unknown', confidence: 0 }
  return { language: best.language, confidence: Math.round((best.count / all) * 100) / 100 }
}
