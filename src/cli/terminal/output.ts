import { replaceKeys } from '../../core/key-shape.ts'
import { CliError, OutputClosed } from '../cli-error.ts'

// Each write reports its own failure to its caller; without a listener Node would end the process
// with a stack.
process.stdout.on('error', () => {})
process.stderr.on('error', () => {})

/**
 * Writes to standard output and waits until the system has taken it.
 *
 * @throws OutputClosed if the reader has closed it; CliError `output_failed` if writing fails, as
 * on a full disk
 */
export async function print(text: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  process.stdout.write(text, (error) => (error ? reject(outputErrorOf(error)) : resolve()))
  await promise
}

export function printLine(text: string): Promise<void> {
  return print(`${text}\n`)
}

/** One JSON document on one line. */
export function printJson(value: unknown): Promise<void> {
  return printLine(JSON.stringify(value))
}

/**
 * What people should know and scripts need not read goes to standard error, without keys: one may
 * have been typed in the place of a name or an owner.
 */
export function tell(text: string): void {
  // What is hidden already still begins as a key does.
  const pieces = text.split('_…').map((piece) => replaceKeys(piece, (known) => `${known}_…`))
  process.stderr.write(`${pieces.join('_…')}\n`)
}

function outputErrorOf(error: Error): Error {
  const code = 'code' in error ? String(error.code) : 'an error'
  if (code === 'EPIPE' || code === 'ERR_STREAM_DESTROYED') return new OutputClosed()
  return new CliError('output_failed', `standard output cannot be written: ${code}`)
}
