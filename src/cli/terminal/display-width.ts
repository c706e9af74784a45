import stringWidth from 'string-width'

const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' })

/**
 * Characters that would move the cursor, reorder the line or be invisible: they are shown as `�`.
 */
const unprintable = /(?!\u200D)[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/gu

/** A text as it can be shown on one line of a terminal. */
export function printable(text: string): string {
  return text.replaceAll(unprintable, '\uFFFD')
}

/** How many columns a printable text takes on a terminal. */
export function displayWidth(text: string): number {
  return stringWidth(text)
}

/** The text, cut with `…` where it is wider than that. `width` is 1 or more. */
export function cutToWidth(text: string, width: number): string {
  if (displayWidth(text) <= width) return text
  let cut = ''
  let used = 0
  for (const { segment } of graphemes.segment(text)) {
    used += displayWidth(segment)
    if (used > width - 1) break
    cut += segment
  }
  return `${cut}…`
}
