/**
 * Contractions whose stem is not what stands before `n't`, and the spellings without an apostrophe.
 */
const irregular: ReadonlyMap<string, readonly string[]> = new Map([
  ["can't", ['can', 'not']],
  ['cant', ['can', 'not']],
  ['cannot', ['can', 'not']],
  ["won't", ['will', 'not']],
  ['wont', ['will', 'not']],
  ["ain't", ['is', 'not']],
])

const bareNegation = /^(do|does|did|is|are|was|were|has|have|had|would|could|should)nt$/
const shortEnding = /'(?:s|re|ve|ll|d|m)$/
const hyphenBetweenLetters = /(?<=[a-z])-(?=[a-z])/

/**
 * Adds a lower-case word as the model reads it: hyphens split, negation as a `not` of its own, `'s`
 * and the like dropped.
 */
export function pushWord(tokens: string[], word: string): void {
  if (!word.includes('-')) pushContraction(tokens, word)
  else for (const part of word.split(hyphenBetweenLetters)) pushContraction(tokens, part)
}

function pushContraction(tokens: string[], word: string): void {
  const special = word.length <= 6 ? irregular.get(word) : undefined
  if (special !== undefined) {
    tokens.push(...special)
  } else if (word.endsWith("n't") && word.length > 3) {
    tokens.push(word.slice(0, -3), 'not')
  } else if (word.endsWith('nt') && bareNegation.test(word)) {
    tokens.push(word.slice(0, -2), 'not')
  } else if (word.includes("'")) {
    tokens.push(word.replace(shortEnding, ''))
  } else {
    tokens.push(word)
  }
}
