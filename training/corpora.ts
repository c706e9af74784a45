/** What a corpus is for: a `test` corpus is never trained on, a `choose` corpus decides between settings. */
export type CorpusUse = 'train' | 'choose' | 'test'

/** One file of labelled texts. */
export interface Corpus {
  /** `<name>.jsonl.gz` in the data folder. */
  readonly name: string
  readonly use: CorpusUse
  /** How much one of its examples counts, before the balance between its classes. */
  readonly weight: number
  /** Whether its terms allow everything: MIT or Apache-2.0. */
  readonly isPermissive: boolean
}

const open = { isPermissive: true }
const unstated = { isPermissive: false }
const training = { use: 'train', weight: 1 } as const

/** Half weight for whole film reviews, which are long: at full weight they pull every other kind of text towards their tone. */
const longReviews = { use: 'train', weight: 0.5 } as const

/** Half weight for single words and phrases, which are many and say little about sentences. */
const fragments = { use: 'train', weight: 0.5 } as const

/** Every corpus the trainer knows, in the order in which it is read; the order is part of what makes a run repeatable. */
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
