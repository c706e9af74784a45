import { OutputClosed } from './cli-error.ts'
import { describeError } from './describe-error.ts'
import { exitCodes } from './exit-code.ts'
import { tell } from './terminal/output.ts'

/**
 * Reports what a command threw on standard error, as `modelward: <message> (<code>)` or as one line
 * of JSON.
 *
 * @returns what to exit with
 */
export function reportError(thrown: unknown, asJson: boolean): number {
  // A reader that closed our output, as `head` does, has what it wanted.
  if (thrown instanceof OutputClosed) return exitCodes.ok
  const { code, message, parts, exitCode } = describeError(thrown)
  if (asJson) {
    tell(JSON.stringify({ error: { code, message, ...(parts.length > 0 ? { errors: parts } : {}) } }))
    return exitCode
  }
  const list = parts.length > 1 ? parts.map((part) => `\n  ${part.where}: ${part.message}`).join('') : ''
  tell(`modelward: ${message} (${code})${list}`)
  return exitCode
}
