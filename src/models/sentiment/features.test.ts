import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { FeatureSet, featureCountMax, hashFeatures, negativeBit } from './features.ts'
import { readCharactersMax, tokenize } from './tokenize.ts'

function featuresOf(text: string): Set<number> {
  const set = new FeatureSet()
  hashFeatures(tokenize(text), set)
  return new Set(set.items.subarray(0, set.count))
}

/** Features of the second text that are those of the first with the sign turned. */
function turned(plain: string, negated: string): number {
  const there = featuresOf(negated)
  return [...featuresOf(plain)].filter((feature) => there.has((feature | negativeBit) >>> 0)).length
}

describe('hashFeatures', () => {
  it('lists no feature twice', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (text) => {
        const set = new FeatureSet()
        hashFeatures(tokenize(text), set)
        expect(new Set(set.items.subarray(0, set.count)).size).toBe(set.count)
      }),
    )
  })

  it('counts a word that is repeated once', () => {
    const set = new FeatureSet()
    hashFeatures(tokenize('good , good , good , good'), set)
    const four = set.count
    hashFeatures(tokenize('good , '.repeat(400)), set)
    // Two words and the neighbourhoods of the two ends, however long the middle is.
    expect(set.count).toBeLessThanOrEqual(four + 3)
    expect(new Set(set.items.subarray(0, set.count)).size).toBe(set.count)
  })

  it('gives the same features whatever was hashed before', () => {
    const set = new FeatureSet()
    hashFeatures(tokenize('something else entirely, not good '.repeat(100)), set)
    hashFeatures(tokenize('a good film'), set)
    expect(new Set(set.items.subarray(0, set.count))).toEqual(featuresOf('a good film'))
  })

  it('has no features without tokens', () => {
    expect(featuresOf('   ').size).toBe(0)
  })

  it('tells the order of words', () => {
    expect(featuresOf('good not bad')).not.toEqual(featuresOf('bad not good'))
  })

  it('turns the sign of a word and its pieces after a negator', () => {
    expect(turned('great', 'not great')).toBe(1 + 5 + 4 + 3)
    expect(turned('great', "isn't really that great")).toBe(13)
    expect(turned('great', 'so great')).toBe(0)
  })

  it.each([
    ['four words on', 'not one of the many great'],
    ['after punctuation', 'no, great'],
    ['after but', 'not cheap but great'],
  ])('ends the scope %s', (_, text) => {
    expect(turned('great', text)).toBe(0)
  })

  it('reaches the fourth word', () => {
    expect(turned('great', 'not one of many great')).toBe(13)
  })

  it.each([
    ['one letter', 'a'],
    ['one word', 'abcdefghij'],
    ['single-letter words', 'a b c d '],
    ['negations', "don't can't "],
    ['joined by hyphens', 'a-b-c-'],
    ['joined by apostrophes', "a's'"],
    ['users', '@a'],
    ['punctuation', '!.'],
    ['emoji', '😀👍'],
    ['capital that grows in lower case', '\u0130a'],
  ])('does work bounded by the characters read: %s', (_, piece) => {
    const text = piece.repeat(Math.ceil(10_000 / piece.length))
    const tokens = tokenize(text)
    // The worst are names: the two characters of `@a` give the six of `<user>`. No token is made of
    // less than one character.
    const charactersMax = 3 * (readCharactersMax + 1)
    expect(tokens.join('').length).toBeLessThanOrEqual(charactersMax)
    expect(tokens.length).toBeLessThanOrEqual(charactersMax)
    expect(featuresOf(text).size).toBeLessThanOrEqual(featureCountMax(tokens))
  })

  it('stays below its bound, which grows in proportion to the text', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ minLength: 1 }), { maxLength: 50 }), (tokens) => {
        const set = new FeatureSet()
        hashFeatures(tokens, set)
        expect(set.count).toBeLessThanOrEqual(featureCountMax(tokens))
      }),
    )
    const words = Array<string>(100).fill('words')
    expect(featureCountMax([...words, ...words])).toBeLessThanOrEqual(2 * featureCountMax(words))
  })
})
