import { Fault } from '../../core/fault.ts'
import { SetupError } from '../../core/setup-error.ts'

/** The server's code of an error (SQLSTATE), or the operating system's; undefined for others. */
function codeOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined
  // Of what was late: its code is ours.
  if (error instanceof Fault) return undefined
  return typeof error.code === 'string' ? error.code : undefined
}

/**
 * Whether the server answered that it refuses the statement, and the connection goes on. Errors of
 * class 57 (an operator ends the connection) and 08, and 25P03 (a transaction said nothing for too
 * long) do not leave one.
 */
export function isRefusedStatement(error: unknown): boolean {
  const code = codeOf(error)
  return code !== undefined && /^[0-9A-Z]{5}$/.test(code) && !/^(08|57P|25P03)/.test(code)
}

/** As the driver says that no connection of its pool was free in time. */
const busyPoolMessage = 'timeout exceeded when trying to connect'

export function busyPool(): Error {
  return new Error(busyPoolMessage)
}

/**
 * What has failed: the statement; the server as a whole, which cannot be reached or does not
 * answer, lacks memory, room or connections (class 53), has a disk that fails (58), refuses the
 * user (28) or the database (3D), or takes no changes, as after a failover (25006); or the pool,
 * whose connections all had work of this process.
 */
export function whoseError(error: unknown): 'statement' | 'server' | 'pool' {
  if (error instanceof Error && error.message === busyPoolMessage) return 'pool'
  const isStatements = isRefusedStatement(error) && !/^(53|58|28|3D|25006)/.test(codeOf(error) ?? '')
  return isStatements ? 'statement' : 'server'
}

const diskFull = '53100'

/** What went wrong, with its code. An error of many addresses has no message of its own. */
export function describePostgresError(error: unknown): string {
  const code = codeOf(error)
  const said = error instanceof Error && error.message !== '' ? error.message : 'it cannot be reached'
  // Which file could not grow does not say it.
  const message = code === diskFull ? `its disk is full: ${said}` : said
  return code === undefined || message.includes(code) ? message : `${message} (${code})`
}

/** The error without what the driver and the server add, which may quote rows and parameters. */
export function withoutValues(error: unknown): Error {
  return Object.assign(new Error(describePostgresError(error)), { code: codeOf(error) })
}

/** What waiting does not mend, by code, and what to look at. */
const unmended: Readonly<Record<string, string>> = {
  '28P01': 'the password is wrong',
  '28000': 'the user is refused',
  '3D000': 'the database does not exist',
  '42501': 'the user lacks a right',
  SELF_SIGNED_CERT_IN_CHAIN: 'the certificate is not trusted',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'the certificate is not trusted',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'the certificate is not trusted',
  ERR_TLS_CERT_ALTNAME_INVALID: 'the certificate names another host',
  CERT_HAS_EXPIRED: 'the certificate has expired',
}

/** What PgBouncer answers with the code 08P01, whatever is wrong. */
const unmendedByPooler: readonly (readonly [RegExp, string])[] = [
  [/^(SASL|password) authentication failed|^no such user/, 'the user or the password is wrong'],
  [/^no such database/, 'the database does not exist'],
]

/**
 * A fault of a start as the SetupError that it is where waiting does not mend it, such as a wrong
 * password; anything else as it is.
 *
 * @param name what the message starts with
 */
export function refuseUnmended(error: unknown, name: string): unknown {
  if (!(error instanceof Fault)) return error
  const { cause } = error
  const why = whyUnmended(cause)
  if (why === undefined) return error
  return new SetupError('database_unreachable', `${name}: ${why} (${describePostgresError(cause)})`, {
    cause,
  })
}

function whyUnmended(cause: unknown): string | undefined {
  const code = codeOf(cause) ?? ''
  const message = cause instanceof Error ? cause.message : ''
  if (code === '08P01') return unmendedByPooler.find(([pattern]) => pattern.test(message))?.[1]
  // The driver gives this error no code.
  return unmended[code] ?? (message.includes('does not support SSL') ? 'it does not offer TLS' : undefined)
}
