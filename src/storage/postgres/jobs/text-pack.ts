/** Where a text stands in a pack: from which byte on, counted from 1 as SQL does, and how many. */
export interface PackedText {
  readonly at: number
  readonly size: number
}

/**
 * Texts on their way to the server as bytes, one behind the other: a list of texts would be quoted
 * and escaped by the driver, which takes tens of milliseconds for megabytes.
 */
export interface TextPack {
  readonly add: (bytes: Uint8Array) => PackedText
  readonly bytes: () => Buffer
}

export function createTextPack(): TextPack {
  const parts: Uint8Array[] = []
  let size = 0
  return {
    add(bytes) {
      parts.push(bytes)
      const at = size + 1
      size += bytes.length
      return { at, size: bytes.length }
    },
    bytes: () => Buffer.concat(parts),
  }
}

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
