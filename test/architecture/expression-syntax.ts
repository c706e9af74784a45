/** The syntax of an expression, as far as the texts that it matches depend on it. */
export type Syntax =
  | { readonly kind: 'set'; readonly set: CharacterSet }
  | { readonly kind: 'all' | 'one'; readonly parts: readonly Syntax[] }
  | { readonly kind: 'repeat'; readonly part: Syntax; readonly min: number; readonly max: number }
  /** An assertion: it matches no characters of its own. */
  | { readonly kind: 'nothing' }

/** One character, a class or an escape. */
export interface CharacterSet {
  readonly source: string
  /** Some of its characters; none if none of those tried is in it. */
  readonly members: readonly string[]
}

/** What is tried: ASCII, and some of the marks, spaces, signs and scripts beyond. */
const characters = [
  ...Array.from({ length: 128 }, (_, code) => String.fromCharCode(code)),
  ...'éßж中ｶ\u00a0\u0301\u200b\u200d\u200e\u2019\u2028\ufe0f\ufeff\ud800😀\u{1b000}',
]

/** Reads an expression. What it may repeat without end has the `max` Infinity. */
export function readSyntax({ source, flags }: RegExp): Syntax {
  const tokens = [...source.matchAll(token)].map(([text]) => text)
  const setFlags = flags.replace(/[gy]/g, '')
  const groups: Syntax[] = []
  let next = 0

  function readAlternatives(): Syntax {
    const alternatives: Syntax[] = []
    let parts: Syntax[] = []
    while (next < tokens.length && tokens[next] !== ')') {
      if (tokens[next] === '|') {
        next += 1
        alternatives.push({ kind: 'all', parts })
        parts = []
      } else parts.push(readRepeated())
    }
    return { kind: 'one', parts: [...alternatives, { kind: 'all', parts }] }
  }

  function readRepeated(): Syntax {
    const part = readPart()
    const [, sign, low, comma, high] = quantifier.exec(tokens[next] ?? '') ?? []
    if (sign === undefined) return part
    next += 1
    if (low !== undefined)
      return { kind: 'repeat', part, min: Number(low), max: comma ? Number(high || Infinity) : Number(low) }
    return { kind: 'repeat', part, min: sign === '+' ? 1 : 0, max: sign === '?' ? 1 : Infinity }
  }

  function readPart(): Syntax {
    const text = tokens[next] ?? ''
    next += 1
    if (text.startsWith('(')) {
      const group = readAlternatives()
      next += 1
      if (/^\(\?<?[=!]/.test(text)) return { kind: 'nothing' }
      if (!text.startsWith('(?:')) groups.push(group)
      return group
    }
    if (/^(?:[$^]|\\[bB])$/.test(text)) return { kind: 'nothing' }
    if (/^\\[1-9]/.test(text)) return groups[Number(text.slice(1)) - 1] ?? { kind: 'nothing' }
    const whole = new RegExp(`^(?:${text})$`, setFlags)
    const tried = [...characters, ...[...source].filter((each) => each > '\x7f')]
    return { kind: 'set', set: { source: text, members: tried.filter((each) => whole.test(each)) } }
  }

  return readAlternatives()
}

/** Escape, class, beginning of a group, quantifier, or any other character. */
const token =
  /\\(?:[pP]\{[^}]*\}|u\{[^}]*\}|u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|.)|\[(?:[^\]\\]|\\.)*\]|\(\?(?:<?[=!]|:|<\w+>)|\{\d+(?:,\d*)?\}\??|[*+?]\??|./gsu
const quantifier = /^([*+?]|\{(\d+)(,)?(\d*)\})\??$/

/** Every set of an expression. */
export function setsOf(syntax: Syntax): readonly CharacterSet[] {
  if (syntax.kind === 'set') return [syntax.set]
  if (syntax.kind === 'repeat') return setsOf(syntax.part)
  return syntax.kind === 'nothing' ? [] : syntax.parts.flatMap(setsOf)
}
