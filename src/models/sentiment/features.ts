import { isWordCode } from './tokenize.ts'

/** Features are spread over 2^20 buckets. */
export const bucketBits = 20
const bucketMask = (1 << bucketBits) - 1

/** Set in a feature whose value is −1 rather than +1. Above every bucket number. */
export const negativeBit = 0x80000000

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

/**
 * Words a negator reaches: far enough for "not one of the best", and a longer scope would turn the
 * next clause as well.
 */
const negatorReach = 4

const negators: ReadonlySet<string> = new Set(
  (
    'not no never without nor neither hardly barely scarcely nothing none nobody nowhere ' +
    'lacks lack lacking isnt aint'
  ).split(' '),
)

/** Words that begin a clause of their own, which the negator before them does not reach. */
const turns: ReadonlySet<string> = new Set(['but', 'however', 'although', 'though', 'yet', 'except'])

/**
 * The distinct features of one text: bucket numbers, `negativeBit` set where the value is −1, in
 * the order of first appearance. One set is reused from text to text, so that answering allocates
 * nothing here.
 */
export class FeatureSet {
  /** Valid up to `count`; overwritten by the next text. */
  items: Uint32Array = new Uint32Array(1024)
  count = 0
  /** Open addressing; a feature is stored plus one so that zero means empty. */
  #slots = new Uint32Array(4096)
  #mask = 0

  /**
   * Empties the set for a text that adds at most `additionsMax` features. Work and memory touched
   * grow with that bound alone.
   */
  restart(additionsMax: number): void {
    const slotCount = 2 ** Math.ceil(Math.log2(additionsMax * 2 + 2))
    if (slotCount > this.#slots.length) this.#slots = new Uint32Array(slotCount)
    else this.#slots.fill(0, 0, slotCount)
    if (additionsMax > this.items.length) this.items = new Uint32Array(additionsMax)
    this.#mask = slotCount - 1
    this.count = 0
  }

  /** Adds a feature unless it is there. */
  add(feature: number): void {
    const slots = this.#slots
    const stored = (feature + 1) >>> 0
    // Buckets are already well mixed; the sign is folded in so that both values of one bucket part
    // ways.
    let slot = (feature ^ (feature >>> 20)) & this.#mask
    for (;;) {
      const there = slots[slot]
      if (there === stored) return
      if (there === 0) break
      slot = (slot + 1) & this.#mask
    }
    slots[slot] = stored
    this.items[this.count++] = feature >>> 0
  }
}

/**
 * How many features a text of these tokens can have at most, in proportion to its length: the bound
 * that makes the work linear.
 */
export function featureCountMax(tokens: readonly string[]): number {
  let characterCount = 0
  for (const token of tokens) characterCount += token.length
  return 5 * (tokens.length + 1) + 3 * characterCount
}

/**
 * Fills `into` with the features of one text: each word, pair, triple, pair with a gap, and the 3
 * to 5 character pieces of `^word$`. In the scope of a negator a word and its pieces count −1, and
 * the word as negated counts +1. Punctuation and `but` close the scope; a second negator opens it
 * anew. Feature hashing: Weinberger et al., "Feature Hashing for Large Scale Multitask Learning",
 * ICML 2009.
 *
 * @param tokens as `tokenize` gives them; an empty list has no features
 */
export function hashFeatures(tokens: readonly string[], into: FeatureSet): void {
  into.restart(featureCountMax(tokens))
  if (tokens.length === 0) return
  let before = textStart
  let beforeThat = textStart
  let negatedWordsLeft = 0
  for (let index = 0; index < tokens.length; index++) {
    const token = tokens[index] as string
    const hash = hashOf(token)
    const isWord = isWordCode(token.charCodeAt(0))
    if (!isWord || turns.has(token)) negatedWordsLeft = 0
    const isNegated = negatedWordsLeft > 0
    if (isWord && negators.has(token)) negatedWordsLeft = negatorReach
    else if (isNegated) negatedWordsLeft--
    const sign = isNegated ? negativeBit : 0
    const mixed = Math.imul(hash, 31)
    into.add((bucketOf(mixed ^ wordSalt) | sign) >>> 0)
    if (isNegated) into.add(bucketOf(mixed ^ negatedWordSalt))
    addNeighbours(beforeThat, before, hash, index, into)
    if (isWord && token.length >= piecedWordLengthMin) addPieces(token, sign, into)
    beforeThat = before
    before = hash
  }
  addNeighbours(beforeThat, before, textEnd, tokens.length, into)
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
function addPieces(word: string, sign: number, into: FeatureSet): void {
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
