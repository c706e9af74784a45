import { otherName } from '../../core/closed-names.ts'

/** Routes and models beyond so many are counted as `other`: apps make them of what callers send. */
const namesMax = 500
/**
 * Of these, routes that programs name as they ask about keys. One that names paths in place of
 * patterns leaves the others to the routes that there are.
 */
const askedNamesMax = 250

/** `verify POST /chat`, of `POST /v1/keys/verify`. */
const asked = /^verify /

/**
 * Gives each text its place among the first of its kind, and `other` to those behind them.
 *
 * @param stored those that have a place
 * @param learn called with each text that gets one
 */
export function createUsageNames(
  stored: Iterable<string>,
  learn: (text: string) => void,
): (text: string) => string {
  const known = new Set(stored)
  let asks = 0
  for (const text of known) if (asked.test(text)) asks += 1
  return (text) => {
    if (text === '' || known.has(text)) return text
    const isAsked = asked.test(text)
    if (known.size >= namesMax || (isAsked && asks >= askedNamesMax)) return otherName
    known.add(text)
    if (isAsked) asks += 1
    learn(text)
    return text
  }
}
