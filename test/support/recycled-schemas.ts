import pg from 'pg'
import { afterAll } from 'vitest'
import { databaseUrl, openTestSchema, type TestSchema } from './services.ts'

/** What a schema was when it was made. */
interface Fresh {
  readonly test: TestSchema
  /** The versions of its rows in the catalog: each change of a table or a function changes them. */
  readonly catalog: string
  readonly tables: readonly string[]
  /** Of those tables that have any. */
  readonly rows: readonly { readonly table: string; readonly json: string }[]
}

/**
 * Schemas for the tests of a file, which use one after another: of what one test has written the
 * next finds nothing. To make one costs PostgreSQL ten times what emptying one does. One whose
 * tables a test has changed is used no more. Call it where the file begins.
 */
export function recycleSchemas(): () => Promise<TestSchema> {
  const made: Fresh[] = []
  const free: Fresh[] = []
  let connecting: Promise<pg.Client> | undefined
  const connect = (): Promise<pg.Client> => {
    connecting ??= openClient()
    return connecting
  }
  afterAll(async () => {
    await Promise.all(made.map(({ test }) => test.drop()))
    await (await connecting)?.end()
  })
  return async () => {
    let fresh = free.pop()
    if (fresh === undefined) {
      fresh = await lookAt(await connect(), await openTestSchema())
      made.push(fresh)
    }
    const used = fresh
    return {
      ...used.test,
      async drop() {
        const client = await connect()
        await empty(client, used)
        if ((await readCatalog(client, used.test.schema)) === used.catalog) free.push(used)
      },
    }
  }
}

async function openClient(): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: await databaseUrl() })
  await client.connect()
  return client
}

async function lookAt(client: pg.Client, test: TestSchema): Promise<Fresh> {
  const { schema } = test
  const { rows: found } = await client.query<{ readonly name: string }>(
    `SELECT relname AS name FROM pg_class WHERE relnamespace = $1::regnamespace AND relkind = 'r' ORDER BY 1`,
    [schema],
  )
  const tables = found.map(({ name }) => `${schema}.${name}`)
  const rows: { readonly table: string; readonly json: string }[] = []
  for (const table of tables) {
    const { rows: read } = await client.query<{ readonly json: string | null }>(
      `SELECT jsonb_agg(to_jsonb(t))::text AS json FROM ${table} AS t`,
    )
    const json = read[0]?.json ?? null
    if (json !== null) rows.push({ table, json })
  }
  return { test, tables, rows, catalog: await readCatalog(client, schema) }
}

/** Leaves the rows and the sequences as they were when the schema was made. */
async function empty(client: pg.Client, { test, tables, rows }: Fresh): Promise<void> {
  // In one statement: rows that others refer to may go before them.
  const deletes = tables.map((table, index) => `d${index} AS (DELETE FROM ${table})`)
  await client.query('BEGIN')
  await client.query(`WITH ${deletes.join(', ')} SELECT 1`)
  for (const { table, json } of rows)
    await client.query(
      `INSERT INTO ${table} OVERRIDING SYSTEM VALUE SELECT * FROM jsonb_populate_recordset(NULL::${table}, $1)`,
      [json],
    )
  await client.query(
    `SELECT setval(format('%I.%I', schemaname, sequencename)::regclass, start_value, false)
     FROM pg_sequences WHERE schemaname = $1`,
    [test.schema],
  )
  await client.query('COMMIT')
}

async function readCatalog(client: pg.Client, schema: string): Promise<string> {
  const { rows } = await client.query<{ readonly catalog: string }>(
    `SELECT concat_ws(' ',
       (SELECT md5(string_agg(concat(c.oid, ':', c.xmin), ' ' ORDER BY c.oid)) FROM pg_class AS c
        WHERE c.relnamespace = n.oid),
       (SELECT md5(string_agg(concat(a.attrelid, ':', a.attnum, ':', a.xmin), ' ' ORDER BY a.attrelid, a.attnum))
        FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid WHERE c.relnamespace = n.oid),
       (SELECT md5(string_agg(concat(p.oid, ':', p.xmin), ' ' ORDER BY p.oid)) FROM pg_proc AS p
        WHERE p.pronamespace = n.oid)) AS catalog
     FROM pg_namespace AS n WHERE n.nspname = $1`,
    [schema],
  )
  return rows[0]?.catalog ?? 'gone'
}
