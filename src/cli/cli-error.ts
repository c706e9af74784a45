import { exitCodes } from './exit-code.ts'

/**
 * Codes of errors that only the command line has; the others are those of refusals, faults and
 * `SetupError`.
 */
export type CliErrorCode =
  | 'usage_invalid'
  | 'input_invalid'
  | 'output_failed'
  | 'scan_incomplete'
  | 'server_failed'

/** One of several things that are wrong. Holds no secret. */
export interface ErrorPart {
  /** The flag, the line of a file, the setting. */
  readonly where: string
  readonly message: string
}

const exitCodeOf: Readonly<Record<CliErrorCode, number>> = {
  usage_invalid: exitCodes.usage,
  input_invalid: exitCodes.usage,
  output_failed: exitCodes.environment,
  scan_incomplete: exitCodes.environment,
  server_failed: exitCodes.environment,
}

/** A command cannot go on; the message is for the person at the terminal. */
export class CliError extends Error {
  readonly code: CliErrorCode
  readonly exitCode: number
  readonly parts: readonly ErrorPart[]

  constructor(code: CliErrorCode, message: string, parts: readonly ErrorPart[] = []) {
    super(message)
    this.name = 'CliError'
    this.code = code
    this.exitCode = exitCodeOf[code]
    this.parts = parts
  }
}

/** A fault in how a flag or argument was used. */
export function usageError(where: string, message: string): CliError {
  return new CliError('usage_invalid', `${where}: ${message}`)
}

/** The reader of our output has closed it, as `head` does when it has enough. */
export class OutputClosed extends Error {
  constructor() {
    super('standard output was closed')
    this.name = 'OutputClosed'
  }
}
