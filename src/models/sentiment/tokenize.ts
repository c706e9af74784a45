/** Longer texts are read at both ends, where reviews state their verdict; UTF-16 code units. */
export const readCharactersMax = 4000

/**
 * A mark in front of a name or an address stands for the whole of it: what it is called says
 * nothing about sentiment.
 */
const urlToken = '<url>'
const userToken = '<user>'

const curlyApostrophe = /[\u2018\u2019\u02bc\u0060\u00b4]/g
/**
 * The treebank writes `does n't` and `it 's`: the first is put together again, the second would
 * only lose its ending later.
 */
const treebankNegation = / n't/g
const treebankEnding = /\B'(?:s|re|ve|ll|d|m)\b/g

/**
 * One alternative per kind of token: address, user, emoticon in both directions, heart, word,
 * pictograph, punctuation. No alternative can give characters back to another one, so matching is
 * linear in the length of the text.
 */
const tokenPattern = new RegExp(
  [
    String.raw`https?:\/\/\S+`,
    String.raw`ww+\.\S+`,
    String.raw`@\w+`,
    String.raw`[:;=8x][-o']?[)(\]\[/\\|]`,
    "[:;=8x][-o']?[dp3](?![a-z0-9])",
    '<3',
    "[)(][-o']?[:;=]",
    "[a-z0-9]+(?:['_-][a-z0-9]+)*",
    String.raw`\p{Extended_Pictographic}`,
    '[!?]+',
    String.raw`\.\.+`,
    '[.,;:()"]',
  ].join('|'),
  'gu',
)

/**
 * Cuts a text into lower-case tokens, in the order of the text. `can't` becomes `can not` and
 * `well-made` two words; `it's` loses its ending; three or more equal characters other than digits
 * become two.
 *
 * @param text any Unicode string, lone surrogates included; what is neither a word in a-z, an
 *   emoticon, a pictograph nor common punctuation leaves no token, so the list may be empty. Texts
 *   over 4,000 UTF-16 code units are read in their first and last 2,000.
 */
export function tokenize(text: string): string[] {
  const tokens: string[] = []
  const found = clean(text).match(tokenPattern)
  if (found === null) return tokens
  for (const token of found) {
    const code = token.charCodeAt(0)
    if (isWordCode(code)) {
      if (token.startsWith('http') && token.includes('://')) tokens.push(urlToken)
      else if (token.startsWith('ww') && token.includes('.')) tokens.push(urlToken)
      else pushWord(tokens, token)
    } else if (code === atSign && token.length > 1) tokens.push(userToken)
    else tokens.push(token)
  }
  return tokens
}

const atSign = 64

/**
 * Whether a token with this first code unit is a word or a number, not punctuation, an emoticon or
 * a mark.
 */
export function isWordCode(code: number): boolean {
  return (code >= 97 && code <= 122) || (code >= 48 && code <= 57)
}

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
function pushWord(tokens: string[], word: string): void {
  if (word.includes('-') && hyphenBetweenLetters.test(word)) {
    for (const part of word.split(hyphenBetweenLetters)) pushWord(tokens, part)
    return
  }
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

function clean(text: string): string {
  let read = text
  if (text.length > readCharactersMax) {
    read = `${text.slice(0, readCharactersMax / 2)} ${text.slice(-readCharactersMax / 2)}`
  }
  read = read.toLowerCase().replace(curlyApostrophe, "'")
  if (read.includes('&amp;')) read = read.replaceAll('&amp;', '&')
  if (read.includes("'")) read = read.replace(treebankNegation, "n't").replace(treebankEnding, ' ')
  return hasLongRun(read) ? shortenRuns(read) : read
}

/**
 * Whether three equal UTF-16 code units stand in a row. Checked first because few texts have such a
 * run, and the replacement costs more.
 */
function hasLongRun(text: string): boolean {
  for (
    let index = 2, before = text.charCodeAt(1), beforeThat = text.charCodeAt(0);
    index < text.length;
    index++
  ) {
    const code = text.charCodeAt(index)
    if (code === before && code === beforeThat && code !== space) return true
    beforeThat = before
    before = code
  }
  return false
}

const space = 32
/** Digits stay: 2000 is not 200. */
const longRun = /([^\s\d])\1{2,}/gu

function shortenRuns(text: string): string {
  return text.replace(longRun, '$1$1')
}
