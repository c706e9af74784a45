import { SetupError } from '../../../core/setup-error.ts'
import { fail, messageOf, ok, warn } from '../../finding.ts'
import type { StorageFinding } from '../../storage.ts'
import { checkServer } from '../check-server.ts'
import { readArriving } from '../ledger/arriving.ts'
import { commandDeadlines, openPostgres, type Postgres } from '../postgres.ts'
import { refuseUnmended } from '../postgres-error.ts'
import { prepareSchema } from '../schema.ts'

/** All checks of a fleet's database. Changes nothing. */
export async function findServer(url: string): Promise<readonly StorageFinding[]> {
  const postgres = await openPostgres({
    ...commandDeadlines,
    ...{ url, fault: 'store_unavailable', connectionsMax: 2 },
  })
  try {
    const server = await checkReached(postgres)
    if (server.status === 'fail') return [server]
    return [
      server,
      await checkSchema(url),
      ...(await Promise.all(
        [checkDurability, checkStandbys, checkTransactions].map((check) => check(postgres)),
      )),
      ...(await checkHistory(postgres)),
    ]
  } finally {
    await postgres.close()
  }
}

async function checkReached(postgres: Postgres): Promise<StorageFinding> {
  try {
    const { versionText } = await checkServer(postgres)
    return ok('database', `${postgres.name}, PostgreSQL ${versionText}`)
  } catch (error) {
    const known = refuseUnmended(error, postgres.name)
    const todo =
      known instanceof SetupError
        ? 'set the database URL right, or the server'
        : 'look whether it runs, and whether this machine reaches it'
    return fail('database', messageOf(known), todo)
  }
}

async function checkSchema(url: string): Promise<StorageFinding> {
  try {
    const { version, deployment } = await prepareSchema(url, 'never')
    return ok('schema', `version ${version}, deployment ${deployment}`)
  } catch (error) {
    const isMissing = error instanceof SetupError && error.code === 'data_missing'
    return fail('schema', messageOf(error), isMissing ? 'start a node, or run modelward migrate' : undefined)
  }
}

interface Durability {
  readonly fsync: string
  readonly fullPageWrites: string
  readonly synchronousCommit: string
}

/** What is acknowledged has to outlive a power cut of the database's machine. */
async function checkDurability({ query }: Postgres): Promise<StorageFinding> {
  const [found] = await query<Durability>(
    `SELECT current_setting('fsync') AS fsync, current_setting('full_page_writes') AS "fullPageWrites",
       current_setting('synchronous_commit') AS "synchronousCommit"`,
  )
  const off = [
    ...(found?.fsync === 'off' ? ['fsync'] : []),
    ...(found?.fullPageWrites === 'off' ? ['full_page_writes'] : []),
    ...(found?.synchronousCommit === 'off' ? ['synchronous_commit'] : []),
  ]
  if (off.length === 0) return ok('durability', 'commits are written to the disk before they are answered')
  const todo = `set ${off.join(' and ')} to on: without it a power cut loses records that were acknowledged`
  return warn('durability', `off: ${off.join(', ')}`, todo)
}

async function checkStandbys({ query }: Postgres): Promise<StorageFinding> {
  const [found] = await query<{ readonly standbys: number; readonly names: string }>(
    `SELECT count(*) AS standbys, current_setting('synchronous_standby_names') AS names
     FROM pg_catalog.pg_stat_replication`,
  )
  const { standbys = 0, names = '' } = found ?? {}
  if (standbys === 0) return ok('standbys', 'none is connected')
  if (names !== '') return ok('standbys', `${standbys} connected, synchronous: ${names}`)
  return warn(
    'standbys',
    `${standbys} connected, and none is synchronous`,
    'set synchronous_standby_names: a failover may otherwise lose the last records that were acknowledged',
  )
}

/** An open transaction holds back readers that go forward through the ledger, and vacuum. */
async function checkTransactions({ query }: Postgres): Promise<StorageFinding> {
  const [found] = await query<{ readonly seconds: number | null; readonly seesAll: boolean }>(
    `SELECT extract(epoch FROM now() - min(xact_start))::float8 AS seconds,
       pg_has_role('pg_read_all_stats', 'USAGE') AS "seesAll" FROM pg_catalog.pg_stat_activity
     WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'`,
  )
  const seconds = Math.round(found?.seconds ?? 0)
  // Of other roles the server says nothing to one that may not read it.
  const whose = found?.seesAll === false ? 'none of this role' : 'none'
  if (seconds < 60) return ok('transactions', `${whose} is open for a minute`)
  return warn(
    'transactions',
    `one is open for ${seconds} s`,
    'look for it in pg_stat_activity and end it: exports and usage wait for it, and vacuum does',
  )
}

/**
 * A copy that was stopped behind the switch leaves nodes without an index and without retention.
 */
async function checkHistory({ query, schema }: Postgres): Promise<readonly StorageFinding[]> {
  const [table] = await query<{ readonly isThere: boolean }>(
    `SELECT to_regclass($1) IS NOT NULL AS "isThere"`,
    [`${schema}.arriving`],
  )
  const arriving = table?.isThere === true ? await readArriving(query, schema) : undefined
  if (arriving === undefined) return []
  return [
    warn(
      'history',
      `still being copied from a folder: ${arriving.blocks} blocks of the ledger are to come`,
      'let modelward copy end, or run it again: until then the ledger is not indexed, nothing of it is dropped, and it cannot be read from its oldest record on',
    ),
  ]
}
