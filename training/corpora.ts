/** A corpus's purpose: `test` is never trained on, `choose` decides between settings. */
export type CorpusUse = 'train' | 'choose' | 'test'

/** One file of labelled texts. */
export interface Corpus {
  /** `<name>.jsonl.gz` in the data folder. */
  readonly name: string
  readonly use: CorpusUse
  /** The weight of its examples, before its classes are balanced. */
  readonly weight: number
  /** Whether its terms allow everything: MIT or Apache-2.0. */
  readonly isPermissive: boolean
}

const open = { isPermissive: true }
const unstated = { isPermissive: false }
const training = { use: 'train', weight: 1 } as const

/**
 * Half weight for whole film reviews: they are long, and would impose their tone on other texts.
 */
const longReviews = { use: 'train', weight: 0.5 } as const

/** Half weight for single words and phrases, which are many and say little about sentences. */
const fragments = { use: 'train', weight: 0.5 } as const

/** All corpora of the trainer, in reading order; a run is repeatable only with the same order. */
export const corpora: readonly Corpus[] = [
  { name: 'sst2_phrases', ...training, ...unstated },
  { name: 'sst2_train', ...training, ...unstated },
  { name: 'sst3_train', ...training, ...unstated },
  { name: 'mr', ...training, ...unstated },
  { name: 'cr', ...training, ...unstated },
  { name: 'mpqa', ...fragments, ...unstated },
  { name: 'imdb_train', ...longReviews, ...unstated },
  { name: 'bl_books', ...training, ...unstated },
  { name: 'bl_dvd', ...training, ...unstated },
  { name: 'bl_electronics', ...training, ...unstated },
  { name: 'v_movie', ...training, ...open },
  { name: 'v_amazon', ...training, ...open },
  { name: 'lex', ...fragments, ...open },
  { name: 'lexneg', ...training, ...open },
  { name: 'goemo_train', ...training, ...open },
  ...['sst2_dev', 'sst3_dev'].map((name) => ({ name, use: 'choose', weight: 0, ...unstated }) as const),
  ...[
    'sst2_test',
    'sst3_test',
    'uci_amazon',
    'uci_imdb',
    'uci_yelp',
    'bl_kitchen',
    'imdb_test_sample',
    'goemo_test',
    's140_test',
    'semeval17_test',
    'v_tweets',
    'v_nyt',
  ].map((name) => ({ name, use: 'test', weight: 0, ...unstated }) as const),
]
