import { SetupError } from '../../core/setup-error.ts'
import type { Query } from './postgres.ts'
import { openPostgres } from './postgres.ts'

/** What this version writes. */
const schemaVersion = 1

/** The statements of each subject; the parameter is the schema, quoted. */
const subjects: readonly ((schema: string) => readonly string[])[] = []

/** Of all deployments alike: who prepares one waits for who prepares another. */
const migrationLock = 0x6d6f6465

/** Milliseconds that one node waits while another prepares the same schema. */
const migrationMs = 60_000

export interface PreparedSchema {
  /** Names the deployment, also in Redis: a UUID. */
  readonly deployment: string
}

/**
 * Creates the schema of a deployment, or brings it up to this version. Of nodes that come at once
 * one works and the others wait: `CREATE … IF NOT EXISTS` alone fails for most of them.
 *
 * @throws SetupError `database_foreign` where the schema holds other things, `data_newer`
 * @throws Fault `store_unavailable`
 */
export async function prepareSchema(url: string): Promise<PreparedSchema> {
  const postgres = await openPostgres({
    url,
    fault: 'store_unavailable',
    connectionsMax: 1,
    queryTimeoutMs: migrationMs,
  })
  try {
    return await postgres.transaction(async (query) => {
      await query(`SET LOCAL lock_timeout = '${migrationMs}ms'`)
      await query('SELECT pg_advisory_xact_lock($1)', [migrationLock])
      return (
        (await readVersion(query, postgres.schema, postgres.name)) ?? createSchema(query, postgres.schema)
      )
    })
  } finally {
    await postgres.close()
  }
}

/** Undefined where there is nothing yet. */
async function readVersion(query: Query, schema: string, name: string): Promise<PreparedSchema | undefined> {
  const [found] = await query<{ readonly isOurs: boolean; readonly tables: number }>(
    `SELECT count(*) AS tables, coalesce(bool_or(relname = 'schema_version'), false) AS "isOurs"
     FROM pg_catalog.pg_class WHERE relnamespace = to_regnamespace($1) AND relkind IN ('r', 'p', 'v', 'm')`,
    [schema],
  )
  if (found === undefined || found.tables === 0) return undefined
  if (!found.isOurs)
    throw new SetupError(
      'database_foreign',
      `${name}: the schema holds tables that are not Modelward's; name another with ?schema= in the database URL`,
    )
  const [row] = await query<{
    readonly version: number
    readonly readsFrom: number
    readonly deployment: string
  }>(`SELECT version, reads_from AS "readsFrom", deployment FROM ${schema}.schema_version`)
  if (row === undefined)
    throw new SetupError('database_foreign', `${name}: the schema's version is missing; restore a backup`)
  if (row.readsFrom > schemaVersion)
    throw new SetupError(
      'data_newer',
      `${name}: it was written by a newer version (schema ${row.version}, this one knows ${schemaVersion}); start that version`,
    )
  return { deployment: row.deployment }
}

async function createSchema(query: Query, schema: string): Promise<PreparedSchema> {
  await query(`CREATE SCHEMA IF NOT EXISTS ${schema}`)
  await query(`CREATE TABLE ${schema}.schema_version (
    id int PRIMARY KEY CHECK (id = 1), version int NOT NULL, reads_from int NOT NULL, deployment uuid NOT NULL)`)
  for (const subject of subjects) for (const statement of subject(schema)) await query(statement)
  const [row] = await query<PreparedSchema>(
    `INSERT INTO ${schema}.schema_version VALUES (1, $1, $1, gen_random_uuid()) RETURNING deployment`,
    [schemaVersion],
  )
  if (row === undefined) throw new Error('INSERT … RETURNING gave no row')
  return row
}
