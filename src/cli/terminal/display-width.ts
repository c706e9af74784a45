const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' })

/**
 * Characters that terminals give two columns: East Asian wide and full-width ones (Unicode UAX 11),
 * and emoji.
 */
const wide =
  /[\u1100-\u115F\u2E80-\u303E\u3041-\u33FF\u3400-\u4DBF\u4E00-\u9FFF\uA000-\uA4CF\uA960-\uA97F\uAC00-\uD7A3\uF900-\uFAFF\uFE30-\uFE6F\uFF00-\uFF60\uFFE0-\uFFE6\u{1B000}-\u{1B2FF}\u{20000}-\u{3FFFD}]|\p{Emoji_Presentation}|\uFE0F/u

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
  // Nearly all text is plain ASCII.
  if (/^[ -~]*$/.test(text)) return text.length
  let width = 0
  for (const { segment } of graphemes.segment(text)) width += widthOf(segment)
  return width
}

/** The text, cut with `…` where it is wider than that. `width` is 1 or more. */
export function cutToWidth(text: string, width: number): string {
  if (displayWidth(text) <= width) return text
  let cut = ''
  let used = 0
  for (const { segment } of graphemes.segment(text)) {
    used += widthOf(segment)
    if (used > width - 1) break
    cut += segment
  }
  return `${cut}…`
}

function widthOf(grapheme: string): number {
  if (/^\p{M}+$/u.test(grapheme)) return 0
  return wide.test(grapheme) ? 2 : 1
}
