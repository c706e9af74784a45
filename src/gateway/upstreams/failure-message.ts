/** Longest message of a failure, in characters: an upstream may have written it. */
const messageLengthMax = 300

const controls = /\p{Cc}/gu

/** What a connection died of, on one line, for the log. */
export function failureMessage(error: Error, redact: (text: string) => string): string {
  // Of several addresses that were tried, each has an error; the one around them says nothing.
  const told = error instanceof AggregateError && error.errors[0] instanceof Error ? error.errors[0] : error
  const code = 'code' in told && typeof told.code === 'string' ? told.code : ''
  const message = told.message.includes(code) ? told.message : `${code}: ${told.message}`
  return redact(message).replaceAll(controls, ' ').slice(0, messageLengthMax)
}
