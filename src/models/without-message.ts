/**
 * What the log may have of an error that a model threw over an input: its kind, and where it was
 * thrown. Its message may hold the input, as that of `JSON.parse` does, and so may its cause and
 * every field of its own.
 */
export function withoutMessage(thrown: unknown): Error {
  const kind = thrown instanceof Error ? kindOf(thrown) : `a thrown ${typeof thrown}`
  const known = new Error(`${kind}; its message may contain the input and is not logged`)
  known.stack = [`Error: ${known.message}`, ...(thrown instanceof Error ? framesOf(thrown) : [])].join('\n')
  return known
}

const word = /^[A-Za-z]\w{0,63}$/

/** Its name, and the code that Node and native libraries set. */
function kindOf(error: Error): string {
  const code = 'code' in error ? String(error.code) : ''
  const name = word.test(String(error.name)) ? String(error.name) : 'Error'
  return word.test(code) ? `${name} ${code}` : name
}

const frame = /^ {4}at /

/** The lines after the message, which may have lines that look like frames. */
function framesOf({ message, stack }: Error): readonly string[] {
  const text = String(stack ?? '')
  const begins = text.indexOf(String(message))
  const lines = text.slice(begins < 0 ? 0 : begins + String(message).length).split('\n')
  return lines.slice(lines.findLastIndex((line) => !frame.test(line)) + 1)
}
