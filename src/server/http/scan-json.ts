/** What a JSON text would become, as far as its bytes tell. */
export interface JsonShape {
  /** How many arrays and objects are within each other. */
  readonly depth: number
  /** Values and names of members; at least as many as a parser makes. */
  readonly values: number
}

const quote = 0x22
const backslash = 0x5c
const comma = 0x2c
const colon = 0x3a
/** `[` and `{`, and `]` and `}`, differ in this bit alone. */
const brace = 0x20
const opening = 0x5b | brace
const closing = 0x5d | brace

/**
 * Counts what a JSON text would become, in one pass over its bytes and with no object for any of
 * them: of `[{},{},…]` a parser makes twenty times its size, and over some million brackets within
 * each other it takes a second. Ends where a bound is passed. Bytes that are no JSON have some
 * shape, too; the parser refuses them.
 */
export function scanJson(bytes: Buffer, max: JsonShape): JsonShape {
  let values = 1
  let depth = 0
  let deepest = 0
  for (let at = 0; at < bytes.length && values <= max.values && deepest <= max.depth; at += 1) {
    const byte = bytes[at] as number
    if (byte === quote) at = endOfText(bytes, at + 1)
    else if (byte === comma || byte === colon) values += 1
    else if ((byte | brace) === opening) {
      values += 1
      depth += 1
      if (depth > deepest) deepest = depth
    } else if ((byte | brace) === closing) depth -= 1
  }
  return { depth: deepest, values }
}

/** Bytes of a text after which to search it is faster than to look at each. */
const shortText = 32

/** Where the quote is that ends a text. */
function endOfText(bytes: Buffer, start: number): number {
  const shortEnd = Math.min(bytes.length, start + shortText)
  let at = start
  for (; at < shortEnd; at += 1) {
    const byte = bytes[at]
    if (byte === quote) return at
    if (byte === backslash) at += 1
  }
  // From behind the last character that was looked at: an escape may end there.
  const rest = at
  for (let end = bytes.indexOf(quote, rest); end !== -1; end = bytes.indexOf(quote, end + 1)) {
    let escapes = end
    while (escapes > rest && bytes[escapes - 1] === backslash) escapes -= 1
    if ((end - escapes) % 2 === 0) return end
  }
  return bytes.length
}
