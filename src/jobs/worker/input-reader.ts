/**
 * Characters that are passed over in one turn of the event loop: a tenth of a millisecond's, so
 * that inputs of 8 MiB keep no request waiting.
 */
const turnCharacters = 65_536

/**
 * Reads the inputs of a job from their JSON, in their order. Only what is taken is parsed: a whole
 * batch would be ten times its text in memory for as long as the job runs.
 */
export class InputReader {
  readonly #text: string
  readonly #end: number
  /** Where the next input begins; beyond `#end` after the last. */
  #at: number

  /** @param text a JSON array */
  constructor(text: string) {
    this.#text = text
    this.#end = text.lastIndexOf(']')
    const start = text.indexOf('[') + 1
    this.#at = text.slice(start, this.#end).trim() === '' ? this.#end + 1 : start
  }

  /** Passes over so many inputs, and lets other work have its turn meanwhile. */
  async skip(count: number, yieldTurn: () => Promise<void>): Promise<void> {
    let turnEnd = this.#at + turnCharacters
    for (let left = count; left > 0 && this.#at <= this.#end; left -= 1) {
      this.#at = this.#endOfInput() + 1
      if (this.#at < turnEnd) continue
      await yieldTurn()
      turnEnd = this.#at + turnCharacters
    }
  }

  /** The next inputs, at most so many and about so many characters; none at the end. */
  take(max: number, charactersMax: number = Number.POSITIVE_INFINITY): readonly unknown[] {
    const inputs: unknown[] = []
    const enough = this.#at + charactersMax
    while (inputs.length < max && this.#at <= this.#end && (inputs.length === 0 || this.#at < enough)) {
      const end = this.#endOfInput()
      inputs.push(JSON.parse(this.#text.slice(this.#at, end)))
      this.#at = end + 1
    }
    return inputs
  }

  /** Where the comma or the bracket is that ends the next input. */
  #endOfInput(): number {
    let depth = 0
    for (let at = this.#at; at < this.#end; at += 1) {
      const character = this.#text[at]
      if (character === '"') at = endOfText(this.#text, at + 1)
      else if (character === '[' || character === '{') depth += 1
      else if (character === ']' || character === '}') depth -= 1
      else if (character === ',' && depth === 0) return at
    }
    return this.#end
  }
}

/** Where the quote is that ends a text. */
function endOfText(text: string, start: number): number {
  for (let at = start; at < text.length; at += 1) {
    if (text[at] === '"') return at
    if (text[at] === '\\') at += 1
  }
  return text.length
}
