import { type FeatureSet, negativeBit } from './feature-set.ts'
import { NegationScope } from './negation.ts'
import { isWord } from './tokenize.ts'

/** Features are spread over 2^20 buckets. */
export const bucketBits = 20
const bucketMask = (1 << bucketBits) - 1

/** FNV-1a, 32 bits. */
const fnvOffset = 0x811c9dc5
const fnvPrime = 0x01000193

/**
 * One salt per kind of feature, so that the word `bad` and the pair `bad`,`bad` fall into unrelated
 * buckets.
 */
const wordSalt = 0x9747b28c
const negatedWordSalt = 0x1b873593
const pairSalt = 0x2545f491
const tripleSalt = 0x68e31da4
const skipSalt = 0x51ed270b
const piecesSalt = 0x7f4a7c15

const pieceLengthMin = 3
const pieceLengthMax = 5
/** Shorter words are features as a whole already. */
const piecedWordLengthMin = 4

const textStart = hashOf('<s>')
const textEnd = hashOf('</s>')

const scope = new NegationScope()

/**
 * How many features a text of so many tokens and characters can have at most: the bound that makes
 * the work linear.
 */
export function featureCountMax(tokenCount: number, characterCount: number): number {
  return 5 * (tokenCount + 1) + 3 * characterCount
}

/**
 * Fills `into` with the features of one text: each word, pair, triple, pair with a gap, and the 3
 * to 5 character pieces of `^word$`. In the scope of a negator a word and its pieces count −1, and
 * the word as negated counts +1. Feature hashing: Weinberger et al., "Feature Hashing for Large
 * Scale Multitask Learning", ICML 2009.
 *
 * @param tokens as `tokenize` gives them; an empty list has no features
 */
export function hashFeatures(tokens: readonly string[], into: FeatureSet): void {
  into.restart(featureCountMax(tokens.length, lengthOf(tokens)))
  if (tokens.length === 0) return
  scope.restart()
  let before = textStart
  let beforeThat = textStart
  for (let index = 0; index < tokens.length; index++) {
    const token = tokens[index] as string
    const hash = hashOf(token)
    const word = isWord(token)
    const isNegated = scope.pass(token, word)
    addWord(hash, isNegated, into)
    addNeighbours(beforeThat, before, hash, index, into)
    if (word && token.length >= piecedWordLengthMin) addPieces(token, isNegated, into)
    beforeThat = before
    before = hash
  }
  addNeighbours(beforeThat, before, textEnd, tokens.length, into)
}

function addWord(hash: number, isNegated: boolean, into: FeatureSet): void {
  const mixed = Math.imul(hash, 31)
  const bucket = bucketOf(mixed ^ wordSalt)
  if (isNegated) {
    into.add((bucket | negativeBit) >>> 0)
    into.add(bucketOf(mixed ^ negatedWordSalt))
  } else {
    into.add(bucket)
  }
}

function addNeighbours(
  beforeThat: number,
  before: number,
  hash: number,
  index: number,
  into: FeatureSet,
): void {
  const last = Math.imul(hash, 0x5bd1e995)
  into.add(bucketOf(Math.imul(before, fnvPrime) ^ last ^ pairSalt))
  if (index >= 1) {
    const first = Math.imul(Math.imul(beforeThat, fnvPrime) ^ before, fnvPrime)
    into.add(bucketOf(first ^ last ^ tripleSalt))
  }
  if (index >= 2) into.add(bucketOf(Math.imul(beforeThat, fnvPrime) ^ Math.imul(hash, 0x27d4eb2d) ^ skipSalt))
}

/**
 * Adds the pieces of `^word$`, shorter and longer ones from each start in one pass: FNV extends a
 * hash character by character.
 */
function addPieces(word: string, isNegated: boolean, into: FeatureSet): void {
  const sign = isNegated ? negativeBit : 0
  const last = word.length + 1
  for (let start = 0; start + pieceLengthMin <= last + 1; start++) {
    let hash = fnvOffset
    const end = Math.min(start + pieceLengthMax, last + 1)
    for (let at = start; at < end; at++) {
      const code = at === 0 ? 94 : at === last ? 36 : word.charCodeAt(at - 1)
      hash = Math.imul(hash ^ code, fnvPrime)
      if (at - start >= pieceLengthMin - 1) into.add((bucketOf(hash ^ piecesSalt) | sign) >>> 0)
    }
  }
}

function hashOf(text: string): number {
  let hash = fnvOffset
  for (let index = 0; index < text.length; index++) hash = Math.imul(hash ^ text.charCodeAt(index), fnvPrime)
  return hash
}

/** The finaliser of MurmurHash3: FNV alone leaves the low bits of short texts uneven. */
function bucketOf(hash: number): number {
  let mixed = hash ^ (hash >>> 16)
  mixed = Math.imul(mixed, 0x85ebca6b)
  mixed ^= mixed >>> 13
  mixed = Math.imul(mixed, 0xc2b2ae35)
  return (mixed ^ (mixed >>> 16)) & bucketMask
}

function lengthOf(tokens: readonly string[]): number {
  let length = 0
  for (const token of tokens) length += token.length
  return length
}
