import { SetupError } from '../../core/setup-error.ts'

/** What a database URL says. */
export interface DatabaseUrl {
  /** For the driver: without what only we read. */
  readonly connectionString: string
  /** The schema of the deployment; letters, digits and `_`. @default 'modelward' */
  readonly schema: string
  /** For messages: host, port and database, no user and no password. */
  readonly name: string
}

/**
 * What `sslmode` says, and what the driver is told: encrypted to a server whose certificate is
 * trusted and names the host, or what its name says. The driver means the same by the others
 * today, with a warning of its own, and announces that it will check less.
 */
const sslModes: Readonly<Record<string, string>> = {
  disable: 'disable',
  'no-verify': 'no-verify',
  prefer: 'verify-full',
  require: 'verify-full',
  'verify-ca': 'verify-full',
  'verify-full': 'verify-full',
}

/** PostgreSQL cuts longer names off: 63 bytes. */
const schemaPattern = /^[a-z_][a-z0-9_]{0,62}$/

/**
 * Reads `postgres://user:password@host:port/database?schema=name&sslmode=verify-full`; other
 * parameters are the driver's.
 *
 * @throws SetupError `config_invalid`, whose message contains nothing secret
 */
export function parseDatabaseUrl(text: string): DatabaseUrl {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || !['postgres:', 'postgresql:'].includes(url.protocol))
    throw new SetupError(
      'config_invalid',
      'the database URL: expected postgres://user:password@host:port/database',
    )
  const schema = url.searchParams.get('schema') ?? 'modelward'
  url.searchParams.delete('schema')
  if (!schemaPattern.test(schema) || schema.startsWith('pg_'))
    throw new SetupError(
      'config_invalid',
      'the database URL: expected a schema of lower-case letters, digits and _, at most 63 of them, not beginning with pg_',
    )
  checkServer(url.searchParams)
  const database = url.pathname.slice(1)
  return { connectionString: url.href, schema, name: `${url.host}/${database} (schema ${schema})` }
}

/** Has `sslmode` mean the same in every version of the driver. */
function checkServer(parameters: URLSearchParams): void {
  // Of several the driver takes the last. Who names its switch has chosen what the others mean.
  const mode = parameters.getAll('sslmode').at(-1)
  if (mode === undefined || parameters.has('uselibpqcompat')) return
  const meant = Object.hasOwn(sslModes, mode) ? sslModes[mode] : undefined
  if (meant === undefined)
    throw new SetupError(
      'config_invalid',
      `the database URL: expected an sslmode of ${Object.keys(sslModes).join(', ')}`,
    )
  parameters.set('sslmode', meant)
}
