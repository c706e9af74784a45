import { SetupError } from '../../core/setup-error.ts'
import type { Postgres } from './postgres.ts'

/** The oldest version that can hold a deployment, as PostgreSQL numbers it. */
const versionLeast = 140_000

/** What a server says of itself. */
export interface ServerFacts {
  /** 150018 for 15.18. */
  readonly version: number
  /** `15.18`, and what a distribution adds. */
  readonly versionText: string
  readonly encoding: string
  readonly isInRecovery: boolean
  readonly isReadOnly: boolean
}

/**
 * Refuses a server that cannot hold a deployment, a standby among them.
 *
 * @throws SetupError `database_unsuitable`
 * @throws Fault `store_unavailable` where it cannot be asked
 */
export async function checkServer(postgres: Postgres): Promise<ServerFacts> {
  const facts = await readServerFacts(postgres)
  const { version, versionText, encoding, isInRecovery, isReadOnly } = facts
  const refuse = (why: string): never => {
    throw new SetupError('database_unsuitable', `${postgres.name}: ${why}`)
  }
  if (version < versionLeast) refuse(`expected PostgreSQL 14 or newer, got ${versionText}`)
  if (encoding !== 'UTF8') refuse(`expected a database with the encoding UTF8, got ${encoding}`)
  if (isInRecovery) refuse('it is a standby, which cannot be written to; name the primary')
  if (isReadOnly) refuse('it is read-only for this role (default_transaction_read_only)')
  return facts
}

async function readServerFacts({ query, name }: Postgres): Promise<ServerFacts> {
  const [facts] = await query<ServerFacts>(
    `SELECT current_setting('server_version_num')::int AS version, current_setting('server_version') AS "versionText",
       current_setting('server_encoding') AS encoding, pg_is_in_recovery() AS "isInRecovery",
       current_setting('transaction_read_only') = 'on' AS "isReadOnly"`,
  )
  if (facts === undefined) throw new Error(`${name}: SELECT gave no row`)
  return facts
}
