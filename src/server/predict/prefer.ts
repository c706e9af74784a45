/**
 * Whether a client asks to be answered later: `Prefer: respond-async` (RFC 7240 §4.1), with any
 * parameters; an empty value says the same as none (§2). Preferences that are unknown, or mean
 * nothing here, are ignored (§2), `wait` among them: a client that can wait asks `GET
 * /jobs/{id}?wait=30`.
 *
 * @param header the header's value, of several lines joined by commas
 */
export function prefersAsync(header: string | readonly string[] | undefined): boolean {
  if (header === undefined) return false
  for (const preference of readPreferences(String(header))) if (isRespondAsync(preference)) return true
  return false
}

function isRespondAsync(preference: string): boolean {
  const equals = preference.indexOf('=')
  const name = equals < 0 ? preference : preference.slice(0, equals)
  if (name.trim().toLowerCase() !== 'respond-async') return false
  const value = equals < 0 ? '' : preference.slice(equals + 1).trim()
  return value === '' || value === '""'
}

/**
 * The preferences of a header, without their parameters. Read in one pass, for a client writes it:
 * a comma or semicolon within quotes ends nothing, and a quote may stand escaped within quotes.
 */
function* readPreferences(header: string): Generator<string> {
  let start = 0
  let end: number | undefined
  let isQuoted = false
  for (let index = 0; index < header.length; index += 1) {
    const character = header[index]
    if (character === '"') isQuoted = !isQuoted
    else if (isQuoted) index += character === '\\' ? 1 : 0
    else if (character === ';') end ??= index
    else if (character === ',') {
      yield header.slice(start, end ?? index)
      start = index + 1
      end = undefined
    }
  }
  yield header.slice(start, end)
}
