/** What a request prefers of what means something here (RFC 7240). */
export interface Preferences {
  /** `respond-async` (§4.1): to be answered later. */
  readonly isAsync: boolean
  /** `wait` (§4.3): seconds that the client waits until then, undefined where it does not say. */
  readonly waitSeconds: number | undefined
}

/**
 * Reads `Prefer`. Parameters mean nothing here; an empty value says the same as none, of a
 * preference that stands there twice the first counts, and those that are unknown or wrong are
 * ignored (§2).
 *
 * @param header the header's value, of several lines joined by commas
 */
export function readPreferences(header: string | readonly string[] | undefined): Preferences {
  let isAsync = false
  let waitSeconds: number | undefined
  if (header !== undefined)
    for (const preference of splitPreferences(String(header))) {
      const equals = preference.indexOf('=')
      const name = (equals < 0 ? preference : preference.slice(0, equals)).trim().toLowerCase()
      const value = equals < 0 ? '' : preference.slice(equals + 1).trim()
      if (name === 'respond-async' && (value === '' || value === '""')) isAsync = true
      else if (name === 'wait' && /^\d{1,9}$/.test(value)) waitSeconds ??= Number(value)
    }
  return { isAsync, waitSeconds }
}

/** Whether a client asks to be answered later. */
export function prefersAsync(header: string | readonly string[] | undefined): boolean {
  return header !== undefined && readPreferences(header).isAsync
}

/**
 * The preferences of a header, without their parameters. Read in one pass, for a client writes it:
 * a comma or semicolon within quotes ends nothing, and a quote may stand escaped within quotes.
 */
function* splitPreferences(header: string): Generator<string> {
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
