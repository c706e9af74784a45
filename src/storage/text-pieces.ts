/** Characters of one stored piece: encoded, written and read within a millisecond. */
export const pieceCharacters = 262_144

/** A text in pieces. A character that JavaScript counts as two stays whole. */
export function* piecesOf(text: string, length: number = pieceCharacters): Generator<string> {
  for (let from = 0; from < text.length || from === 0; ) {
    let to = Math.min(from + length, text.length)
    if (to < text.length && isHighSurrogate(text.charCodeAt(to - 1))) to -= 1
    yield text.slice(from, to)
    from = Math.max(to, 1)
  }
}

function isHighSurrogate(code: number): boolean {
  return code >= 0xd800 && code <= 0xdbff
}
