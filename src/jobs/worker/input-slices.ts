/**
 * The inputs of a job from their JSON, at most `max` at a time and in their order. Only these are
 * parsed: a whole batch would be ten times its text in memory for as long as the job runs.
 *
 * @param text a JSON array
 * @param from how many are passed over
 */
export function* inputSlices(text: string, max: number, from = 0): Generator<readonly unknown[], void> {
  let slice: unknown[] = []
  let passed = 0
  for (const item of itemsOf(text)) {
    passed += 1
    if (passed <= from) continue
    slice.push(JSON.parse(item))
    if (slice.length < max) continue
    yield slice
    slice = []
  }
  if (slice.length > 0) yield slice
}

/** The texts of an array's items. */
function* itemsOf(text: string): Generator<string, void> {
  const end = text.lastIndexOf(']')
  let start = text.indexOf('[') + 1
  if (text.slice(start, end).trim() === '') return
  let depth = 0
  for (let at = start; at < end; at += 1) {
    const character = text[at]
    if (character === '"') at = endOfText(text, at + 1)
    else if (character === '[' || character === '{') depth += 1
    else if (character === ']' || character === '}') depth -= 1
    else if (character === ',' && depth === 0) {
      yield text.slice(start, at)
      start = at + 1
    }
  }
  yield text.slice(start, end)
}

/** Where the quote is that ends a text. */
function endOfText(text: string, start: number): number {
  for (let at = start; at < text.length; at += 1) {
    if (text[at] === '"') return at
    if (text[at] === '\\') at += 1
  }
  return text.length
}
