import { SetupError } from '../../core/setup-error.ts'
import { checkServer } from './check-server.ts'
import { jobSchema } from './jobs/job-schema.ts'
import { disabledBySchema, keysSchema } from './keys/keys-schema.ts'
import { ledgerSchema, leftStreamsSchema } from './ledger/ledger-schema.ts'
import { limitsSchema } from './limits/limits-schema.ts'
import { nodesSchema } from './nodes-schema.ts'
import { openPostgres, type Postgres, type Query } from './postgres.ts'
import { refuseUnmended } from './postgres-error.ts'

/** Statements; the parameter is the schema, quoted. */
type Statements = (schema: string) => readonly string[]

/**
 * The steps from an empty schema to this version's, the subjects of each. A released step is never
 * changed. Each adds only what a node of the version before can run beside, so that nodes are
 * replaced one by one.
 */
const steps: readonly (readonly Statements[])[] = [
  [keysSchema, limitsSchema, nodesSchema, ledgerSchema, jobSchema],
  [disabledBySchema],
  [leftStreamsSchema],
]

/** What this version writes. */
export const schemaVersion: number = steps.length

/** The oldest version that reads what this one writes. */
const readsFrom = 1

/** Of all deployments alike: one that is prepared waits for another. */
const migrationLock = 0x6d6f6465

/** Milliseconds until a connection is given up at a start, which no request waits for. */
const startMs = 5_000

/** Milliseconds that one node waits while another prepares the schema. */
const migrationMs = 60_000

export interface PreparedSchema {
  /** Names the deployment, also in Redis: a UUID. */
  readonly deployment: string
  /** As it is stored: a newer one that this version can read, or this version's. */
  readonly version: number
}

/**
 * Creates the schema of a deployment, or brings it up to this version. Of nodes that come at once
 * one works and the others wait: `CREATE … IF NOT EXISTS` alone fails for most of them.
 *
 * @param migrate `never`: changes nothing, and a schema that is missing or older is an error
 * @throws SetupError `database_foreign` where the schema holds other things, `database_unsuitable`,
 * `database_unreachable` where waiting does not mend it, `data_newer`, `data_missing`
 * @throws Fault `store_unavailable`
 */
export async function prepareSchema(
  url: string,
  migrate: 'auto' | 'never' = 'auto',
): Promise<PreparedSchema> {
  const postgres = await openPostgres({
    url,
    fault: 'store_unavailable',
    connectionsMax: 1,
    queryTimeoutMs: migrationMs,
    connectTimeoutMs: startMs,
  })
  try {
    return await prepare(postgres, migrate)
  } catch (error) {
    throw refuseUnmended(error, postgres.name)
  } finally {
    await postgres.close()
  }
}

async function prepare(postgres: Postgres, migrate: 'auto' | 'never'): Promise<PreparedSchema> {
  await checkServer(postgres)
  const { schema, name } = postgres
  // Without a lock where there is nothing to do, as on all starts but the first.
  const ready = await readVersion(postgres.query, schema, name)
  if (ready !== undefined && ready.version >= schemaVersion) return ready
  if (migrate === 'never') throw notReady(name, ready)
  return postgres.transaction(async (query) => {
    await query(`SET LOCAL lock_timeout = '${migrationMs}ms'`)
    await query('SELECT pg_advisory_xact_lock($1)', [migrationLock])
    const found = (await readVersion(query, schema, name)) ?? (await createSchema(query, schema))
    return found.version >= schemaVersion ? found : takeSteps(query, schema, found.version)
  })
}

function notReady(name: string, found: PreparedSchema | undefined): SetupError {
  const [what, how] =
    found === undefined
      ? ['there is no deployment', 'create it']
      : [`its schema has version ${found.version}, this program's is ${schemaVersion}`, 'bring it up']
  return new SetupError('data_missing', `${name}: ${what}; ${how} with: modelward migrate --database-url …`)
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
  const [row] = await query<PreparedSchema & { readonly readsFrom: number }>(
    `SELECT version, reads_from AS "readsFrom", deployment FROM ${schema}.schema_version`,
  )
  if (row === undefined)
    throw new SetupError('database_foreign', `${name}: the schema's version is missing; restore a backup`)
  const { version, deployment, readsFrom } = row
  if (readsFrom > schemaVersion)
    throw new SetupError(
      'data_newer',
      `${name}: it was written by a newer version (schema ${version}, this one knows ${schemaVersion}); start that version`,
    )
  return { deployment, version }
}

/** An empty schema, of version 0. */
async function createSchema(query: Query, schema: string): Promise<PreparedSchema> {
  // Not `IF NOT EXISTS`, which needs the right to create schemas where this one is there.
  const [there] = await query('SELECT 1 FROM pg_catalog.pg_namespace WHERE oid = to_regnamespace($1)', [
    schema,
  ])
  if (there === undefined) await query(`CREATE SCHEMA ${schema}`)
  await query(`CREATE TABLE ${schema}.schema_version (
    id int PRIMARY KEY CHECK (id = 1), version int NOT NULL, reads_from int NOT NULL, deployment uuid NOT NULL)`)
  const [row] = await query<PreparedSchema>(
    `INSERT INTO ${schema}.schema_version VALUES (1, 0, 0, gen_random_uuid()) RETURNING deployment, version`,
  )
  if (row === undefined) throw new Error('INSERT … RETURNING gave no row')
  return row
}

async function takeSteps(query: Query, schema: string, from: number): Promise<PreparedSchema> {
  const statements = steps.slice(from).flatMap((step) => step.flatMap((subject) => subject(schema)))
  // In one message: over a slow wire each would wait for the one before.
  await query(statements.join(';\n'))
  const [row] = await query<PreparedSchema>(
    `UPDATE ${schema}.schema_version SET version = $1, reads_from = $2 RETURNING deployment, version`,
    [schemaVersion, readsFrom],
  )
  if (row === undefined) throw new Error('UPDATE … RETURNING gave no row')
  return row
}
