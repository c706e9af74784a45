import { FeatureSet, hashFeatures } from '../src/models/sentiment/features.ts'
import { tokenize } from '../src/models/sentiment/tokenize.ts'

/** The features of many texts, by row: row i is `features` from `starts[i]` to `starts[i + 1]`. */
export interface FeatureMatrix {
  readonly rowCount: number
  readonly starts: Uint32Array
  /** Bucket numbers, with `negativeBit` where the value is −1. */
  readonly features: Uint32Array
}

/** Runs texts through the same tokeniser and hashing that answer requests. */
export function createFeatureMatrix(texts: readonly string[]): FeatureMatrix {
  const starts = new Uint32Array(texts.length + 1)
  const row = new FeatureSet()
  let features = new Uint32Array(1 << 20)
  let end = 0
  texts.forEach((text, index) => {
    hashFeatures(tokenize(text), row)
    if (end + row.count > features.length) {
      const larger = new Uint32Array(Math.max(features.length * 2, end + row.count))
      larger.set(features)
      features = larger
    }
    features.set(row.items.subarray(0, row.count), end)
    end += row.count
    starts[index + 1] = end
  })
  return { rowCount: texts.length, starts, features: features.subarray(0, end) }
}
