/**
 * Words a negator reaches: far enough for "not one of the best", and a longer scope would turn the
 * next clause as well.
 */
const scopeWords = 4

const negators: ReadonlySet<string> = new Set(
  (
    'not no never without nor neither hardly barely scarcely nothing none nobody nowhere ' +
    'lacks lack lacking isnt aint'
  ).split(' '),
)

/** Words that begin a clause of its own, which the negator before them does not reach. */
const turns: ReadonlySet<string> = new Set(['but', 'however', 'although', 'though', 'yet', 'except'])

/**
 * Whether each word of one text stands in the scope of a negator. Ask it for every token, in order.
 */
export class NegationScope {
  #wordsLeft = 0

  /** Forgets the text before. */
  restart(): void {
    this.#wordsLeft = 0
  }

  /**
   * Whether this token is negated, then moves on past it. Punctuation and `but` close the scope; a
   * second negator opens it anew.
   */
  pass(token: string, isWord: boolean): boolean {
    const closes = !isWord || turns.has(token)
    const isNegated = this.#wordsLeft > 0 && !closes
    if (closes) this.#wordsLeft = 0
    else if (negators.has(token)) this.#wordsLeft = scopeWords
    else if (this.#wordsLeft > 0) this.#wordsLeft--
    return isNegated
  }
}
