import { quote } from './json-tokens.ts'

const backslash = 0x5c

/** What an image by URL begins with in a text. */
const mark = '![](http'

/** By byte: where in the mark it stands, a bit for each place. */
const places = new Uint8Array(128)
for (const [index, letter] of [...mark].entries()) {
  const code = letter.charCodeAt(0)
  places[code] = (places[code] as number) | (1 << index)
}
const whole = 1 << (mark.length - 1)

/**
 * Whether a model server that reads images out of its texts, as `![](http://…)`, could find one
 * by URL: in a text, or in texts that it puts together, in their order and with any left out.
 * Takes JSON that is known to be valid. In steps of so many bytes.
 *
 * The matcher is shift-and (Baeza-Yates and Gonnet, 1992), which is in all its states at once.
 */
export function* hasImageMark(bytes: Buffer, pieceBytes: number): Generator<void, boolean> {
  const { length } = bytes
  let isInText = false
  /** How much of the mark has come; and that had come at the end of any text. */
  let come = 0
  let before = 0
  let at = 0
  while (at < length) {
    const limit = Math.min(length, at + pieceBytes)
    while (at < limit) {
      const byte = bytes[at] as number
      if (byte === quote) {
        isInText = !isInText
        if (isInText) come = before
        else before |= come
        at += 1
      } else if (isInText) {
        const code = byte === backslash ? escapedCode(bytes, at) : byte
        come = ((come << 1) | 1) & (places[code] ?? 0)
        if ((come & whole) !== 0) return true
        at += byte !== backslash ? 1 : bytes[at + 1] === letterU ? 6 : 2
      } else at += 1
    }
    yield
  }
  return false
}

const letterU = 0x75

/** The character of an escape, as far as the mark has any that needs none. */
function escapedCode(bytes: Buffer, at: number): number {
  if (bytes[at + 1] !== letterU) return 0
  return Number.parseInt(bytes.toString('latin1', at + 2, at + 6), 16)
}
