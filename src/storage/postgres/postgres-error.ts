/** The server's code of an error (SQLSTATE), or the operating system's; undefined for others. */
export function codeOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined
  return typeof error.code === 'string' ? error.code : undefined
}

/**
 * Whether the server answered that it refuses the statement, and the connection goes on. Errors of
 * class 57 (an operator ends the connection) and 08 do not leave one.
 */
export function isRefusedStatement(error: unknown): boolean {
  const code = codeOf(error)
  return code !== undefined && /^[0-9A-Z]{5}$/.test(code) && !/^(08|57P)/.test(code)
}

/** What went wrong, with its code. An error of many addresses has no message of its own. */
export function describePostgresError(error: unknown): string {
  const code = codeOf(error)
  const message = error instanceof Error && error.message !== '' ? error.message : 'it cannot be reached'
  return code === undefined || message.includes(code) ? message : `${message} (${code})`
}

/** The error without what the driver and the server add, which may quote rows and parameters. */
export function withoutValues(error: unknown): Error {
  return Object.assign(new Error(describePostgresError(error)), { code: codeOf(error) })
}
