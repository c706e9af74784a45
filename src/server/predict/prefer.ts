/**
 * Whether a client asks to be answered later: `Prefer: respond-async` (RFC 7240 §4.1). Preferences
 * that are unknown, or mean nothing here, are ignored (§2), `wait` among them: whoever can wait
 * asks `GET /jobs/{id}?wait=30`.
 *
 * @param header the header's value, of several lines joined by commas
 */
export function prefersAsync(header: string | readonly string[] | undefined): boolean {
  if (header === undefined) return false
  return [...String(header).matchAll(preference)].some(([text]) => asynchronous.test(text))
}

/** One preference with its parameters; a comma within quotes ends none. */
const preference = /(?:[^,"]|"(?:[^"\\]|\\.)*"?)+/gs

/**
 * A name without a value, or with an empty one, which says the same (§2), and whatever parameters.
 */
const asynchronous = /^\s*respond-async\s*(?:=\s*(?:"")?\s*)?(?:;|$)/i
